"""How close a glyph's features are to the mean of every class, of all families."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import NearestCentroid

from akshar.model.svm import Floats, Reals


@dataclass(frozen=True)
class Similarity:
    """How close n glyphs are to the classes of all families.

    Attributes:
        cosines: cosine similarity of features and class means, shape (n, classes of all families).
        distances: Mahalanobis distance of features and class means, same shape.
    """

    cosines: Floats
    distances: Floats

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Similarity:
        """That of some of the glyphs."""
        return Similarity(self.cosines[rows], self.distances[rows])


class ClassMeans:
    """The mean feature vector of each class, of several families.

    Args:
        centroids: of each family, fitted on features of length 1.
        whitening: maps such features to a space where they vary about their class's mean by 1 in every direction, shape
            (512, 512). The distance there is Mahalanobis's, as in Lee et al., "A simple unified framework for detecting
            out-of-distribution samples and adversarial attacks", 2018.
        in_network: the families that the network was trained on: a glyph may look like one of these, but the features
            say little about families that were added later.

    Attributes:
        columns: which columns of the similarities are a family's.
        other_families: for each family the mask of the columns of other families in the network: a glyph may look like
            one of these.
    """

    def __init__(self, centroids: Mapping[str, NearestCentroid], whitening: Reals, in_network: Collection[str]) -> None:
        self.columns: dict[str, slice] = {}
        end = 0
        for family, fitted in centroids.items():
            self.columns[family] = slice(end, end := end + len(fitted.classes_))
        means = np.concatenate([fitted.centroids_ for fitted in centroids.values()])
        family_of = np.repeat(list(centroids), [len(fitted.classes_) for fitted in centroids.values()])
        comparable = np.isin(family_of, list(in_network))
        self.other_families = {family: comparable & (family_of != family) for family in centroids}
        self._means = np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32).T
        self._whitening = np.asarray(whitening, np.float32)
        self._white = self._whitening.T @ np.asarray(means, np.float32).T
        self._white_squared = (self._white**2).sum(axis=0)

    def compare(self, features: Reals) -> Similarity:
        """The similarity of features, shape (n, 512), with all classes."""
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
        cosines = np.asarray(unit @ self._means, np.float64)
        white = unit @ self._whitening
        squared = (white**2).sum(axis=1, keepdims=True) - 2 * white @ self._white + self._white_squared
        return Similarity(cosines, np.sqrt(np.maximum(squared, 0, dtype=np.float64)))
