"""The heads: one pickled SVC per family, from features to ranked classes.

The scores come from the SVC's one-against-one decision values, from which scikit-learn derives its own votes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """All classes of a family for n glyphs, best first.

    Attributes:
        class_ids: class numbers, shape (n, k); the first column is the SVC's own ``predict``.
        confidences: in [0, 1], shape (n, k), falling along each row. Until answers are calibrated this is
            ``1 / (1 + exp(-3 m))`` of a class's least one-against-one margin m: 0.5 where another class ties with it,
            0.95 on the SVC's margin; no class has more than one ranked above it.
    """

    class_ids: Ints
    confidences: Floats


class Head:
    """A fitted SVC with ``break_ties=True``, read for its one-against-one margins."""

    def __init__(self, svc: SVC) -> None:
        """Raises ValueError where the SVC has fewer than two classes."""
        self.class_ids: Ints = np.asarray(svc.classes_, np.int64)
        if len(self.class_ids) < 2:
            raise ValueError("a head needs at least two classes")
        # The same fitted arrays under another public setting: decision_function then returns the raw margins.
        self._svc = copy.copy(svc).set_params(decision_function_shape="ovo", break_ties=False)

    def margins(self, features: npt.NDArray[np.floating]) -> Floats:
        """One-against-one decision values of n glyphs: shape (n, k, k), row class against column class, positive where
        the row wins, zero on the diagonal.
        """
        values: Floats = np.asarray(self._svc.decision_function(features), np.float64)
        if values.ndim == 1:
            values = -values[:, None]  # scikit-learn turns the sign, and drops the axis, of a lone pair.
        k = len(self.class_ids)
        first, second = np.triu_indices(k, 1)  # The order in which libsvm lists its pairs.
        margins = np.zeros((len(values), k, k))
        margins[:, first, second] = values
        margins[:, second, first] = -values
        return margins

    def rank(self, features: npt.NDArray[np.floating]) -> Ranking:
        """Rank the classes for features of shape (n, 512)."""
        margins = self.margins(features)
        order = np.argsort(-one_vs_rest(margins), axis=1, kind="stable")
        least = np.where(np.eye(len(self.class_ids), dtype=bool), np.inf, margins).min(axis=2)
        confidences = 1 / (1 + np.exp(-3 * np.take_along_axis(least, order, axis=1)))
        return Ranking(self.class_ids[order], np.minimum.accumulate(confidences, axis=1))


def one_vs_rest(margins: Floats) -> Floats:
    """scikit-learn's ``ovr`` decision values: votes, plus the summed margins squeezed into a third of a vote.

    Args:
        margins: one-against-one decision values, shape (n, k, k), as of `Head.margins`.

    Returns:
        Shape (n, k); the arg-max is what ``SVC(break_ties=True).predict`` answers.
    """
    # A margin of zero is a vote for the earlier class.
    votes = np.triu(margins >= 0, 1).sum(axis=2) + np.tril(margins > 0, -1).sum(axis=2)
    sums = margins.sum(axis=2)
    scores: Floats = votes + sums / (3 * (np.abs(sums) + 1))
    return scores
