from pathlib import Path

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.data.quality.check import check
from skysort.report.check_page import write_check_page
from tests.conftest import numbers, picture_bytes
from tests.report.test_run_page import HOSTILE, HOSTILE_FILE, Page


def written(tmp_path: Path, files: dict[str, bytes]) -> str:
    folder = tmp_path / "pictures"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    dataset = open_dataset(Data.find(str(folder)), Shape(16, 3), SilentProgress())
    write_check_page(tmp_path / "check.html", check("made-up", dataset, dataset.near(), None, "four-way"), dataset)
    return (tmp_path / "check.html").read_bytes().decode("utf-8")


def test_each_picture_of_an_example_is_shown_with_its_class_and_its_path(tmp_path: Path) -> None:
    same = picture_bytes(1)
    html = written(tmp_path, {"a/1.png": same, "b/2.png": same, "a/3.png": picture_bytes(3), "b/4.png": b""})
    page = Page(html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [(image["alt"] or "").split()[-1] for image in images] == ["a", "b"] * 2  # of two findings
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in images)
    assert {"a/1.png", "b/2.png", "b/4.png"} <= set(page.texts)
    assert any("empty" in text for text in page.texts)  # why b/4.png is unreadable
    assert page.headings[0].endswith(": two-classes, unreadable.") and numbers(page.headings[0]) == ["4"]
    assert [table[1:] for table in page.tables] == [[["a ", "2 "], ["b ", "1 "]]]


def test_hostile_names_stay_text_and_nothing_is_fetched(tmp_path: Path) -> None:
    class_name = HOSTILE.replace("/", "")
    same = picture_bytes(1)
    files = {f"{class_name}/{HOSTILE_FILE}.png": same, "b/2.png": same, f"b/{HOSTILE_FILE}.png": b""}
    page = Page(written(tmp_path, files))
    assert not {"script", "iframe"} & page.names
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    fetched = [value for _, attributes in page.tags for name in ("src", "href") if (value := attributes.get(name))]
    assert all(value.startswith(("data:", "#")) for value in fetched)
    assert class_name in page.texts


def test_the_page_of_sound_pictures_says_so(tmp_path: Path) -> None:
    html = written(
        tmp_path,
        {f"{name}/{seed}.png": picture_bytes(seed + 50 * (name == "b")) for name in "ab" for seed in range(9)},
    )
    page = Page(html)
    assert numbers(page.headings[0]) == ["18"]
    assert [attributes["id"] for tag, attributes in page.tags if tag == "h2"] == ["classes"]  # and no finding
