import pytest

from skysort.report.page import _shown, breakable


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("bird\u202egpj.exe", r"bird\u202egpj.exe"),
        ("87\u00a0% right\nin all", "87\u00a0% right\nin all"),
        ("a\x9b\u200bb", r"a\x9b\u200bb"),
        (87, 87),
    ],
)
def test_a_page_shows_what_a_name_hides(content: object, shown: object) -> None:
    assert _shown(content) == shown


def test_what_is_html_already_stays() -> None:
    markupsafe = pytest.importorskip("markupsafe")
    drawn = markupsafe.Markup("<svg>\u202e</svg>")
    assert _shown(drawn) is drawn


def test_a_class_may_be_broken_at_its_underscores_and_is_still_text() -> None:
    assert breakable("Bay_breasted_<b>\u202e") == "Bay_<wbr>breasted_<wbr>&lt;b&gt;\\u202e"
