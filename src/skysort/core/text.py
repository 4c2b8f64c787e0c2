"""Text that is safe to print on a terminal, numbers with nouns, and shares that people type."""

import math
import re

from skysort.core.errors import NotUnderstoodError

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable although they are invisible.

Source: Default_Ignorable_Code_Point of Unicode 15.1, and the blank braille pattern. Variation selectors (U+FE00 to
U+FE0F), which emoji need, are left out.
"""


def printable(text: str) -> str:
    """Escape characters that a terminal would obey or not show: line ends, control codes, direction marks, blanks.

    Bytes that are not UTF-8 stay surrogates, except 0x80 to 0x9f, which some terminals take for control codes.

    >>> print(printable("bird\\n\\x1b[31m\\x9b\\u200b\\udc9b.jpg"))
    bird\\n\\x1b[31m\\x9b\\u200b\\x9b.jpg
    """
    if text.isprintable() and not INVISIBLE.search(text):  # as a picture in a page, of many characters
        return text
    return "".join(map(_shown, text))


def _shown(char: str) -> str:
    if "\udc80" <= char <= "\udc9f":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if "\udca0" <= char <= "\udcff" or (char.isprintable() and not INVISIBLE.match(char)):
        return char
    return char.encode("unicode_escape").decode("ascii")


def counted(num: int, thing: str, things: str = "") -> str:
    """Return a number and its noun, in the plural if needed.

    >>> counted(1, "picture"), counted(1204, "picture"), counted(0, "class", "classes")
    ('1 picture', '1,204 pictures', '0 classes')
    """
    return f"{num:,} {thing if num == 1 else things or thing + 's'}"


def share_typed(option: str, text: str, *, all_allowed: bool = False) -> float:
    """Return the share that a text such as `2%` or `0.02` stands for.

    >>> share_typed("--audit", "5%"), share_typed("--audit", "100%", all_allowed=True)
    (0.05, 1.0)

    Args:
        option: that takes it, for the error.
        text: a number, or a percentage.
        all_allowed: whether it may be 1.

    Raises:
        NotUnderstoodError: when it is not above 0 and below 1.
    """
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    is_percentage = text.strip().endswith("%")
    share = number / 100 if is_percentage else number
    if not (0 < share < 1 or (all_allowed and share == 1)):  # false for NaN, too
        limit = "at most" if all_allowed else "below"
        meant = f"; did you mean {text.strip()}%?" if 1 <= share < 100 and not is_percentage else ""
        raise NotUnderstoodError(
            "wrong-value",
            f"{option} takes a share such as 2% or 0.02, above 0 and {limit} 1, got '{text}'{meant}",
        )
    return share


def printable_lines(text: str) -> str:
    """Escape a message in the same way, but keep its line ends."""
    return "\n".join(map(printable, text.split("\n")))
