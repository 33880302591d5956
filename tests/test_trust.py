import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize

from app.heads import one_vs_rest
from app.trust import Prototypes, coupled, least_probability, probabilities, softmax


def margins(n: int, k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, k * (k - 1) // 2))


@pytest.mark.parametrize("k", [2, 5, 36])
def test_probabilities_sum_to_one_at_most_and_the_svcs_answer_is_first(k: int) -> None:
    cosines = np.random.default_rng(1).uniform(-1, 1, (200, k))
    shares = probabilities(margins(200, k), cosines, likeness=10, coupling=1)
    assert shares.min() >= 0
    assert (shares.sum(axis=1) <= 1 + 1e-9).all()
    np.testing.assert_array_equal(shares.argmax(axis=1), one_vs_rest(margins(200, k)).argmax(axis=1))
    # Where likeness agrees with the votes, nothing is cut.
    agree = cosines.argmax(axis=1) == one_vs_rest(margins(200, k)).argmax(axis=1)
    likely = probabilities(margins(200, k), cosines, likeness=100, coupling=0)[agree]
    np.testing.assert_allclose(likely, softmax(100 * cosines[agree]))


def test_coupling_is_the_mean_log_probability_of_winning_a_pair() -> None:
    found = coupled(np.array([[1.0, -2.0, 0.5]]))
    won = [-np.log1p(np.exp(-3 * m)) for m in (1.0, -2.0, -1.0, 0.5, 2.0, -0.5)]
    np.testing.assert_allclose(found[0], [np.mean(won[:2]), np.mean(won[2:4]), np.mean(won[4:])])


def test_a_class_that_wins_its_pairs_is_coupled_higher() -> None:
    assert (np.diff(coupled(np.ones((1, 15)))[0]) < 0).all()


def test_no_margin_is_too_great_to_be_coupled() -> None:
    found = coupled(np.array([[1e4, -1e4, 1e4]], np.float32))
    np.testing.assert_allclose(found, [[-1.5e4, -1.5e4, -1.5e4]])


def test_likeness_is_the_cosine_with_each_class_mean() -> None:
    rng = np.random.default_rng(0)
    features = {"numerals": rng.random((40, 8)), "marks": rng.random((30, 8))}
    labels = {"numerals": np.arange(40) % 4, "marks": np.arange(30) % 3}
    fitted = {name: NearestCentroid().fit(normalize(features[name]), labels[name]) for name in features}
    whitening = rng.random((8, 8))
    means = Prototypes(fitted, whitening)
    asked = rng.random((5, 8)).astype(np.float32)
    likeness = means.compare(asked)
    assert likeness.cosines.shape == (5, 7)
    mean = normalize(features["marks"])[labels["marks"] == 1].mean(axis=0)
    expected = asked @ mean / np.linalg.norm(asked, axis=1) / np.linalg.norm(mean)
    np.testing.assert_allclose(likeness.cosines[:, means.columns["marks"]][:, 1], expected, rtol=1e-5)
    centroids = np.concatenate([of.centroids_ for of in fitted.values()])
    expected = cdist(normalize(asked), centroids, "mahalanobis", VI=whitening @ whitening.T)
    np.testing.assert_allclose(likeness.distances, expected, rtol=1e-3)
    # Another family is one that the network has learnt: a family added later is none.
    np.testing.assert_array_equal(means.elsewhere(likeness.cosines, "numerals"), -np.ones((5, 7)))
    assert (means.elsewhere(likeness.cosines, "marks")[:, :4] == likeness.cosines[:, :4]).all()


@given(st.integers(1, 500), st.floats(0.5, 0.999), st.integers(0, 9))
def test_sets_hold_the_truth_as_often_as_was_asked(n: int, coverage: float, seed: int) -> None:
    """Split conformal prediction's promise, counted over all places that one more score may take among the others."""
    scores = np.sort(np.random.default_rng(seed).random(n + 1))
    held = [1 - score >= least_probability(np.delete(scores, i), coverage) - 1e-12 for i, score in enumerate(scores)]
    assert np.mean(held) >= coverage - 1e-9


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are the probabilities."""

    def fit(self, shares: np.ndarray, truth: np.ndarray) -> "Given":
        self.classes_ = np.unique(truth)
        return self

    def predict_proba(self, shares: np.ndarray) -> np.ndarray:
        return shares

    def predict(self, shares: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[shares.argmax(axis=1)])


@pytest.mark.parametrize("coverage", [0.9, 0.95, 0.99])
@pytest.mark.parametrize(("n", "k"), [(150, 5), (400, 12), (1100, 36)])
def test_sets_are_those_of_mapie(n: int, k: int, coverage: float) -> None:
    rng = np.random.default_rng(n)
    truth = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    known, asked = softmax(rng.normal(size=(n, k)) + 4 * np.eye(k)[truth]), softmax(3 * rng.normal(size=(500, k)))
    peer = SplitConformalClassifier(Given().fit(known, truth), coverage, "lac", prefit=True).conformalize(known, truth)
    _, sets = peer.predict_set(asked)
    np.testing.assert_array_equal(asked >= least_probability(1 - known[np.arange(n), truth], coverage), sets[:, :, 0])


def test_more_coverage_than_the_scores_can_vouch_for_takes_all_classes() -> None:
    assert least_probability([0.1] * 50, 0.99) == 0
    assert least_probability([0.1] * 99, 0.99) == pytest.approx(0.9)
