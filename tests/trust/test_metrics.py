import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from skysort.trust.metrics import measure

CLASSES = ("cat", "dog", "fox")
TRUTH = np.array([0, 0, 0, 1, 1, 2])
LABELS = [0, 0, 1, 1, 0, 0]
LOGITS = np.log(np.array([[0.2, 0.3, 0.5]] * 6, np.float32))
for row, label in enumerate(LABELS):
    LOGITS[row] = np.roll(np.log(np.array([0.5, 0.3, 0.2], np.float32)), label)


def test_figures_of_a_small_part_by_hand() -> None:
    figures = measure(LOGITS, TRUTH, CLASSES)
    assert figures.pictures == 6
    assert figures.accuracy == pytest.approx(3 / 6)
    assert figures.confusion == {"cat": {"cat": 2, "dog": 1}, "dog": {"cat": 1, "dog": 1}, "fox": {"cat": 1}}
    matrix = figures.matrix()
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    cat, dog, fox = figures.classes.values()
    assert (cat.pictures, cat.recall, cat.labelled, cat.precision) == (3, 2 / 3, 4, 2 / 4)
    assert (dog.recall, dog.precision) == (1 / 2, 1 / 2)
    assert (fox.recall, fox.labelled, fox.precision) == (0, 0, None)
    losses = -np.log([0.5, 0.5, 0.2, 0.5, 0.3, 0.2])
    assert figures.loss == pytest.approx(losses.mean())
    margin = 1.96 * losses.std(ddof=1) / 6**0.5
    assert figures.loss_interval95 == pytest.approx([losses.mean() - margin, losses.mean() + margin], rel=1e-4)


def test_a_class_without_pictures_has_no_share_instead_of_a_zero() -> None:
    absent = measure(LOGITS[:5], TRUTH[:5], CLASSES).classes["fox"]
    assert (absent.pictures, absent.recall, absent.interval95) == (0, None, None)


def test_one_picture_has_no_spread() -> None:
    figures = measure(LOGITS[:1], TRUTH[:1], CLASSES)
    assert figures.loss_interval95 is None
    assert figures.interval95[0] < 1 == figures.interval95[1]


def answers(num: int, absent: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2 if absent else 3, num)
    logits = rng.normal(size=(num, 3)).astype(np.float32).round(1)  # with ties
    logits[np.arange(num), truth] += 1
    return logits, truth


def test_figures_are_those_of_scikit_learn() -> None:
    logits, truth = answers(200)
    found, labels = measure(logits, truth, CLASSES), logits.argmax(axis=1)
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, labels))
    expected = metrics.precision_recall_fscore_support(truth, labels)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    for label, figures in enumerate(found.classes.values()):
        names = ("precision", "recall", "f1", "pictures")
        assert [getattr(figures, name) for name in names] == pytest.approx([of_all[label] for of_all in expected])
        of_class, others = probabilities[truth == label, label], probabilities[truth != label, label]
        # the share of pairs in the right order, a tie for half
        wins = (of_class[:, None] > others).mean() + (of_class[:, None] == others).mean() / 2
        assert figures.roc_auc == pytest.approx(wins)
        assert figures.average_precision == pytest.approx(
            metrics.average_precision_score(truth == label, probabilities[:, label])
        )
        for name in ("f1", "average_precision", "roc_auc"):
            low, high = getattr(figures, f"{name}_interval95")
            assert 0 < low < getattr(figures, name) < high < 1


def test_classes_without_pictures_have_no_figures_and_do_not_count() -> None:
    logits, truth = answers(50, absent=True)
    found = measure(logits, truth, CLASSES)
    fox = found.classes["fox"]
    assert fox.labelled and {getattr(fox, name) for name in ("f1", "average_precision", "roc_auc", "recall")} == {
        None
    }
    recalls = [found.classes[name].recall for name in ("cat", "dog")]
    assert found.balanced_accuracy == pytest.approx(np.mean(recalls))


def test_a_part_of_one_class_has_nothing_to_set_it_apart_from() -> None:
    logits, _ = answers(10)
    cat = measure(logits, np.zeros(10, np.int64), CLASSES).classes["cat"]
    assert (cat.average_precision, cat.roc_auc, cat.roc_auc_interval95) == (None, None, None)
    assert cat.f1 is not None


def test_calibration_is_told_before_and_after_the_temperature() -> None:
    logits, truth = answers(300)
    plain = measure(logits, truth, CLASSES).calibration_error
    assert plain.before is None and len(plain.after.points) == 15
    warmed = measure(logits / np.float32(4), truth, CLASSES, 4.0).calibration_error
    assert warmed.before.value == pytest.approx(plain.after.value, abs=1e-6)
    assert warmed.after.value != pytest.approx(warmed.before.value, abs=0.01)
