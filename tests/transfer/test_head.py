import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skysort.transfer import head as module
from skysort.transfer.head import FittedHead, fit_head, fit_linear, make_folds


def drawn(per_class: int, num_classes: int = 3, num_features: int = 50, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return features, labels and groups of one picture each: a Gaussian per class."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_classes, num_features))
    labels = np.repeat(np.arange(num_classes), per_class)
    return centres[labels] + rng.normal(size=(len(labels), num_features)), labels, np.arange(len(labels))


def accuracy(head: FittedHead, features: np.ndarray, labels: np.ndarray) -> float:
    return float(((features @ head.linear.weight.T + head.linear.bias).argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("num_features", [50, 400], ids=["fewer-features", "more-features-than-pictures"])
def test_learns_what_scikit_learn_learns(num_features: int) -> None:
    features, labels, groups = drawn(40, num_features=num_features)
    head = fit_head(features, labels, groups, 3, strength=3.0)
    variance = features.var(axis=0)
    scaled = (features - features.mean(axis=0)) / np.sqrt(variance + 0.1 * variance.mean())
    oracle = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=10_000).fit(scaled, labels)
    logits = features @ head.linear.weight.T + head.linear.bias
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, oracle.predict_proba(scaled), atol=2e-3)


def test_two_classes_have_a_logit_each() -> None:
    features, labels, groups = drawn(30, num_classes=2)
    head = fit_head(features, labels, groups, 2)
    assert head.linear.weight.shape == (2, 50)
    np.testing.assert_allclose(head.linear.weight[0], -head.linear.weight[1])
    assert accuracy(head, *drawn(200, num_classes=2, seed=0)[:2]) > 0.9


def test_same_arguments_same_bits() -> None:
    features, labels, groups = drawn(20)
    first, second = (fit_head(features, labels, groups, 3) for _ in range(2))
    assert first.linear.weight.tobytes() == second.linear.weight.tobytes()
    assert first.out_of_fold.tobytes() == second.out_of_fold.tobytes()


def test_any_number_of_threads_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, groups = drawn(20, num_features=300)
    monkeypatch.setattr(module, "num_cores", lambda: 1)
    alone = fit_head(features, labels, groups, 3)
    monkeypatch.setattr(module, "num_cores", lambda: 3)
    together = fit_head(features, labels, groups, 3)
    assert alone.linear.weight.tobytes() == together.linear.weight.tobytes()
    assert alone.out_of_fold.tobytes() == together.out_of_fold.tobytes()


def test_the_penalty_follows_the_noise() -> None:
    """Of features that say nothing of the class, the strongest penalty is best; of clear ones, a weak one."""
    features, labels, groups = drawn(30)
    noise = np.random.default_rng(1).normal(size=features.shape)
    assert fit_head(noise, labels, groups, 3).strength > fit_head(10 * features, labels, groups, 3).strength


def test_out_of_fold_answers_know_no_group() -> None:
    """Copies of a picture under a random label: only a head that saw a copy could know that label."""
    rng = np.random.default_rng(0)
    originals, labels = rng.normal(size=(60, 50)), rng.integers(0, 2, 60)
    features, labels, groups = np.repeat(originals, 3, axis=0), np.repeat(labels, 3), np.repeat(np.arange(60), 3)
    apart = fit_head(features, labels, groups, 2, strength=0.1).out_of_fold.argmax(axis=1) == labels
    leaked = fit_head(features, labels, np.arange(180), 2, strength=0.1).out_of_fold.argmax(axis=1) == labels
    assert leaked.mean() > 0.9
    assert apart.mean() < 0.75


def test_folds_keep_groups_and_have_every_class() -> None:
    _, labels, _ = drawn(30)
    groups = np.arange(90) // 3
    folds = list(make_folds(labels, groups, 5, 0))
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(90))
    for training, held_out in folds:
        assert not set(groups[training]) & set(groups[held_out])
        assert set(labels[held_out]) == {0, 1, 2}


def test_three_pictures_per_class_are_enough() -> None:
    features, labels, groups = drawn(3)
    assert np.isfinite(fit_head(features, labels, groups, 3).out_of_fold).all()


def test_balanced_weights_help_a_rare_class() -> None:
    features, labels, groups = drawn(60, num_classes=2, num_features=2)
    rare = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:6]])
    usual, balanced = (
        fit_head(features[rare], labels[rare], groups[rare], 2, class_weights=weights, strength=1.0)
        for weights in ("none", "balanced")
    )
    of_rare = labels == 1
    assert accuracy(balanced, features[of_rare], labels[of_rare]) >= accuracy(
        usual, features[of_rare], labels[of_rare]
    )
    assert balanced.linear.bias[1] - balanced.linear.bias[0] > usual.linear.bias[1] - usual.linear.bias[0]


def test_one_odd_feature_does_not_decide() -> None:
    """A feature that is almost always 0, and large in one new picture, leaves the answer as it was."""
    features, labels, groups = drawn(5)
    features = np.hstack([features, np.zeros((len(features), 1))])
    features[0, -1] = 1e-3
    head = fit_head(features, labels, groups, 3)
    odd = features.copy()
    odd[:, -1] = 1.0
    assert accuracy(head, odd, labels) == accuracy(head, features, labels) == 1


def test_equal_pictures_are_no_error() -> None:
    features, labels, groups = np.ones((12, 5)), np.repeat([0, 1], 6), np.arange(12)
    head = fit_head(features, labels, groups, 2)
    assert np.isfinite(head.linear.weight).all()
    assert np.isfinite(head.out_of_fold).all()


def test_more_pictures_are_learned_but_choose_nothing() -> None:
    features, labels, groups = drawn(20)
    more = drawn(20, seed=1)[:2]
    alone, with_more = fit_head(features, labels, groups, 3), fit_head(features, labels, groups, 3, more=more)
    assert (with_more.strength, with_more.loss) == (alone.strength, alone.loss)
    assert with_more.out_of_fold.tobytes() == alone.out_of_fold.tobytes()
    both = (np.concatenate([features, more[0]]), np.concatenate([labels, more[1]]))
    expected = fit_linear(*both, 3, "none", 3.0)
    found = fit_head(features, labels, groups, 3, strength=3.0, more=more).linear
    np.testing.assert_allclose(found.weight, expected.weight, atol=1e-4)
    assert np.abs(with_more.linear.weight - alone.linear.weight).max() > 1e-3
