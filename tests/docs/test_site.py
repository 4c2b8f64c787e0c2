"""The site builds without a warning, loads nothing from elsewhere, and has every public name."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

import skysort
from tests.conftest import SharedFolder
from tests.docs.pages import ROOT, hooks


@pytest.fixture(scope="module")
def site(shared_folder: SharedFolder) -> Path:
    pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")
    return shared_folder("site", build)


def build(folder: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 25
    for page in pages:
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?([^\"'\s>]+)", text)
        loaded += re.findall(r"url\([\"']?([^)\"']+)", text) + re.findall(r"@import\s+[\"']([^\"']+)", text)
        assert not [name for name in loaded if re.match(r"(https?:)?//", name)], page


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen_or_asks_a_network(site: Path, width: int) -> None:
    asked = os.environ.get("SKYSORT_BROWSER")
    program = shutil.which(asked or "chromium")
    if program is None and not asked:
        pytest.skip("Chromium is not installed")
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        for path in sorted(site.rglob("*.html")):
            if path.name != "404.html":  # which is for a server: its links are absolute
                page.goto(path.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        browser.close()
    assert len(requests) > 25 and not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]


def test_every_public_name_is_described(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text("utf-8")
    members = [f"{name}.{member}" for name, shown in hooks.MEMBERS.items() for member in shown]
    for name in [*skysort.__all__, *members]:
        assert re.search(rf'id="skysort\.(\w+\.)*{re.escape(name)}"', page), name
    assert "Raises" in page and "Args" not in page


def test_signatures_lead_to_the_types_that_functions_return(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text("utf-8")
    results = (site / "reference" / "python-results.html").read_text("utf-8")
    for name in ("CheckResult", "Comparison", "DecisionResult", "Metrics", "Prediction", "SortResult"):
        (anchor,) = set(re.findall(rf'href="python-results\.html#(skysort\.[\w.]+\.{name})"', page))
        assert f'id="{anchor}"' in results
    assert "SplitFigures" in results


def test_sentences_of_an_output_wrap_and_columns_and_options_do_not() -> None:
    block = '<div class="language-text highlight"><pre><span></span><code> split  loss\na sentence\n</code></pre>'
    wrapping = block.replace("a sentence", '<span class="sentence">a sentence</span>')
    assert hooks.on_page_content(block) == wrapping
    assert hooks.on_page_content(block.replace("-text", "-python")) == block.replace("-text", "-python")
    assert hooks.on_page_content("<code>--aside</code>") == '<code class="option">--aside</code>'


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    generated = {f"reference/{name}.md" for name in ("commands", "fields", "errors", "python", "python-results")}
    named = re.findall(r"\S+\.md$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(pages | generated)


def test_links_of_the_readme_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text("utf-8")):
            assert (ROOT / link).exists(), link
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150
