"""How far an answer can be relied on: probabilities, sets that hold the truth, and glyphs unlike anything learnt.

An SVC's votes say which class wins and hardly by how much; its margins are those of features that it was fitted on and
that the network had learnt. How alike a glyph's features are to each class's mean direction tells more. Both go into
the probabilities, weighed on images that neither the network nor the weighing SVC has learnt (`training.calibration`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestCentroid

from app.catalogue import CATALOGUE
from app.heads import Floats, Reals, one_vs_rest, pairs_of_classes

_SLOPE: Final = 3.0
"""A margin of 1, an SVC's own, is worth 0.95 in its pair."""


@dataclass(frozen=True)
class Likeness:
    """How alike n glyphs are to the classes of all families.

    Attributes:
        cosines: of features and class means, shape (n, classes of all families).
        distances: of features and class means, in units in which features vary alike in all directions, same shape.
    """

    cosines: Floats
    distances: Floats

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Likeness:
        """That of some of the glyphs."""
        return Likeness(self.cosines[rows], self.distances[rows])


class Prototypes:
    """The mean of each class's features, of several families.

    Args:
        centroids: of each family, fitted on features of length 1.
        whitening: brings these to where they vary about their class's mean by 1 in every direction, shape (512, 512);
            the distance there is Mahalanobis's, as in Lee et al., "A simple unified framework for detecting
            out-of-distribution samples and adversarial attacks", 2018.
    """

    def __init__(self, centroids: Mapping[str, NearestCentroid], whitening: Floats) -> None:
        self.columns: dict[str, slice] = {}
        end = 0
        for family, fitted in centroids.items():
            self.columns[family] = slice(end, end := end + len(fitted.classes_))
        means = np.concatenate([fitted.centroids_ for fitted in centroids.values()])
        of_family = np.repeat(list(centroids), [len(fitted.classes_) for fitted in centroids.values()])
        learnt = np.isin(of_family, list(CATALOGUE))
        self._others = {family: learnt & (of_family != family) for family in centroids}
        self._means = np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32).T
        self._whitening = np.asarray(whitening, np.float32)
        self._white = self._whitening.T @ np.asarray(means, np.float32).T
        self._white_squared = (self._white**2).sum(axis=0)

    def elsewhere(self, cosines: Floats, family: str) -> Floats:
        """The cosines with classes that the network has learnt, of other families; -1 in place of all others."""
        return np.where(self._others[family], cosines, -1)

    def compare(self, features: Reals) -> Likeness:
        """Likeness of features, shape (n, 512)."""
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
        cosines = np.asarray(unit @ self._means, np.float64)
        white = unit @ self._whitening
        squared = (white**2).sum(axis=1, keepdims=True) - 2 * white @ self._white + self._white_squared
        return Likeness(cosines, np.sqrt(np.maximum(squared, 0, dtype=np.float64)))


def probabilities(margins: Reals, cosines: Floats, likeness: float, coupling: float) -> Floats:
    """Probability of each class of a family, shape (n, k), the SVC's answer above all others.

    Args:
        margins: one-against-one, shape (n, k (k - 1) / 2), as of `app.heads.Margins`.
        cosines: with the family's classes, shape (n, k).
        likeness: weight of the cosines.
        coupling: weight of the coupled margins.
    """
    shares = softmax(likeness * cosines + coupling * coupled(margins))
    answers = np.arange(len(shares)), one_vs_rest(margins).argmax(axis=1)
    most = shares[answers]
    below: Floats = np.minimum(shares, np.nextafter(most, 0)[:, None])
    below[answers] = most
    return below


def coupled(margins: Reals) -> Reals:
    """Mean log-probability of each of k classes in its pairs with the others, shape (n, k); margins (n, pairs)."""
    signs, either = pairs_of_classes(margins.shape[1])
    # Of a pair with margin m, its first class loses log(1 + exp(-m)): half of |m| - m, and what both lose alike.
    half = _SLOPE / 2 * margins
    both = np.abs(half)
    both += np.log(1 + np.exp(-2 * both))
    mean: Reals = (half @ signs - both @ either) / (signs.shape[1] - 1)
    return mean


def softmax(logits: Floats) -> Floats:
    """Along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def least_probability(nonconformity: npt.ArrayLike, coverage: float) -> float:
    """The probability from which a class belongs to a set that holds the truth in a share ``coverage`` of cases.

    Split conformal prediction with the score 1 - probability of the truth (Sadinle, Lei and Wasserman, "Least ambiguous
    set-valued classifiers", 2019). Holds for images drawn as those were that gave the scores.

    Args:
        nonconformity: scores of n images that nothing was learnt from.
        coverage: above 0 and below 1; more than n images can vouch for gives 0: all classes.
    """
    scores = np.sort(np.asarray(nonconformity, np.float64))
    rank = math.ceil((len(scores) + 1) * coverage)
    return 0.0 if rank > len(scores) else float(1 - scores[rank - 1])
