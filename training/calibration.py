"""How far answers can be relied on, learnt from images that neither the network nor the weighing heads have learnt.

An SVC per family is fitted on the training part alone; its margins on the validation part, and the likeness to class
means of the training part, give the weights of probabilities, the scores of sets, and the thresholds. The head that
serves, fitted on both parts, keeps them.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from sklearn.svm import SVC

from app.bundle import Calibration, Deciles, TrustEntry
from app.extractor import Features
from app.heads import Floats, Head, Reals
from app.trust import Likeness, Prototypes, coupled, probabilities, softmax
from training.data import Dataset
from training.evaluation import margins

Ints = npt.NDArray[np.int64]

ABSTAINED = 0.03
"""Share of validation images whose answers are less probable than is asked for by default."""
FALSE_ALARMS = 0.01
"""Most of the validation images that are said to look like another family; as many are called no character."""
_DIGITS = 6


@dataclass(frozen=True)
class Trust:
    """What `calibrate` has learnt.

    Attributes:
        calibrations: of each family.
        prototypes: of each family, fitted on features of length 1.
        whitening: of such features about their class's mean, shape (512, 512).
        shared: what holds for all families.
    """

    calibrations: dict[str, Calibration]
    prototypes: dict[str, NearestCentroid]
    whitening: Floats
    shared: TrustEntry


def calibrate(
    training: tuple[Features, Dataset],
    validation: tuple[Features, Dataset],
    svcs: Mapping[str, SVC],
) -> Trust:
    """Weights, scores and thresholds.

    Args:
        training: features (n, 512) of the images on which heads are fitted, and these images.
        validation: the same of images that nothing was learnt from.
        svcs: those that serve, by family; their hyperparameters are fitted anew on the training part alone.
    """
    # A task may ask of fewer families than it learns.
    asked = np.isin(validation[1].family, list(svcs))
    learnt, held, features = training[1], validation[1][np.flatnonzero(asked)], validation[0][asked]
    prototypes = {
        family: prototypes_of(training[0][learnt.family == family], learnt.class_id[learnt.family == family])
        for family in svcs
    }
    whitening = whitening_of(*training, prototypes)
    means = Prototypes(prototypes, whitening)
    likeness = means.compare(features)
    firsts = {family: columns.start for family, columns in means.columns.items()}
    truth = np.array(
        [
            firsts[family] + int(np.searchsorted(prototypes[family].classes_, class_id))
            for family, class_id in zip(held.family, held.class_id, strict=True)
        ]
    )
    (joint_likeness,) = weigh([likeness.cosines], truth)
    joint = softmax(joint_likeness * likeness.cosines)
    calibrations, confidences, joint_scores = {}, [], []
    for family, svc in svcs.items():
        rows, own = held.family == family, learnt.family == family
        head = Head(clone(svc).fit(training[0][own], learnt.class_id[own]))
        places = truth[rows] - firsts[family]
        calibrations[family], shares = calibrate_family(
            margins(head, features[rows]), likeness[rows], means, family, places
        )
        confidences.append(shares.max(axis=1))
        of_family = joint[rows][:, means.columns[family]].sum(axis=1)
        joint_scores.append(1 - of_family * shares[np.arange(len(places)), places])
    shared = TrustEntry(
        min_confidence=_rounded(np.quantile(np.concatenate(confidences), ABSTAINED)),
        joint_likeness=joint_likeness,
        nonconformity=_rising(np.concatenate(joint_scores)),
    )
    return Trust(calibrations, prototypes, whitening, shared)


def prototypes_of(features: Features, class_id: Ints) -> NearestCentroid:
    """The mean direction of each class."""
    with warnings.catch_warnings():
        # Many a feature is at rest for all images of a class; only centroids are used here, no deviations.
        warnings.filterwarnings("ignore", "self.within_class_std_dev_", UserWarning)
        return NearestCentroid().fit(normalize(features), class_id)


def whitening_of(features: Features, images: Dataset, prototypes: Mapping[str, NearestCentroid]) -> Floats:
    """What makes features of length 1 vary by 1 in all directions about the means of their classes."""
    unit, apart = normalize(features), []
    for family, fitted in prototypes.items():
        rows = images.family == family
        apart.append(unit[rows] - fitted.centroids_[np.searchsorted(fitted.classes_, images.class_id[rows])])
    covariance = LedoitWolf(assume_centered=True).fit(np.concatenate(apart).astype(np.float64))
    found: Floats = np.linalg.cholesky(covariance.precision_)
    return found


def calibrate_family(
    margins: Reals, likeness: Likeness, means: Prototypes, family: str, truth: Ints
) -> tuple[Calibration, Floats]:
    """Weights, threshold and scores of one family, from n of its images that nothing was learnt from.

    Args:
        margins: of a head that has not learnt them, shape (n, k (k - 1) / 2).
        likeness: to the classes of all families.
        means: of all families.
        family: its name.
        truth: the place of each image's class among the family's, shape (n,).

    Returns:
        The calibration, and the probabilities, shape (n, k).
    """
    cosines, columns = likeness.cosines, means.columns[family]
    own, nearest = cosines[:, columns], likeness.distances[:, columns].min(axis=1)
    weight, coupling = weigh([own, coupled(margins)], truth)
    shares = probabilities(margins, own, weight, coupling)
    gaps = means.elsewhere(cosines, family).max(axis=1) - own.max(axis=1)
    calibration = Calibration(
        likeness=weight,
        coupling=coupling,
        farthest=_rounded(np.quantile(nearest, 1 - FALSE_ALARMS, method="higher")),
        # Where the families lie far apart, the validation images would allow less: but "more alike" is what is said.
        elsewhere=_rounded(max(0.0, np.quantile(gaps, 1 - FALSE_ALARMS, method="higher"))),
        nonconformity=_rising(1 - shares[np.arange(len(truth)), truth]),
        deciles=Deciles(confidence=_deciles(shares.max(axis=1)), likeness=_deciles(cosines.max(axis=1))),
    )
    return calibration, shares


def weigh(evidence: Sequence[Reals], truth: Ints) -> list[float]:
    """Weights of kinds of evidence, each of shape (n, k), whose weighted sum has the likeliest softmax.

    The truth's target is (n + 1) / (n + 2) and no certainty, as in Platt, "Probabilistic outputs for support vector
    machines", 1999: where no image was read wrong, the weights would grow without bound.
    """
    stacked = np.stack(evidence)
    n, k = evidence[0].shape
    targets = np.full((n, k), 1 / (n + 2) / (k - 1))
    targets[np.arange(n), truth] = (n + 1) / (n + 2)

    def loss(logarithms: Floats) -> float:
        logits = np.tensordot(np.exp(logarithms), stacked, 1)
        return float(-(targets * log_softmax(logits, axis=1)).sum() / n)

    found = minimize(loss, np.log([10.0] * len(evidence)), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    return [_rounded(weight) for weight in np.exp(found.x)]


def _rising(scores: Floats) -> list[float]:
    return [_rounded(score) for score in np.sort(scores)]


def _deciles(values: Floats) -> list[float]:
    return [_rounded(value) for value in np.quantile(values, np.arange(1, 10) / 10)]


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)
