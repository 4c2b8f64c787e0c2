import numpy as np
from cleanlab.filter import find_label_issues

from skysort.data.quality.suspect_labels import rank_suspects


def test_cleanlab_ranks_by_self_confidence_alike() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.full(5, 0.3), 300), rng.integers(0, 5, 300)
    oracle = find_label_issues(
        labels,
        probabilities,
        filter_by="predicted_neq_given",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    assert len(oracle) > 200
    assert rank_suspects(probabilities, labels).tolist() == oracle.tolist()


def test_equal_probabilities_keep_the_order_and_the_likeliest_label_is_no_suspect() -> None:
    probabilities = np.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.9, 0.1]])
    assert rank_suspects(probabilities, np.array([1, 1, 1, 1])).tolist() == [3, 0, 2]
