import numpy as np
import pytest
from sklearn.svm import SVC

from app.bundle import Bundle
from app.catalogue import CATALOGUE
from app.heads import Head, one_vs_rest


def fitted(classes: int, seed: int = 0, **parameters: object) -> tuple[SVC, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 12))
    labels = rng.integers(0, classes, 300)
    svc = SVC(break_ties=True, **parameters).fit(centres[labels] + rng.normal(size=(300, 12)), labels + 1)
    return svc, rng.normal(size=(200, 12)) * 1.5


@pytest.mark.parametrize("classes", [2, 3, 7, 36])
@pytest.mark.parametrize("kernel", ["rbf", "linear", "poly"])
def test_the_first_is_what_scikit_learn_predicts(classes: int, kernel: str) -> None:
    svc, features = fitted(classes, kernel=kernel)
    ranking = Head(svc).rank(features)
    np.testing.assert_array_equal(ranking.class_ids[:, 0], svc.predict(features))


@pytest.mark.parametrize("classes", [3, 7, 36])
def test_scores_are_scikit_learns_own(classes: int) -> None:
    svc, features = fitted(classes)
    scores = one_vs_rest(Head(svc).margins(features))
    np.testing.assert_allclose(scores, svc.decision_function(features), atol=1e-9)


def test_the_svc_given_is_not_changed() -> None:
    svc, _ = fitted(3)
    Head(svc)
    assert svc.break_ties
    assert svc.decision_function_shape == "ovr"


@pytest.mark.parametrize("classes", [2, 7])
def test_every_class_is_ranked_once_with_falling_confidence(classes: int) -> None:
    svc, features = fitted(classes)
    ranking = Head(svc).rank(features)
    assert ranking.confidences.min() >= 0
    assert ranking.confidences.max() <= 1
    assert (np.diff(ranking.confidences, axis=1) <= 0).all()
    assert (np.sort(ranking.class_ids, axis=1) == np.arange(1, classes + 1)).all()


def test_confidence_is_high_amid_a_class_and_even_between_two() -> None:
    svc = SVC(kernel="linear", C=1e6, break_ties=True).fit([[-1.0], [1.0]], [1, 2])
    confidences = Head(svc).rank(np.array([[1.0], [0.0]])).confidences
    np.testing.assert_allclose(confidences[0], [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))], atol=1e-3)
    np.testing.assert_allclose(confidences[1], [0.5, 0.5], atol=1e-3)


def test_the_shipped_heads_hold_the_classes_of_the_catalogue(bundle: Bundle) -> None:
    for family, classes in CATALOGUE.items():
        svc = bundle.heads[family]
        assert type(svc) is SVC
        assert svc.break_ties
        assert svc.classes_.tolist() == [entry.class_id for entry in classes]
