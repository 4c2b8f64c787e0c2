from collections.abc import Callable
from typing import get_type_hints

import pytest

from skysort.cli.decide import decide
from skysort.cli.journal import journal
from skysort.cli.options import class_typed
from skysort.cli.undo import undo
from skysort.cli.watch import watch


@pytest.mark.parametrize(
    ("verb", "option"), [(decide, "keep"), (watch, "keep"), (undo, "label"), (journal, "label")]
)
def test_a_class_may_be_typed_however_its_letters_are_spelled(verb: Callable[..., None], option: str) -> None:
    assert get_type_hints(verb, include_extras=True)[option].__metadata__[0].parser is class_typed
    assert class_typed("Mo\u0308we") == "M\xf6we"
