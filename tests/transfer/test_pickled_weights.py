import collections
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skysort.transfer.backbones import Backbone
from skysort.transfer.pickled_weights import read_pickled_weights
from tests.conftest import refused
from tests.transfer.conftest import weights_file


def saved(path: Path, content: object) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def test_reads_what_torch_reads(lite0: Backbone) -> None:
    path = weights_file(lite0)
    tensors, oracle = read_pickled_weights(path), torch.load(path, weights_only=True)
    assert list(tensors) == list(oracle)
    assert len(tensors) == 296
    for name, tensor in oracle.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())


def test_reads_views_of_shared_storages(tmp_path: Path) -> None:
    whole = torch.arange(24, dtype=torch.float64).reshape(4, 6)
    content = collections.OrderedDict(whole=whole, turned=whole.T, column=whole[1:, 2], number=whole[0, 0])
    tensors = read_pickled_weights(saved(tmp_path / "views.pth", content))
    for name, tensor in content.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())


class Bomb:
    """Runs a command when a plain unpickler reads it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch exploded",)


@pytest.mark.parametrize(
    "content",
    [Bomb(), {"weight": Bomb()}, {"weight": torch.nn.Linear(1, 1)}, [1, 2], {"weight": 3}],
    ids=["a-command", "a-command-inside", "a-module", "a-list", "a-number"],
)
def test_refuses_all_but_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "weights.pth", content)
    with refused("damaged-backbone", path):
        read_pickled_weights(path)
    assert not (tmp_path / "exploded").exists()


def test_refuses_a_plain_pickle(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Bomb()))
    with refused("damaged-backbone", path):
        read_pickled_weights(path)


SMALL = {"weight": torch.arange(6.0).reshape(2, 3)}


@pytest.mark.hypothesis
@given(data=st.data())
def test_damage_is_an_error_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = saved(tmp_path_factory.mktemp("weights") / "weights.pth", SMALL)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        tensors = read_pickled_weights(path)
    except Exception as error:
        # A damaged size may ask for more memory than there is.
        assert isinstance(error, MemoryError) or getattr(error, "code", "") == "damaged-backbone", repr(error)
    else:
        assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())
