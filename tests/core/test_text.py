import unicodedata

import pytest

from skysort.core.errors import NotUnderstoodError
from skysort.core.text import printable, share_typed
from tests.conftest import refused


@pytest.mark.parametrize(
    "char",
    ["\x1b", "\x7f", "\x80", "\x9b", "\x9d", "\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u3164",
     "\u2800", "\u034f", "\u115f", "\U000e0041", "\U000e0100", "\u2028", "\x85", "\u00a0", "\ue000"],
)  # fmt: skip
def test_what_acts_on_a_terminal_or_shows_nothing_is_spelled_out(char: str) -> None:
    shown = printable(f"a{char}b")
    assert shown.isascii() and shown.startswith("a\\") and shown.endswith("b")
    assert shown.encode().decode("unicode_escape") == f"a{char}b"


@pytest.mark.parametrize(
    "name", ["Käuzchen", "Ka\u0308uzchen", "鳥", "птица", "طائر", "🐦", "☀\ufe0f", "a b'\"\\"]
)
def test_names_that_show_as_they_are_stay(name: str) -> None:
    assert printable(name) == name


def test_no_control_code_gets_through() -> None:
    for number in range(0x10000):
        shown = printable(chr(number))
        if not 0xDC80 <= number <= 0xDCFF:
            assert shown.isascii() or unicodedata.category(shown)[0] not in "C"


def test_bytes_that_are_not_utf8_stay_but_for_control_codes() -> None:
    assert printable(b"\xe9t\xe9\x9b31m".decode("utf-8", "surrogateescape")) == "\udce9t\udce9\\x9b31m"


@pytest.mark.parametrize(("text", "meant"), [("20", "20%?"), ("1", "1%?"), ("2.5 ", "2.5%?")])
def test_a_percentage_without_its_sign_is_refused_with_a_suggestion(text: str, meant: str) -> None:
    with refused("wrong-value", f"did you mean {meant}", exit_code=2):
        share_typed("--lose-at-most", text)


@pytest.mark.parametrize("text", ["200%", "0", "-3", "150", "nan", "five"])
def test_a_share_that_nobody_can_mean_is_refused_without_one(text: str) -> None:
    with pytest.raises(NotUnderstoodError) as error:
        share_typed("--lose-at-most", text)
    assert "did you mean" not in error.value.message
