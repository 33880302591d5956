"""Calibrates heads on images that neither the network nor the SVCs used here were trained on.

An SVC per family is fitted on the training part alone. Its margins on the validation part, and the cosines with the
class means of the training part, give the weights of probabilities, the scores of prediction sets, and the thresholds.
The head that serves, fitted on both parts, uses the same calibration.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize
from sklearn.svm import SVC

from akshar.model.class_means import ClassMeans, Similarity
from akshar.model.extractor import Features
from akshar.model.manifest import Calibration, Deciles, JointCalibration
from akshar.model.probability import class_probabilities, softmax
from akshar.model.svm import Floats, Head, Reals, count_votes
from training.data.dataset import Dataset
from training.models.svm import margins

Ints = npt.NDArray[np.int64]

ABSTAINED: Final = 0.03
"""The share of validation images with a confidence below the default minimum."""
FALSE_ALARMS: Final = 0.01
"""The greatest share of validation images that are said to look like another family."""
_DIGITS: Final = 6


@dataclass(frozen=True)
class Calibrated:
    """What `calibrate` computes.

    Attributes:
        calibrations: of each family.
        class_means: of each family, fitted on features of length 1.
        whitening: of such features about their class's mean, shape (512, 512).
        joint: what all families share.
        held_out_svcs: of each family, fitted on the training part alone.
    """

    calibrations: dict[str, Calibration]
    class_means: dict[str, NearestCentroid]
    whitening: Floats
    joint: JointCalibration
    held_out_svcs: dict[str, SVC]


def calibrate(
    training: tuple[Features, Dataset],
    validation: tuple[Features, Dataset],
    svcs: Mapping[str, SVC],
) -> Calibrated:
    """Compute weights, scores and thresholds.

    Args:
        training: features (n, 512) of the images on which heads are fitted, and these images.
        validation: the same of held-out images.
        svcs: the heads that serve, by family; SVCs of their hyperparameters are fitted on the training part alone.
    """
    features, images = training
    held_out = validation[1]
    rows_of = {family: images.family == family for family in svcs}
    class_means = {family: fit_class_means(features[rows], images.class_id[rows]) for family, rows in rows_of.items()}
    whitening = fit_whitening(features, images, class_means)
    means = ClassMeans(class_means, whitening, list(svcs))
    similarity = means.compare(validation[0])
    first_column = {family: columns.start for family, columns in means.columns.items()}
    truth = np.array(
        [
            first_column[family] + int(np.searchsorted(class_means[family].classes_, class_id))
            for family, class_id in zip(held_out.family, held_out.class_id, strict=True)
        ]
    )
    (cosine_weight,) = fit_weights([similarity.cosines], truth)
    joint = softmax(cosine_weight * similarity.cosines)
    held_out_svcs, calibrations, confidences, joint_scores = {}, {}, [], []
    for family, svc in svcs.items():
        held_out_svcs[family] = clone(svc).fit(features[rows_of[family]], images.class_id[rows_of[family]])
        rows = held_out.family == family
        columns = truth[rows] - first_column[family]
        family_margins = margins(Head(held_out_svcs[family]), validation[0][rows])
        calibrations[family], probabilities = calibrate_family(family_margins, similarity[rows], means, family, columns)
        confidences.append(probabilities.max(axis=1))
        of_family = joint[rows][:, means.columns[family]].sum(axis=1)
        joint_scores.append(1 - of_family * probabilities[np.arange(len(columns)), columns])
    shared = JointCalibration(
        min_confidence=_rounded(np.quantile(np.concatenate(confidences), ABSTAINED)),
        cosine_weight=cosine_weight,
        nonconformity=_ascending(np.concatenate(joint_scores)),
    )
    return Calibrated(calibrations, class_means, whitening, shared, held_out_svcs)


def fit_class_means(features: Features, class_id: Ints) -> NearestCentroid:
    """The mean of each class's features, scaled to length 1."""
    with warnings.catch_warnings():
        # Some features are constant in all images of a class; only centroids are used here, no deviations.
        warnings.filterwarnings("ignore", "self.within_class_std_dev_", UserWarning)
        return NearestCentroid().fit(normalize(features), class_id)


def fit_whitening(features: Features, images: Dataset, class_means: Mapping[str, NearestCentroid]) -> Floats:
    """Maps features of length 1 to a space where they vary about their class's mean by 1 in every direction."""
    unit, residuals = normalize(features), []
    for family, fitted in class_means.items():
        rows = images.family == family
        residuals.append(unit[rows] - fitted.centroids_[np.searchsorted(fitted.classes_, images.class_id[rows])])
    covariance = LedoitWolf(assume_centered=True).fit(np.concatenate(residuals).astype(np.float64))
    whitening: Floats = np.linalg.cholesky(covariance.precision_)
    return whitening


def calibrate_family(
    margins: Reals, similarity: Similarity, means: ClassMeans, family: str, truth: Ints
) -> tuple[Calibration, Floats]:
    """Compute weights, thresholds and scores of one family from n of its held-out images.

    Args:
        margins: of an SVC that was not fitted on these images, shape (n, k (k - 1) / 2).
        similarity: with the classes of all families.
        means: of all families.
        family: its name.
        truth: index of each image's class among the family's, shape (n,).

    Returns:
        The calibration, and the probabilities, shape (n, k).
    """
    cosines, columns = similarity.cosines, means.columns[family]
    own, nearest = cosines[:, columns], similarity.distances[:, columns].min(axis=1)
    votes = count_votes(margins)
    cosine_weight, pairwise_weight = fit_weights([own, votes.pairwise_log_probability], truth)
    probabilities = class_probabilities(votes, own, cosine_weight, pairwise_weight)
    gaps = np.where(means.other_families[family], cosines, -1).max(axis=1) - own.max(axis=1)
    calibration = Calibration(
        cosine_weight=cosine_weight,
        pairwise_weight=pairwise_weight,
        # Never below 0: a glyph that looks like another family must be more similar to it than to its own.
        lookalike_margin=_rounded(max(0.0, np.quantile(gaps, 1 - FALSE_ALARMS, method="higher"))),
        distances=_ascending(nearest),
        nonconformity=_ascending(1 - probabilities[np.arange(len(truth)), truth]),
        deciles=Deciles(confidence=_deciles(probabilities.max(axis=1)), cosine=_deciles(cosines.max(axis=1))),
    )
    return calibration, probabilities


def fit_weights(evidence: Sequence[Reals], truth: Ints) -> list[float]:
    """Weights of kinds of evidence, each of shape (n, k), that give the softmax of their sum the highest likelihood.

    The target of the true class is (n + 1) / (n + 2) instead of 1, as in Platt, "Probabilistic outputs for support
    vector machines", 1999: if every image were classified correctly, the weights would grow without bound.
    """
    stacked = np.stack(evidence)
    n, k = evidence[0].shape
    targets = np.full((n, k), 1 / (n + 2) / (k - 1))
    targets[np.arange(n), truth] = (n + 1) / (n + 2)

    def loss(logarithms: Floats) -> float:
        logits = np.tensordot(np.exp(logarithms), stacked, 1)
        return float(-(targets * log_softmax(logits, axis=1)).sum() / n)

    start = np.log([10.0] * len(evidence))
    optimum = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-7})
    return [_rounded(weight) for weight in np.exp(optimum.x)]


def _ascending(values: Floats) -> list[float]:
    return [_rounded(value) for value in np.sort(values)]


def _deciles(values: Floats) -> list[float]:
    return [_rounded(value) for value in np.quantile(values, np.arange(1, 10) / 10)]


def _rounded(value: float) -> float:
    return round(float(value), _DIGITS)
