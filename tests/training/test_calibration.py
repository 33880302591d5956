import numpy as np
import pytest
from sklearn.preprocessing import normalize
from sklearn.svm import SVC

from app.catalogue import CATALOGUE
from app.heads import Head
from app.trust import Prototypes, least_probability, probabilities, softmax
from training.calibration import calibrate, prototypes_of, weigh, whitening_of
from training.data import Dataset
from training.evaluation import margins
from training.reliability import calibration_error


def world(n: int, seed: int, noise: float = 0.7) -> tuple[np.ndarray, Dataset]:
    """Features of three families' classes around means of their own."""
    means = np.random.default_rng(0).random((58, 64))
    rng = np.random.default_rng(seed)
    joint = rng.integers(0, 58, n)
    family = np.array([name for name, classes in CATALOGUE.items() for _ in classes])[joint]
    class_id = np.array([entry.class_id for classes in CATALOGUE.values() for entry in classes])[joint]
    features = np.maximum(means[joint] + noise * rng.normal(size=(n, 64)), 0).astype(np.float32)
    names = np.array([f"{i}" for i in range(n)])
    return features, Dataset(np.zeros((n, 32, 32), np.float32), family, class_id, names, names, names)


def test_weights_are_those_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    evidence = rng.normal(size=(20_000, 5))
    truth = np.array([rng.choice(5, p=share) for share in softmax(2.0 * evidence)])
    assert weigh([evidence], truth)[0] == pytest.approx(2, rel=0.05)
    assert weigh([evidence, rng.normal(size=evidence.shape)], truth)[0] == pytest.approx(2, rel=0.05)


def test_where_none_is_wrong_weights_stay_finite() -> None:
    evidence = np.eye(4)[np.arange(40) % 4]
    (weight,) = weigh([evidence], np.arange(40) % 4)
    assert softmax(weight * evidence).max(axis=1) == pytest.approx(41 / 42, abs=1e-3)


def test_confidence_means_what_it_says_on_images_to_come() -> None:
    training, validation, test = world(3000, 1), world(2000, 2), world(4000, 3)
    svcs = {
        family: SVC(C=1, gamma="scale", break_ties=True).fit(
            training[0][training[1].family == family], training[1].class_id[training[1].family == family]
        )
        for family in CATALOGUE
    }
    trust = calibrate(training, validation, svcs)
    means = Prototypes(trust.prototypes, trust.whitening)
    likeness = means.compare(test[0])
    confidence, right, held = [], [], []
    for family, calibration in trust.calibrations.items():
        assert calibration.nonconformity == sorted(calibration.nonconformity)
        assert len(calibration.nonconformity) == (validation[1].family == family).sum()
        rows = test[1].family == family
        nearest = likeness.distances[rows][:, means.columns[family]].min(axis=1)
        assert (nearest > calibration.farthest).mean() == pytest.approx(0.01, abs=0.01)
        head = Head(svcs[family])
        shares = probabilities(
            margins(head, test[0][rows]),
            likeness.cosines[rows][:, means.columns[family]],
            calibration.likeness,
            calibration.coupling,
        )
        truth = np.searchsorted(head.class_ids, test[1].class_id[rows])
        confidence.append(shares.max(axis=1))
        right.append(shares.argmax(axis=1) == truth)
        held.append(shares[np.arange(len(truth)), truth] >= least_probability(calibration.nonconformity, 0.9))
    answers = np.concatenate(right)
    assert 0.6 < answers.mean() < 0.99
    assert calibration_error(np.concatenate(confidence), answers) < 0.03
    assert np.concatenate(held).mean() == pytest.approx(0.9, abs=0.03)


def test_a_family_that_is_not_asked_is_left_out() -> None:
    training, validation = world(2000, 1), world(500, 2)
    svcs = {
        "numerals": SVC(break_ties=True).fit(
            training[0][training[1].family == "numerals"], training[1].class_id[training[1].family == "numerals"]
        )
    }
    trust = calibrate(training, validation, svcs)
    assert list(trust.calibrations) == list(trust.prototypes) == ["numerals"]


def test_whitened_features_vary_alike_in_all_directions_and_strangers_lie_apart() -> None:
    features, images = world(20_000, 1, noise=0.3)
    prototypes = {
        family: prototypes_of(features[images.family == family], images.class_id[images.family == family])
        for family in CATALOGUE
    }
    whitening = whitening_of(features, images, prototypes)
    white = normalize(features) @ whitening
    within = [np.cov(white[images.joint == joint].T) for joint in np.unique(images.joint)]
    np.testing.assert_allclose(np.mean(within, axis=0), np.eye(64), atol=0.1)

    means = Prototypes(prototypes, whitening)
    strange = np.random.default_rng(5).exponential(size=(400, 64)).astype(np.float32)
    known, unknown = (means.compare(glyphs).distances.min(axis=1) for glyphs in (features, strange))
    assert (unknown > np.quantile(known, 0.99)).mean() > 0.5
