"""The lessons on drawn pictures, and their pages."""

from pathlib import Path

import pytest

from skysort.core.progress import SilentProgress
from skysort.lessons.book import LESSONS, write_lessons
from skysort.lessons.lesson import Lesson
from skysort.lessons.pictures import LessonPictures, find_pictures
from tests.conftest import SharedFolder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> LessonPictures:
    return find_pictures(tmp_path_factory.mktemp("no-data"), SilentProgress())


@pytest.fixture(scope="module")
def lessons(pictures: LessonPictures) -> list[Lesson]:
    return [make(pictures) for make in LESSONS]


@pytest.fixture(scope="session")
def site(shared_folder: SharedFolder) -> Path:
    return shared_folder("lessons", lambda folder: write_lessons(folder, folder / "no-data"))
