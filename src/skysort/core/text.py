"""Text that is safe to print on a terminal, and numbers with nouns."""

import re

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


def printable_lines(text: str) -> str:
    """Escape a message in the same way, but keep its line ends."""
    return "\n".join(map(printable, text.split("\n")))
