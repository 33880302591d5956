import numpy as np
import pytest
from sklearn.preprocessing import normalize
from sklearn.svm import SVC

from akshar.model.class_means import ClassMeans
from akshar.model.classes import CATALOGUE
from akshar.model.conformal import conformal_threshold, typicality
from akshar.model.probability import class_probabilities, softmax
from akshar.model.svm import Head
from training.data.dataset import Dataset
from training.evaluation.metrics import expected_calibration_error
from training.models.calibration import calibrate, fit_class_means, fit_weights, fit_whitening


def world(n: int, seed: int, noise: float = 0.7) -> tuple[np.ndarray, Dataset]:
    """Features of the classes of three families, each around its own mean."""
    means = np.random.default_rng(0).random((58, 64))
    rng = np.random.default_rng(seed)
    joint = rng.integers(0, 58, n)
    family = np.array([name for name, classes in CATALOGUE.items() for _ in classes])[joint]
    class_id = np.array([entry.class_id for classes in CATALOGUE.values() for entry in classes])[joint]
    features = np.maximum(means[joint] + noise * rng.normal(size=(n, 64)), 0).astype(np.float32)
    names = np.array([f"{i}" for i in range(n)])
    return features, Dataset(np.zeros((n, 32, 32), np.float32), family, class_id, names, names, names)


def test_weights_are_those_that_generated_the_labels() -> None:
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(20_000, 5))
    truth = np.array([rng.choice(5, p=p) for p in softmax(2.0 * evidence)])
    assert fit_weights([evidence], truth)[0] == pytest.approx(2, rel=0.05)
    assert fit_weights([evidence, rng.normal(size=evidence.shape)], truth)[0] == pytest.approx(2, rel=0.05)


def test_weights_stay_finite_without_errors() -> None:
    evidence = np.eye(4)[np.arange(40) % 4]
    (weight,) = fit_weights([evidence], np.arange(40) % 4)
    assert softmax(weight * evidence).max(axis=1) == pytest.approx(41 / 42, abs=1e-3)


def test_confidence_is_calibrated_on_new_images() -> None:
    training, validation, test = world(3000, 1), world(2000, 2), world(4000, 3)
    svcs = {
        family: SVC(C=1, gamma="scale", break_ties=True).fit(
            training[0][training[1].family == family], training[1].class_id[training[1].family == family]
        )
        for family in CATALOGUE
    }
    calibrated = calibrate(training, validation, svcs)
    means = ClassMeans(calibrated.class_means, calibrated.whitening, list(svcs))
    similarity = means.compare(test[0])
    confidence, correct, covered = [], [], []
    for family, calibration in calibrated.calibrations.items():
        rows = test[1].family == family
        for scores in (calibration.nonconformity, calibration.distances):
            assert scores == sorted(scores)
            assert len(scores) == (validation[1].family == family).sum()
        nearest = similarity.distances[rows][:, means.columns[family]].min(axis=1)
        p_values = typicality(nearest[:, None], [np.array(calibration.distances)])
        assert (p_values < 0.01).mean() == pytest.approx(0.01, abs=0.01)
        head = Head(svcs[family])
        probabilities = class_probabilities(
            head.votes(test[0][rows]),
            similarity.cosines[rows][:, means.columns[family]],
            calibration.cosine_weight,
            calibration.pairwise_weight,
        )
        truth = np.searchsorted(head.class_ids, test[1].class_id[rows])
        confidence.append(probabilities.max(axis=1))
        correct.append(probabilities.argmax(axis=1) == truth)
        threshold = conformal_threshold(calibration.nonconformity, 0.9)
        covered.append(probabilities[np.arange(len(truth)), truth] >= threshold)
    assert 0.6 < np.concatenate(correct).mean() < 0.99
    assert expected_calibration_error(np.concatenate(confidence), np.concatenate(correct)) < 0.03
    assert np.concatenate(covered).mean() == pytest.approx(0.9, abs=0.03)


def test_calibration_uses_svcs_fitted_on_the_training_part_alone() -> None:
    training, validation = world(1500, 1), world(500, 2)
    both = np.concatenate([training[0], validation[0]])
    classes = {
        family: np.concatenate([part[1].class_id[part[1].family == family] for part in (training, validation)])
        for family in CATALOGUE
    }
    of_family = np.concatenate([training[1].family, validation[1].family])
    svcs = {family: SVC(C=3, break_ties=True).fit(both[of_family == family], classes[family]) for family in CATALOGUE}
    held_out = calibrate(training, validation, svcs).held_out_svcs
    for family, svc in held_out.items():
        assert (svc.C, svc.break_ties) == (3, True)
        assert svc.shape_fit_[0] == (training[1].family == family).sum()


def test_whitened_features_vary_equally_in_all_directions_and_ood_inputs_are_far_away() -> None:
    features, images = world(20_000, 1, noise=0.3)
    class_means = {
        family: fit_class_means(features[images.family == family], images.class_id[images.family == family])
        for family in CATALOGUE
    }
    whitening = fit_whitening(features, images, class_means)
    white = normalize(features) @ whitening
    within = [np.cov(white[images.joint == joint].T) for joint in np.unique(images.joint)]
    np.testing.assert_allclose(np.mean(within, axis=0), np.eye(64), atol=0.1)

    means = ClassMeans(class_means, whitening, list(class_means))
    ood = np.random.default_rng(5).exponential(size=(400, 64)).astype(np.float32)
    known, unknown = (means.compare(vectors).distances.min(axis=1) for vectors in (features, ood))
    assert (unknown > np.quantile(known, 0.99)).mean() > 0.5
