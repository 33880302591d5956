"""The heads: one pickled SVC per family, from features to one-against-one margins and the class that wins.

The scores come from the SVC's one-against-one decision values, from which scikit-learn derives its own votes. The
pickled SVC stays the reference; its arithmetic is done here in one matrix product per class instead of one pass of
libsvm per glyph.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import structlog
from sklearn.svm import SVC

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Margins = Callable[[Reals], Reals]
"""From features (n, d) to one-against-one decision values, (n, k (k - 1) / 2): pairs of classes in libsvm's order,
positive where the first of a pair wins."""

_log = structlog.get_logger("akshar.heads")


class Head:
    """A fitted SVC with ``break_ties=True``, read for its one-against-one margins.

    Attributes:
        class_ids: class numbers, shape (k,).
        margins: see `Margins`.
    """

    def __init__(self, svc: SVC) -> None:
        """Raises ValueError where the SVC has fewer than two classes."""
        self.class_ids: Ints = np.asarray(svc.classes_, np.int64)
        if len(self.class_ids) < 2:
            raise ValueError("a head needs at least two classes")
        self.margins: Margins = vectorized_margins(svc) or reference_margins(svc)

    def predict(self, features: Reals) -> Ints:
        """Class numbers for features of shape (n, 512), as ``SVC(break_ties=True).predict`` gives them."""
        answers: Ints = self.class_ids[one_vs_rest(self.margins(features)).argmax(axis=1)]
        return answers


def reference_margins(svc: SVC) -> Margins:
    """The margins as scikit-learn computes them."""
    # The same fitted arrays under another public setting: decision_function then returns the raw decision values.
    ovo = copy.copy(svc).set_params(decision_function_shape="ovo", break_ties=False)

    def margins(features: Reals) -> Floats:
        values = np.asarray(ovo.decision_function(features), np.float64)
        # scikit-learn turns the sign, and drops the axis, of a lone pair.
        return values if values.ndim == 2 else -values[:, None]

    return margins


def vectorized_margins(svc: SVC) -> Margins | None:
    """The margins by one kernel matrix and one stack of products; None for a kernel that is not known here.

    In single precision for the radial kernel, whose values are at most 1, so that rounding adds at most some 1e-6 of
    the summed weights; in double precision for linear and polynomial kernels, whose sums can cancel.

    In libsvm's form, the decision between classes i and j sums the kernels with the support vectors of both, weighted
    by ``dual_coef_``: those of class i lie in row j - 1, those of class j in row i (Chang and Lin, "LIBSVM", 2011).

    All is done in few, large calls: in a service each call of NumPy is a chance to lose the interpreter to another
    thread and to wait for it again.
    """
    if svc.kernel not in ("rbf", "linear", "poly") or not isinstance(svc.support_vectors_, np.ndarray):
        _log.warning("vectorized_head_unavailable", kernel=str(svc.kernel), instead="scikit-learn")
        return None
    precision = np.float32 if svc.kernel == "rbf" else np.float64
    k, counts, most = len(svc.classes_), svc.n_support_, max(svc.n_support_)
    sign = -1 if k == 2 else 1  # scikit-learn turns the sign of a lone pair.
    # Classes have different numbers of support vectors: all are filled up to the most, with such as weigh nothing.
    places = np.zeros((k, most), np.intp)
    weights = np.zeros((k, k, most), precision)
    for i, (end, count) in enumerate(zip(np.cumsum(counts), counts, strict=True)):
        places[i, :count] = own = np.arange(end - count, end)
        # Against every class, none against its own.
        weights[i, :, :count] = np.insert(sign * svc.dual_coef_[:, own], i, 0, axis=0)
    kernel = _kernel(svc, svc.support_vectors_.astype(precision))
    intercepts = (sign * svc.intercept_).astype(precision)[:, None]
    first, second = np.triu_indices(k, 1)
    of_first, of_second = first * k + second, second * k + first

    def margins(features: Reals) -> Reals:
        # Glyphs lie along the last axis: whole rows are picked.
        kernels = kernel(np.ascontiguousarray(features, precision)).take(places, axis=0)
        # What a class's vectors add to its pair with another.
        shares = (weights @ kernels).reshape(k * k, len(features))
        decided: Reals = shares.take(of_first, axis=0) + shares.take(of_second, axis=0) + intercepts
        return decided.T

    return margins


def _kernel(svc: SVC, support: Reals) -> Callable[[Reals], Reals]:
    """The kernel of an SVC with these support vectors, (m, d), as a function from (n, d) to (m, n)."""
    # What "scale" and "auto" came to at the fit; there is no public name for it.
    gamma = support.dtype.type(svc._gamma)

    def linear(x: Reals) -> Reals:
        products: Reals = support @ x.T
        return products

    def polynomial(x: Reals) -> Reals:
        powers: Reals = (gamma * linear(x) + svc.coef0) ** svc.degree
        return powers

    # -gamma |x - s|^2 as one product: 2 gamma s, -gamma |s|^2 and -gamma, with x, 1 and |x|^2.
    squares = np.einsum("ij,ij->i", support, support)
    expanded = np.column_stack([2 * gamma * support, -gamma * squares, np.full_like(squares, -gamma)])

    def radial(x: Reals) -> Reals:
        similarities: Reals = expanded @ np.column_stack([x, np.ones(len(x), x.dtype), np.einsum("ij,ij->i", x, x)]).T
        return np.exp(similarities, out=similarities)

    return {"linear": linear, "poly": polynomial, "rbf": radial}[svc.kernel]


@lru_cache
def pairs_of_classes(pairs: int) -> tuple[Reals, Reals]:
    """In which of the pairs each class is, shape (pairs, k): 1 as the first and -1 as the second; and 1 as either."""
    k = round((1 + math.sqrt(1 + 8 * pairs)) / 2)
    signs = np.zeros((pairs, k), np.float32)
    first, second = np.triu_indices(k, 1)
    signs[np.arange(pairs), first], signs[np.arange(pairs), second] = 1, -1
    return signs, np.abs(signs)


def one_vs_rest(margins: Reals) -> Floats:
    """scikit-learn's ``ovr`` decision values: votes, plus the summed margins squeezed into a third of a vote.

    Args:
        margins: one-against-one decision values, shape (n, pairs), as of `Margins`.

    Returns:
        Shape (n, k); the arg-max is what ``SVC(break_ties=True).predict`` answers.
    """
    signs, _ = pairs_of_classes(margins.shape[1])
    places = np.arange(signs.shape[1])
    # A pair is a vote for its first class from zero on, else for its second: a class is the second of as many pairs as
    # there are classes before it.
    votes = (margins >= 0).astype(np.float32) @ signs + places
    sums = np.asarray(margins @ signs, np.float64)
    scores: Floats = votes + sums / (3 * (np.abs(sums) + 1))
    return scores
