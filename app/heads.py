"""The heads: one pickled SVC per family, from features to one-against-one margins and the class that wins.

The scores come from the SVC's one-against-one decision values, from which scikit-learn derives its own votes. The
pickled SVC stays the reference; its arithmetic is done here in one matrix product per class instead of one pass of
libsvm per glyph.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
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
    k = len(svc.classes_)
    signs = pair_signs(k)

    def margins(features: Reals) -> Floats:
        values = np.asarray(ovo.decision_function(features), np.float64)
        # scikit-learn turns the sign, and drops the axis, of a lone pair.
        return signs * by_pair(values if values.ndim == 2 else -values[:, None], k)

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
    support = np.zeros((k, most, svc.support_vectors_.shape[1]), precision)
    weights = np.zeros((k, most, k), precision)
    for i, (end, count) in enumerate(zip(np.cumsum(counts), counts, strict=True)):
        own = slice(end - count, end)
        support[i, :count] = svc.support_vectors_[own]
        # Against every class, none against its own.
        weights[i, :count] = np.insert(sign * svc.dual_coef_[:, own].T, i, 0, axis=1)
    kernel = _kernel(svc, support.reshape(k * most, -1))
    intercepts, signs = by_pair(sign * svc.intercept_, k), pair_signs(k)

    def margins(features: Reals) -> Floats:
        kernels = kernel(np.ascontiguousarray(features, precision)).reshape(len(features), k, -1)
        # What a row's vectors add to its pair with a column.
        share = (kernels.transpose(1, 0, 2) @ weights).transpose(1, 0, 2)
        decided: Floats = signs * (share + share.transpose(0, 2, 1) + intercepts)
        return decided

    return margins


def _kernel(svc: SVC, support: Reals) -> Callable[[Reals], Reals]:
    """The kernel of an SVC with these support vectors, (m, d), as a function from (n, d) to (n, m)."""
    # What "scale" and "auto" came to at the fit; there is no public name for it.
    gamma = support.dtype.type(svc._gamma)

    def linear(x: Reals) -> Reals:
        products: Reals = x @ support.T
        return products

    def polynomial(x: Reals) -> Reals:
        powers: Reals = (gamma * linear(x) + svc.coef0) ** svc.degree
        return powers

    # -gamma |x - s|^2 as one product: 2 gamma s, -gamma |s|^2 and -gamma, with x, 1 and |x|^2.
    squares = np.einsum("ij,ij->i", support, support)
    expanded = np.column_stack([2 * gamma * support, -gamma * squares, np.full_like(squares, -gamma)])

    def radial(x: Reals) -> Reals:
        similarities: Reals = np.column_stack([x, np.ones(len(x), x.dtype), np.einsum("ij,ij->i", x, x)]) @ expanded.T
        return np.exp(similarities, out=similarities)

    return {"linear": linear, "poly": polynomial, "rbf": radial}[svc.kernel]


def by_pair(values: Floats, k: int) -> Floats:
    """Values of pairs of classes, (..., k (k - 1) / 2) in libsvm's order, as symmetric matrices (..., k, k)."""
    first, second = np.triu_indices(k, 1)
    matrices = np.zeros((*values.shape[:-1], k, k))
    matrices[..., first, second] = matrices[..., second, first] = values
    return matrices


def pair_signs(k: int) -> Floats:
    """What turns a pair's decision into margins, (k, k): 1 for its first class, -1 for its second."""
    upper = np.triu(np.ones((k, k)), 1)
    return upper - upper.T


@lru_cache
def _winning(k: int) -> Floats:
    """The least margin that is a vote for the row's class, (k, k): one of zero is a vote for the earlier class."""
    return np.where(np.triu(np.ones((k, k), bool), 1), 0, np.nextafter(0, 1))


def one_vs_rest(margins: Floats) -> Floats:
    """scikit-learn's ``ovr`` decision values: votes, plus the summed margins squeezed into a third of a vote.

    Args:
        margins: one-against-one decision values, shape (n, k, k), as of `Margins`.

    Returns:
        Shape (n, k); the arg-max is what ``SVC(break_ties=True).predict`` answers.
    """
    each = np.ones(margins.shape[2])  # Products add up rows faster than sums do.
    votes = (margins >= _winning(margins.shape[1])) @ each
    sums = margins @ each
    scores: Floats = votes + sums / (3 * (np.abs(sums) + 1))
    return scores
