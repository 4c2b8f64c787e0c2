"""The words of the pages as they stand in templates, scripts and Python, and the catalogues that translate them.

make words    # add new words to every catalogue, without a translation, and drop old ones
"""

import re
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

import skysort.web
from skysort.web.words import LANGUAGES, LOCALES

WEB = Path(skysort.web.__file__).parent
METHODS = [
    ("templates/**.jinja", "jinja2.ext:babel_extract"),
    ("static/**.js", "javascript"),
    ("**.py", "python"),
]
OPTIONS = {"static/**.js": {"parse_template_string": "true"}, "templates/**.jinja": {"silent": "false"}}
DROPPED = re.compile(rb'"(?:Report|POT|PO|Last|Language-Team|Generated)')
KEYWORDS = {"_": None, "ngettext": (1, 2), "word": None, "words": (1, 2)}


def extracted() -> Catalog:
    """Return the words of the pages, with the files that they are in."""
    catalogue = Catalog(project="skysort", charset="utf-8")
    for file, _, message, _, context in extract_from_dir(
        WEB, METHODS, options_map=OPTIONS, keywords=KEYWORDS, directory_filter=lambda _: True
    ):
        catalogue.add(message, locations=[(file.replace("\\", "/"), 0)], context=context)
    return catalogue


def path_of(locale: str) -> Path:
    return LOCALES / locale / "LC_MESSAGES" / "messages.po"


def translated() -> dict[str, Catalog]:
    """Return the catalogues by locale. English, the source, has none."""
    catalogues = {}
    for locale in LANGUAGES:
        if path_of(locale).exists():
            with path_of(locale).open("rb") as file:
                catalogues[locale] = read_po(file, locale)
    return catalogues


def main() -> None:
    words = extracted()
    for locale, catalogue in translated().items():
        catalogue.update(words, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        content = BytesIO()
        write_po(content, catalogue, width=100, sort_by_file=True, include_lineno=False)
        # The part of the head that a file's history has anyway.
        kept = [line for line in content.getvalue().splitlines(keepends=True) if not DROPPED.match(line)]
        path_of(locale).write_bytes(b"".join(kept))


if __name__ == "__main__":
    main()
