"""The heads: one pickled SVC per family, from features to ranked classes.

The scores come from the SVC's one-against-one decision values, from which scikit-learn derives its own votes. The
pickled SVC stays the reference; its arithmetic is done here in one matrix product per class instead of one pass of
libsvm per glyph.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import structlog
from sklearn.svm import SVC

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Margins = Callable[[Reals], Floats]
"""From features (n, d) to one-against-one decision values (n, k, k): row class against column class, positive where the
row wins, zero on the diagonal."""

_log = structlog.get_logger("akshar.heads")


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
        self.margins: Margins = vectorized_margins(svc) or reference_margins(svc)
        self._not_itself = np.diag(np.full(len(self.class_ids), np.inf))

    def rank(self, features: Reals) -> Ranking:
        """Rank the classes for features of shape (n, 512)."""
        margins = self.margins(features)
        order = np.argsort(-one_vs_rest(margins), axis=1, kind="stable")
        least = (margins + self._not_itself).min(axis=2)
        confidences = 1 / (1 + np.exp(-3 * np.take_along_axis(least, order, axis=1)))
        return Ranking(self.class_ids[order], np.minimum.accumulate(confidences, axis=1))


def reference_margins(svc: SVC) -> Margins:
    """The margins as scikit-learn computes them."""
    # The same fitted arrays under another public setting: decision_function then returns the raw decision values.
    ovo = copy.copy(svc).set_params(decision_function_shape="ovo", break_ties=False)
    k = len(svc.classes_)
    signs = _signs(k)

    def margins(features: Reals) -> Floats:
        values = np.asarray(ovo.decision_function(features), np.float64)
        # scikit-learn turns the sign, and drops the axis, of a lone pair.
        return signs * _by_pair(values if values.ndim == 2 else -values[:, None], k)

    return margins


def vectorized_margins(svc: SVC) -> Margins | None:
    """The margins by one kernel matrix and one product per class; None for a kernel that is not known here.

    In single precision for the radial kernel, whose values are at most 1, so that rounding adds at most some 1e-6 of
    the summed weights; in double precision for linear and polynomial kernels, whose sums can cancel.

    In libsvm's form, the decision between classes i and j sums the kernels with the support vectors of both, weighted
    by ``dual_coef_``: those of class i lie in row j - 1, those of class j in row i (Chang and Lin, "LIBSVM", 2011).
    """
    kernel = _kernel(svc)
    if kernel is None:
        _log.warning("vectorized_head_unavailable", kernel=str(svc.kernel), instead="scikit-learn")
        return None
    k = len(svc.classes_)
    sign = -1 if k == 2 else 1  # scikit-learn turns the sign of a lone pair.
    precision = _precision(svc)
    weights = (sign * svc.dual_coef_).astype(precision)
    intercepts = _by_pair(sign * svc.intercept_, k)
    signs = _signs(k)
    ends = np.cumsum(svc.n_support_)
    # Per class: its support vectors, and their weights against every class, none against its own.
    blocks = [
        (slice(end - count, end), np.insert(weights[:, end - count : end].T, i, 0, axis=1))
        for i, (end, count) in enumerate(zip(ends, svc.n_support_, strict=True))
    ]

    def margins(features: Reals) -> Floats:
        kernels = kernel(np.ascontiguousarray(features, precision))
        share = np.empty((len(features), k, k), precision)  # What a row's vectors add to its pair with a column.
        for i, (own, weight) in enumerate(blocks):
            np.matmul(kernels[:, own], weight, out=share[:, i])
        decided: Floats = signs * (share + share.transpose(0, 2, 1) + intercepts)
        return decided

    return margins


def _precision(svc: SVC) -> type[np.floating]:
    return np.float32 if svc.kernel == "rbf" else np.float64


def _kernel(svc: SVC) -> Callable[[Reals], Reals] | None:
    """The kernels with the support vectors, shapes (n, d) to (n, m), of an SVC fitted on dense features."""
    if not isinstance(svc.support_vectors_, np.ndarray):
        return None
    support = np.ascontiguousarray(svc.support_vectors_, _precision(svc))
    # What "scale" and "auto" came to at the fit; there is no public name for it.
    gamma = support.dtype.type(svc._gamma)
    doubled, norms = 2 * gamma * support, gamma * np.einsum("ij,ij->i", support, support)

    def linear(x: Reals) -> Reals:
        products: Reals = x @ support.T
        return products

    def polynomial(x: Reals) -> Reals:
        powers: Reals = (gamma * linear(x) + svc.coef0) ** svc.degree
        return powers

    def radial(x: Reals) -> Reals:
        # -gamma |x - s|^2, in place: the array is large.
        exponents: Reals = x @ doubled.T
        exponents -= norms
        exponents -= gamma * np.einsum("ij,ij->i", x, x)[:, None]
        return np.exp(np.minimum(exponents, 0, out=exponents), out=exponents)

    kernels = {"linear": linear, "poly": polynomial, "rbf": radial}
    return kernels.get(svc.kernel) if isinstance(svc.kernel, str) else None


def _by_pair(values: Floats, k: int) -> Floats:
    """Values of pairs of classes, (..., k (k - 1) / 2) in libsvm's order, as symmetric matrices (..., k, k)."""
    first, second = np.triu_indices(k, 1)
    matrices = np.zeros((*values.shape[:-1], k, k))
    matrices[..., first, second] = matrices[..., second, first] = values
    return matrices


def _signs(k: int) -> Floats:
    """What turns a pair's decision into margins, (k, k): 1 for its first class, -1 for its second."""
    upper = _upper(k).astype(np.float64)
    return upper - upper.T


@lru_cache
def _upper(k: int) -> npt.NDArray[np.bool_]:
    """Where the row's class comes before the column's."""
    return np.triu(np.ones((k, k), bool), 1)


def one_vs_rest(margins: Floats) -> Floats:
    """scikit-learn's ``ovr`` decision values: votes, plus the summed margins squeezed into a third of a vote.

    Args:
        margins: one-against-one decision values, shape (n, k, k), as of `Margins`.

    Returns:
        Shape (n, k); the arg-max is what ``SVC(break_ties=True).predict`` answers.
    """
    # A margin of zero is a vote for the earlier class.
    votes = np.where(_upper(margins.shape[1]), margins >= 0, margins > 0).sum(axis=2)
    sums = margins.sum(axis=2)
    scores: Floats = votes + sums / (3 * (np.abs(sums) + 1))
    return scores
