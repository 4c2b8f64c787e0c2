"""The lessons: their numbers, and the lines of code they show."""

import ast
import json
import re

import numpy as np

from skysort.lessons.convolution import layers
from skysort.lessons.lesson import SOURCE_FOLDER, Lesson
from skysort.lessons.picture_is_numbers import normalised
from skysort.lessons.pictures import LessonPictures, redness
from skysort.networks.inspect.by_name import describe_by_name


def test_each_lesson_is_whole(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        assert len(lesson.questions) == 3 and any(figure.hint for figure in lesson.figures)
        names = [figure.name for figure in lesson.figures]
        assert len(set(names)) == len(names) and all(re.fullmatch("[a-z-]+", name) for name in names)
        assert all(figure.caption and figure.component.still() for figure in lesson.figures)
        json.dumps([figure.component.data() for figure in lesson.figures], allow_nan=False)


def test_code_on_a_page_is_the_code_that_runs(lessons: list[Lesson]) -> None:
    shown = [code for lesson in lessons for part in lesson.parts for code in part.code]
    assert shown
    for code in shown:
        file = (SOURCE_FOLDER / code.path).read_text("utf-8")
        (function,) = ast.parse(code.text).body
        (original,) = (
            node
            for node in ast.walk(ast.parse(file))
            if isinstance(node, ast.FunctionDef) and node.lineno == code.line
        )
        assert isinstance(function, ast.FunctionDef) and not ast.get_docstring(function)
        body = original.body[1:] if ast.get_docstring(original) else original.body
        assert [ast.unparse(line) for line in function.body] == [ast.unparse(line) for line in body]
        assert code.text.startswith(f"def {original.name}(")


def test_numbers_of_the_texts(lessons: list[Lesson]) -> None:
    opening = {lesson.name: lesson.opening for lesson in lessons}
    assert "1,024 pixels" in opening["picture-is-numbers"] and "3,072 numbers" in opening["picture-is-numbers"]
    assert "432 weights" in opening["convolution"] and "49,152" in opening["convolution"]
    paragraphs = [text for lesson in lessons for part in lesson.parts for text in part.paragraphs]
    assert any("= 432 weights and 16 biases" in text and "= 3,072 numbers" in text for text in paragraphs)
    assert any("18,090 parameters" in text for text in paragraphs)


def test_the_picture_with_the_most_red(pictures: LessonPictures) -> None:
    plain = np.zeros((3, 3, 2, 2), np.uint8)
    plain[0, 0], plain[1], plain[2, 2] = 100, 255, 255
    assert redness(plain).tolist() == [100, 0, -127.5]
    assert pictures.reddest[0].mean() > pictures.reddest[2].mean()


def test_normalised_is_minus_mean_by_deviation(pictures: LessonPictures) -> None:
    mean, std = pictures.dataset.mean_and_std(pictures.train_rows)
    expected = (pictures.reddest / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(normalised(pictures).numpy(), expected, atol=1e-5)


def test_the_layers_see_ever_more() -> None:
    sides = [side for *_, side in layers(describe_by_name("convnet", 32, 3, 2))]
    assert sides == sorted(sides) and sides[0] == 3 and sides[-1] == 32
