"""Text as a terminal may have it."""


def printable(text: str) -> str:
    """Spell out what a terminal would act on: names may hold line ends, colour codes and turned directions.

    Bytes that are no UTF-8 stay as Python holds them.

    >>> print(printable("bird\\n\\x1b[31m.jpg"))
    bird\\n\\x1b[31m.jpg
    """
    return "".join(
        char if char.isprintable() or 0xDC80 <= ord(char) <= 0xDCFF else repr(char)[1:-1] for char in text
    )


def counted(num: int, thing: str, things: str = "") -> str:
    """Return a number with what it is of, the plural where it takes one.

    >>> counted(1, "picture"), counted(1204, "picture"), counted(0, "class", "classes")
    ('1 picture', '1,204 pictures', '0 classes')
    """
    return f"{num:,} {thing if num == 1 else things or thing + 's'}"


def printable_lines(text: str) -> str:
    """Spell out the same in a message, whose own line ends stay."""
    return "\n".join(map(printable, text.split("\n")))
