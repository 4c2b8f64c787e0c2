"""The pages speak from the catalogue, in every language, and nothing bypasses it."""

import re
from pathlib import Path

import pytest
from starlette.datastructures import Headers

from skysort.web import words
from skysort.web.words import LANGUAGES, _, duration, language_of, ngettext, number, percent, words_of_scripts
from tests.web.catalogue import WEB, extracted, translated

PLACES = re.compile(r"%\((\w+)\)s")
LETTERS = re.compile(r"[^\W\d_]{2,}")
MARKUP = re.compile(r"<!--.*?-->|<(?:code|pre|kbd)\b.*?</(?:code|pre|kbd)>|<[^>]*>", re.DOTALL)
SPOKEN = re.compile(r"\b(?:aria-label|alt|title|placeholder)=([\"'])(.*?)\1", re.DOTALL)
IN_CODE = re.compile(r"""html`|`|[{}]|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|.""", re.DOTALL)
IN_TEMPLATE = re.compile(r"`|\$\{|.", re.DOTALL)
"""Tokens of a script."""
NAMES = {"Skysort"}
"""Words that are the same in every language."""
TEMPLATES, SCRIPTS = (
    [path for path in sorted((WEB / folder).iterdir()) if path.suffix == ending]
    for folder, ending in (("templates", ".jinja"), ("static", ".js"))
)


def test_every_word_is_translated() -> None:
    source = {message.id: message for message in extracted() if message.id}
    assert len(source) > 60 and translated().keys() == LANGUAGES.keys() - {"en"}
    for locale, catalogue in translated().items():
        messages = {message.id: message for message in catalogue if message.id}
        assert messages.keys() == source.keys(), "run: make words"
        for key, message in messages.items():
            forms = [message.string] if isinstance(message.string, str) else message.string
            assert all(forms) and not message.fuzzy, f"{locale} has no translation of {key!r}"
            keys = [key] if isinstance(key, str) else key
            wanted = {name for text in keys for name in PLACES.findall(text)}
            for form in forms:
                assert set(PLACES.findall(form)) == wanted, form
                assert form.count("%%") == keys[0].count("%%")


def spoken(template: str) -> list[str]:
    """Return the words of a template that are not from the catalogue."""
    shown = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", template, flags=re.DOTALL)
    shown = re.sub(r"<(script|style|title)\b.*?</\1>", "", shown, flags=re.DOTALL)
    texts = [MARKUP.sub(" ", shown), *(text for _quote, text in SPOKEN.findall(shown))]
    return [word for text in texts for word in LETTERS.findall(text) if word not in NAMES]


def spoken_by(script: str) -> list[str]:
    """Return the words in the markup of a script that are not from the catalogue."""
    found = []
    for markup in markup_of(script):
        texts = [MARKUP.sub(" ", markup), *(text for _quote, text in SPOKEN.findall(markup))]
        found += [word for text in texts for word in LETTERS.findall(text)]
    for assigned in re.findall(r"(?:textContent|title|alt|placeholder) = ([\"'`])(.*?)\1", script):
        found += LETTERS.findall(re.sub(r"\$\{.*?\}", "", assigned[1]))
    return [word for word in found if word not in NAMES]


def markup_of(script: str) -> list[str]:
    """Return the html`…` templates of a script, also those within others, without the values in them."""
    script = re.sub(r"^\s*//.*$", "", script, flags=re.MULTILINE)
    ended: list[str] = []
    around: list[str] = []
    """What is open, from the outside: `{` of code, or a template's text so far, after `+` if it is markup."""
    at = 0
    while at < len(script):
        is_code = not around or around[-1] == "{"
        token = (IN_CODE if is_code else IN_TEMPLATE).match(script, at)
        assert token
        text, at = token[0], token.end()
        if is_code and text in ("`", "html`"):
            around.append("+" if text == "html`" else "-")
        elif text == ("{" if is_code else "${"):
            around.append("{")
        elif text == ("}" if is_code else "`"):
            ended.append(around.pop())
        elif not is_code:
            around[-1] += text
    return [text[1:] for text in ended if text.startswith("+")]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_word_of_a_template_bypasses_the_catalogue(path: Path) -> None:
    assert spoken(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_word_of_a_script_bypasses_the_catalogue(path: Path) -> None:
    assert spoken_by(path.read_text("utf-8")) == []


def test_a_word_that_bypasses_it_is_found() -> None:
    assert spoken('<p>{{ _("Hello") }} there <code>run</code></p>') == ["there"]
    assert spoken('<img alt="a bird">{% if x %}Yes{% endif %}') == ["Yes", "bird"]
    assert spoken_by('html`<p>${word("Hello")} you ${x.map((one) => html`<b>there ${one}</b>`)}</p>`') != []
    assert spoken_by("state.textContent = `Not tried: ${error}`;") == ["Not", "tried"]


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh_CN"),
        ("zh-Hans-CN", "", "zh_CN"),
        ("en-GB,en;q=0.9,zh;q=0.8", "", "en"),
        ("de,zh;q=0.5,en;q=0.7", "", "en"),
        ("de, x;q=a", "", "en"),
        ("", "", "en"),
        ("en", "skysort-language=zh_CN", "zh_CN"),
        ("zh", "skysort-language=xx", "zh_CN"),
        ("zh", 'skysort-language="\\', "zh_CN"),
    ],
)
def test_the_language_of_a_request(accepted: str, cookie: str, language: str) -> None:
    assert language_of(Headers({"accept-language": accepted, "cookie": cookie})) == language


def test_words_and_numbers_by_language() -> None:
    pictures = ("Teach a classifier from %(num)s picture", "Teach a classifier from %(num)s pictures")
    assert ngettext(*pictures, 1).endswith("1 picture") and ngettext(*pictures, 1204).endswith("1,204 pictures")
    assert (percent(0.5), percent(0.995, 1), number(1234.56, 1), duration(0.2)) == (
        "50 %", "99.5 %", "1,234.6", "1 second",
    )  # fmt: skip
    assert words_of_scripts() == {}
    before = words.language.set("zh_CN")
    try:
        assert percent(0.5) == "50%" and _("Stop") == "停止" and "1,204" in ngettext(*pictures, 1204)
        assert words_of_scripts()["validation"] == ["验证集"] and "Stop" not in words_of_scripts()
        assert _("no such text %(name)s", name=1) == "no such text 1"
    finally:
        words.language.reset(before)
