"""The words of the pages, in the language of the person: a gettext catalogue, with English as its source.

`_` and `ngettext` give words in the language of the request that is answered, in templates and in Python. Scripts
get theirs with the page. `make words` finds new ones.
"""

from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from http.cookies import CookieError, SimpleCookie
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.core import Locale
from babel.dates import format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import Translations
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
"""The languages of the catalogue, by locale, as their speakers call them."""
COOKIE = "skysort-language"
LOCALES = Path(__file__).parent / "locale"

language: ContextVar[str] = ContextVar("language", default="en")
"""Locale of the request that is answered."""


def _(text: str, **values: Any) -> str:
    """Return a text in the person's language, with values in the places of `%(name)s`."""
    translated = _translations(language.get()).gettext(text)
    return translated % values if values else translated


def ngettext(one: str, many: str, num: int, **values: Any) -> str:
    """Return a text with the form that a number takes, `%(num)s` in it."""
    translated = _translations(language.get()).ngettext(one, many, num)
    return translated % {"num": number(num), **values}


def number(value: float, digits: int = 0) -> str:
    """Return a number as the person's language writes it, rounded to so many digits after the point."""
    return format_decimal(round(value, digits), locale=language.get())


def percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage, with so many digits after the point."""
    form = "#,##0." + "0" * digits if digits else "#,##0"
    unit = "%" if language.get() == "zh_CN" else " %"
    return format_percent(share, form + unit, locale=language.get())


def duration(seconds: float) -> str:
    """Return a duration in its largest fitting unit, such as `12 seconds`."""
    return format_timedelta(max(round(seconds), 1), threshold=2, locale=language.get())


def words_of_scripts() -> dict[str, list[str]]:
    """Return the words of scripts: by the English text, its forms in the person's language. None for English."""
    forms = {}
    for message in _catalogue(language.get()):
        if message.id and any(file.endswith(".js") for file, _line in message.locations):
            singular = message.id if isinstance(message.id, str) else message.id[0]
            text = message.string or ""
            forms[singular] = [text] if isinstance(text, str) else list(text)
    return forms


class InLanguage:
    """Answers each request in the language of its cookie, else of the browser.

    Args:
        app: answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            language.set(language_of(Headers(scope=scope)))
        await self.app(scope, receive, send)


def language_of(headers: Headers) -> str:
    """Return the locale for a request, by its cookie or its header Accept-Language."""
    with suppress(CookieError):
        cookies = SimpleCookie(headers.get("cookie", ""))
        if COOKIE in cookies and cookies[COOKIE].value in LANGUAGES:
            return cookies[COOKIE].value
    weighed = []
    for part in headers.get("accept-language", "").split(","):
        name, _sep, weight = part.strip().partition(";q=")
        with suppress(ValueError):
            weighed.append((-float(weight or 1), name.partition("-")[0].lower()))
    known = {locale.partition("_")[0]: locale for locale in LANGUAGES}
    return next((known[name] for _weight, name in sorted(weighed) if name in known), "en")


def html_language() -> str:
    """Return the language of the request as pages name it, such as `zh-CN`."""
    return language.get().replace("_", "-")


def languages() -> dict[str, str]:
    """Return the names of the languages that the page is not in, by locale."""
    return {locale: name for locale, name in LANGUAGES.items() if locale != language.get()}


@cache
def _catalogue(locale: str) -> Catalog:
    path = LOCALES / locale / "LC_MESSAGES" / "messages.po"
    if not path.is_file():  # English, the source
        return Catalog(Locale.parse(locale))
    with path.open("rb") as file:
        return read_po(file, locale)


@cache
def _translations(locale: str) -> Translations:
    compiled = BytesIO()
    write_mo(compiled, _catalogue(locale))
    compiled.seek(0)
    return Translations(compiled)
