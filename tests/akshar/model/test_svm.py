from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import linear_kernel
from sklearn.svm import SVC

from akshar.model.bundle import Bundle
from akshar.model.classes import CATALOGUE
from akshar.model.recognizer import Recognizer
from akshar.model.svm import Head, one_vs_rest, reference_margins, vectorized_margins
from training.data.dataset import Dataset


def fitted(classes: int, seed: int = 0, **parameters: object) -> tuple[SVC, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 12))
    labels = rng.integers(0, classes, 300)
    svc = SVC(break_ties=True, **parameters).fit(centres[labels] + rng.normal(size=(300, 12)), labels + 1)
    return svc, rng.normal(size=(200, 12)) * 1.5


@settings(max_examples=100, deadline=None)
@given(
    st.integers(2, 12),
    st.integers(0, 10_000),
    st.sampled_from(["rbf", "linear", "poly"]),
    st.sampled_from([0.1, 1.0, 100.0]),
    st.sampled_from(["scale", "auto", 0.05]),
)
def test_vectorized_margins_are_scikit_learns(classes: int, seed: int, kernel: str, c: float, gamma: Any) -> None:
    svc, features = fitted(classes, seed, kernel=kernel, C=c, gamma=gamma, coef0=0.5)
    vectorized = vectorized_margins(svc)
    assert vectorized
    expected = reference_margins(svc)(features)
    ours = vectorized(features)
    # What single precision may cost: an error in each kernel value, times its weight.
    tolerance = 2e-6 * np.abs(svc.dual_coef_).sum() if kernel == "rbf" else 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(ours, expected, atol=tolerance)
    # Where no pair is a toss-up in single precision, the label is scikit-learn's.
    clear = (np.abs(expected) > tolerance).all(axis=1)
    labels = svc.classes_[one_vs_rest(ours).argmax(axis=1)]
    np.testing.assert_array_equal(labels[clear], svc.predict(features[clear]) if clear.any() else [])


@pytest.mark.parametrize("classes", [2, 3, 7, 36])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly", "sigmoid"])
def test_predictions_are_those_of_scikit_learn(classes: int, kernel: str) -> None:
    svc, features = fitted(classes, kernel=kernel)
    np.testing.assert_array_equal(Head(svc).predict(features), svc.predict(features))


def test_unknown_kernels_fall_back_to_scikit_learn_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    for kernel in ("sigmoid", linear_kernel):
        svc, features = fitted(3, kernel=kernel)
        caplog.clear()
        assert vectorized_margins(svc) is None
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        np.testing.assert_array_equal(Head(svc).margins(features), reference_margins(svc)(features))
    sparse = SVC().fit(csr_array(np.eye(4)), [0, 0, 1, 1])
    assert vectorized_margins(sparse) is None


@pytest.mark.parametrize("classes", [3, 7, 36])
def test_scores_are_those_of_scikit_learn(classes: int) -> None:
    svc, features = fitted(classes)
    scores = one_vs_rest(reference_margins(svc)(features))
    np.testing.assert_allclose(scores, svc.decision_function(features), atol=1e-9)


def test_on_every_image_of_nhcd_labels_are_equal_and_margins_within_1e_4(
    bundle: Bundle, recognizer: Recognizer, nhcd: Dataset
) -> None:
    for family, model in bundle.model.families.items():
        svc = model.svc
        glyphs = nhcd.glyphs[nhcd.family == family]
        features = np.concatenate([recognizer.extractor(part) for part in np.array_split(glyphs, len(glyphs) // 200)])
        vectorized = vectorized_margins(svc)
        assert vectorized
        ours, expected = vectorized(features), reference_margins(svc)(features)
        assert np.abs(ours - expected).max() <= 1e-4
        np.testing.assert_array_equal(one_vs_rest(ours).argmax(1), one_vs_rest(expected).argmax(1))


def test_the_svc_is_not_changed() -> None:
    svc, _ = fitted(3)
    Head(svc)
    assert svc.break_ties
    assert svc.decision_function_shape == "ovr"


def test_the_shipped_heads_hold_the_classes_of_the_catalogue(bundle: Bundle) -> None:
    for family, classes in CATALOGUE.items():
        svc = bundle.model.families[family].svc
        assert type(svc) is SVC
        assert svc.break_ties
        assert svc.classes_.tolist() == [entry.class_id for entry in classes]
