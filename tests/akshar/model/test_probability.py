import numpy as np
import pytest

from akshar.model.probability import class_probabilities, softmax
from akshar.model.svm import count_votes, one_vs_rest, pairwise_log_probability


def margins(n: int, k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k * (k - 1) // 2))


@pytest.mark.parametrize("k", [2, 5, 36])
def test_probabilities_sum_to_at_most_one_and_the_prediction_of_the_svc_is_first(k: int) -> None:
    cosines = np.random.default_rng(1).uniform(-1, 1, (200, k))
    votes = count_votes(margins(200, k))
    probabilities = class_probabilities(votes, cosines, cosine_weight=10, pairwise_weight=1)
    assert probabilities.min() >= 0
    assert (probabilities.sum(axis=1) <= 1 + 1e-9).all()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), one_vs_rest(margins(200, k)).argmax(axis=1))
    # Where the cosines agree with the votes, nothing is capped.
    agree = cosines.argmax(axis=1) == one_vs_rest(margins(200, k)).argmax(axis=1)
    uncapped = class_probabilities(votes, cosines, cosine_weight=100, pairwise_weight=0)[agree]
    np.testing.assert_allclose(uncapped, softmax(100 * cosines[agree]))


def test_the_pairwise_log_probability_is_the_mean_over_the_pairs_of_a_class() -> None:
    scores = pairwise_log_probability(np.array([[1.0, -2.0, 0.5]]))
    won = [-np.log1p(np.exp(-3 * m)) for m in (1.0, -2.0, -1.0, 0.5, 2.0, -0.5)]
    np.testing.assert_allclose(scores[0], [np.mean(won[:2]), np.mean(won[2:4]), np.mean(won[4:])])


def test_a_class_that_wins_its_pairs_has_a_higher_pairwise_log_probability() -> None:
    assert (np.diff(pairwise_log_probability(np.ones((1, 15)))[0]) < 0).all()


def test_great_margins_do_not_overflow() -> None:
    scores = pairwise_log_probability(np.array([[1e4, -1e4, 1e4]], np.float32))
    np.testing.assert_allclose(scores, [[-1.5e4, -1.5e4, -1.5e4]])
