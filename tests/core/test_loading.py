"""Garbage collection stands still while libraries are imported, and only then."""

import gc

import pytest

from skysort.core.loading import loading


def test_collection_goes_on_after_libraries_are_loaded_even_if_one_is_missing() -> None:
    with pytest.raises(ImportError), loading():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() and not gc.get_freeze_count()


def test_a_program_that_collects_no_garbage_goes_on_like_that() -> None:
    gc.disable()
    try:
        with loading():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
