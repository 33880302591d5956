import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from akshar.model.conformal import conformal_threshold, typicality
from akshar.model.probability import softmax


@given(st.integers(1, 500), st.floats(0.5, 0.999), st.integers(0, 9))
def test_sets_hold_the_true_class_as_often_as_promised(n: int, coverage: float, seed: int) -> None:
    """The guarantee of split conformal prediction, counted over all ranks of one more score among the others."""
    scores = np.sort(np.random.default_rng(seed).random(n + 1))
    covered = [
        1 - score >= conformal_threshold(np.delete(scores, i), coverage) - 1e-12 for i, score in enumerate(scores)
    ]
    assert np.mean(covered) >= coverage - 1e-9


class FixedProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are the probabilities."""

    def fit(self, probabilities: np.ndarray, truth: np.ndarray) -> "FixedProbabilities":
        self.classes_ = np.unique(truth)
        return self

    def predict_proba(self, probabilities: np.ndarray) -> np.ndarray:
        return probabilities

    def predict(self, probabilities: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])


@pytest.mark.parametrize("coverage", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("n", "k"), [(150, 5), (400, 12), (1100, 36)])
def test_sets_are_those_of_mapie(n: int, k: int, coverage: float) -> None:
    rng = np.random.default_rng(n)
    truth = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    known, queries = softmax(rng.normal(size=(n, k)) + 4 * np.eye(k)[truth]), softmax(3 * rng.normal(size=(500, k)))
    peer = SplitConformalClassifier(FixedProbabilities().fit(known, truth), coverage, "lac", prefit=True).conformalize(
        known, truth
    )
    _, sets = peer.predict_set(queries)
    np.testing.assert_array_equal(
        queries >= conformal_threshold(1 - known[np.arange(n), truth], coverage), sets[:, :, 0]
    )


def test_more_coverage_than_the_scores_can_guarantee_takes_all_classes() -> None:
    assert conformal_threshold([0.1] * 50, 0.99) == 0
    assert conformal_threshold([0.1] * 99, 0.99) == pytest.approx(0.9)


def test_typicality_is_the_greatest_share_of_held_out_characters_at_least_as_far() -> None:
    rng = np.random.default_rng(0)
    held_out = [np.sort(rng.integers(0, 20, n).astype(float)) for n in (50, 7)]
    distances = rng.integers(-1, 22, (300, 2)).astype(float)
    expected = [max((scores >= d).mean() for scores, d in zip(held_out, row, strict=True)) for row in distances]
    np.testing.assert_array_equal(typicality(distances, held_out), expected)


def test_typicality_is_one_at_the_mean_and_zero_beyond_all_held_out_characters() -> None:
    scores = [np.array([0.5, 1.0, 2.0])]
    np.testing.assert_array_equal(typicality(np.array([[0.0], [2.0], [2.1]]), scores), [1, 1 / 3, 0])


@pytest.mark.parametrize("n", [1, 2, 50, 99, 100, 101, 199, 201, 398, 430, 1107])
def test_a_typicality_below_one_percent_is_a_distance_above_the_99_percent_quantile(n: int) -> None:
    scores = np.sort(np.random.default_rng(n).random(n).round(2))
    distances = np.append(scores, [0, 0.005, 0.995, 2])
    limit = np.quantile(scores, 0.99, method="higher")
    np.testing.assert_array_equal(typicality(distances[:, None], [scores]) < 0.01, distances > limit)
