"""The heads: one pickled SVC per family, from features to one-against-one margins, and what the pairs vote for.

The pickled SVC is the reference. Its arithmetic is done here in one matrix product per class instead of one pass of
libsvm per glyph.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.svm import SVC

Floats = npt.NDArray[np.float64]
Reals = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Margins = Callable[[Reals], Reals]
"""From features (n, d) to one-against-one decision values, (n, k (k - 1) / 2): pairs of classes in libsvm's order,
positive where the first of a pair wins."""

_SLOPE: Final = 3.0
"""Of the logistic function that turns a margin into the probability of winning a pair: a margin of 1 gives 0.95."""

_log = logging.getLogger("akshar.svm")


class Votes(NamedTuple):
    """What the pairs of classes say of n glyphs.

    Attributes:
        winner: column of the class that the SVC predicts, shape (n,).
        pairwise_log_probability: mean log-probability of each class in its pairs with the others, shape (n, k).
    """

    winner: npt.NDArray[np.intp]
    pairwise_log_probability: Reals


class Head:
    """A fitted SVC with ``break_ties=True``, read for its one-against-one margins.

    Attributes:
        class_ids: class numbers, shape (k,).
        margins: see `Margins`.
    """

    def __init__(self, svc: SVC) -> None:
        """Raises ValueError if the SVC has fewer than two classes."""
        self.class_ids: Ints = np.asarray(svc.classes_, np.int64)
        if len(self.class_ids) < 2:
            raise ValueError("a head needs at least two classes")
        self.margins: Margins = vectorized_margins(svc) or reference_margins(svc)

    def votes(self, features: Reals) -> Votes:
        """The votes for features of shape (n, 512)."""
        return count_votes(self.margins(features))

    def predict(self, features: Reals) -> Ints:
        """Class numbers for features of shape (n, 512), as ``SVC(break_ties=True).predict`` gives them."""
        predicted: Ints = self.class_ids[one_vs_rest(self.margins(features)).argmax(axis=1)]
        return predicted


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
    """The margins by one kernel matrix and one stack of products; None for a kernel that is not implemented here.

    In single precision for the radial kernel, whose values are at most 1, so that rounding adds at most some 1e-6 of
    the summed weights; in double precision for linear and polynomial kernels, whose sums can cancel.

    In libsvm's form, the decision between classes i and j sums the kernels with the support vectors of both, weighted
    by ``dual_coef_``: those of class i lie in row j - 1, those of class j in row i (Chang and Lin, "LIBSVM", 2011).

    Everything is done in a few large calls: in a service each call of NumPy is a chance to lose the interpreter to
    another thread and to wait for it again.
    """
    if svc.kernel not in ("rbf", "linear", "poly") or not isinstance(svc.support_vectors_, np.ndarray):
        _log.warning("no vectorized head for the kernel %s; scikit-learn computes it", svc.kernel)
        return None
    precision = np.float32 if svc.kernel == "rbf" else np.float64
    k, counts, max_count = len(svc.classes_), svc.n_support_, max(svc.n_support_)
    sign = -1 if k == 2 else 1  # scikit-learn turns the sign of a lone pair.
    # Classes have different numbers of support vectors: all are padded to the largest, with vectors of weight 0.
    indices = np.zeros((k, max_count), np.intp)
    weights = np.zeros((k, k, max_count), precision)
    for i, (end, count) in enumerate(zip(np.cumsum(counts), counts, strict=True)):
        indices[i, :count] = own = np.arange(end - count, end)
        # Against every class, none against its own.
        weights[i, :, :count] = np.insert(sign * svc.dual_coef_[:, own], i, 0, axis=0)
    kernel = _kernel(svc, svc.support_vectors_.astype(precision))
    intercepts = (sign * svc.intercept_).astype(precision)[:, None]
    first, second = np.triu_indices(k, 1)
    by_first, by_second = first * k + second, second * k + first

    def margins(features: Reals) -> Reals:
        # Glyphs lie along the last axis: whole rows are picked.
        kernels = kernel(np.ascontiguousarray(features, precision)).take(indices, axis=0)
        # What the support vectors of a class add to its pair with another.
        sums = (weights @ kernels).reshape(k * k, len(features))
        values: Reals = sums.take(by_first, axis=0) + sums.take(by_second, axis=0) + intercepts
        return values.T

    return margins


def _kernel(svc: SVC, support: Reals) -> Callable[[Reals], Reals]:
    """The kernel of an SVC with these support vectors, (m, d), as a function from (n, d) to (m, n)."""
    # The value that "scale" or "auto" had at the fit; there is no public name for it.
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
def _class_signs(pairs: int) -> tuple[Reals, Reals]:
    """Where each class occurs in the pairs, shape (pairs, k): 1 as the first and -1 as the second; and 1 as either."""
    k = round((1 + math.sqrt(1 + 8 * pairs)) / 2)
    signs = np.zeros((pairs, k), np.float32)
    first, second = np.triu_indices(k, 1)
    signs[np.arange(pairs), first], signs[np.arange(pairs), second] = 1, -1
    return signs, np.abs(signs)


def count_votes(margins: Reals) -> Votes:
    """The votes for one-against-one margins, shape (n, pairs)."""
    return Votes(one_vs_rest(margins).argmax(axis=1), pairwise_log_probability(margins))


def one_vs_rest(margins: Reals) -> Floats:
    """scikit-learn's ``ovr`` decision values: votes, plus the summed margins squeezed into a third of a vote.

    Args:
        margins: one-against-one decision values, shape (n, pairs); see `Margins`.

    Returns:
        Shape (n, k); the argmax is what ``SVC(break_ties=True).predict`` predicts.
    """
    signs, _ = _class_signs(margins.shape[1])
    index = np.arange(signs.shape[1])
    # A pair votes for its first class from zero on, else for its second: a class is the second of as many pairs as
    # there are classes before it.
    votes = (margins >= 0).astype(np.float32) @ signs + index
    sums = np.asarray(margins @ signs, np.float64)
    scores: Floats = votes + sums / (3 * (np.abs(sums) + 1))
    return scores


def pairwise_log_probability(margins: Reals) -> Reals:
    """Mean log-probability of each of k classes in its pairs with the others, shape (n, k); margins (n, pairs)."""
    signs, either = _class_signs(margins.shape[1])
    # In a pair of margin m, the first class loses log(1 + exp(-m)): half of |m| - m, and a term that both lose.
    half = _SLOPE / 2 * margins
    both = np.abs(half)
    both += np.log(1 + np.exp(-2 * both))
    mean: Reals = (half @ signs - both @ either) / (signs.shape[1] - 1)
    return mean
