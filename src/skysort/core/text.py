"""Text as a terminal may have it."""

import re

INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that Python calls printable and that show nothing.

Source: Default_Ignorable_Code_Point of Unicode 15.1, and the blank braille pattern. The selectors of an emoji's
look (U+FE00 to U+FE0F) are not among them.
"""


def printable(text: str) -> str:
    """Spell out what a terminal would act on or not show: line ends, control codes, turned directions, blanks.

    Bytes that are not UTF-8 stay as Python holds them, except 0x80 to 0x9f: some terminals take them for control
    codes.

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
    """Return a number with what it is of, the plural where it takes one.

    >>> counted(1, "picture"), counted(1204, "picture"), counted(0, "class", "classes")
    ('1 picture', '1,204 pictures', '0 classes')
    """
    return f"{num:,} {thing if num == 1 else things or thing + 's'}"


def printable_lines(text: str) -> str:
    """Spell out the same in a message, whose own line ends stay."""
    return "\n".join(map(printable, text.split("\n")))
