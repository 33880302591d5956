"""Fits the heads: one SVC per family on frozen features, its hyperparameters searched here or on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import joblib
import numpy as np
import numpy.typing as npt
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.svm import SVC

from akshar.model.extractor import Features
from akshar.model.svm import Head, Reals
from training.recipe import Search

Ints = npt.NDArray[np.int64]

FOLDS: Final = 5
_TIMEOUT = "10s"
BATCH: Final = 256
"""Images whose kernels with all support vectors are held in memory at a time."""


class ClusterError(Exception):
    """No cluster answers at the address, or the library to connect to it is not installed."""


@dataclass(frozen=True)
class FittedHead:
    """An SVC fitted on training and validation features, and the accuracy by which it was chosen."""

    svc: SVC
    validation_accuracy: float


def fit_head(
    training: tuple[Features, Ints], validation: tuple[Features, Ints], grid: Search, seed: int, jobs: int = -1
) -> FittedHead:
    """Search C and gamma, then fit on both parts.

    The network was trained on the training images, so their features are separated too well to tell good
    hyperparameters from bad ones. Each fold therefore fits on the training part and four fifths of the validation part
    and is scored on the last fifth: over the folds, on every validation image once.

    Args:
        training: features (n, 512) and class numbers (n,).
        validation: the same, of images that the network was not trained on.
        grid: what to search.
        seed: of the folds.
        jobs: processes; -1 is one per core.
    """
    features = np.concatenate([training[0], validation[0]])
    classes = np.concatenate([training[1], validation[1]])
    first = len(training[1])
    folds = [
        (np.concatenate([np.arange(first), first + fitted]), first + scored)
        for fitted, scored in KFold(FOLDS, shuffle=True, random_state=seed).split(validation[1])
    ]
    search = rbf_search(SVC(kernel="rbf", break_ties=True, cache_size=500), features, grid, folds, jobs)
    search.fit(features, classes)
    return FittedHead(search.best_estimator_, float(search.best_score_))


def margins(head: Head, features: Features) -> Reals:
    """One-against-one margins, shape (n, k (k - 1) / 2), computed in batches to bound the memory."""
    starts = range(0, len(features), BATCH)
    return np.concatenate([head.margins(features[start : start + BATCH]) for start in starts])


def describe_svc(svc: SVC) -> dict[str, Any]:
    """A fitted SVC as manifests and runs describe it."""
    return {
        "kernel": svc.kernel,
        "C": svc.C,
        "gamma": svc.gamma,
        "support_vectors": int(np.sum(svc.n_support_)),
    }


def grid_search(
    estimator: BaseEstimator, grid: Mapping[str, Sequence[Any]], folds: Any, jobs: int = -1, bar: bool = True
) -> GridSearchCV:
    """A search, not yet fitted, that runs on the cluster of an enclosing `on_cluster`, else on this machine.

    Args:
        estimator: the estimator to tune.
        grid: values by hyperparameter.
        folds: what scikit-learn takes as ``cv``.
        jobs: processes on this machine; -1 is one per core.
        bar: show progress on a terminal; a cluster has its own page for that.
    """
    search = GridSearchCV(estimator, grid, cv=folds, n_jobs=jobs)
    backend, _ = get_active_backend()
    # Without a terminal nobody would see it, and the reports of its processes, which can fail, would only be a risk.
    if bar and sys.stdout.isatty() and type(backend).__name__ == "LokyBackend":
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
    return search


def rbf_search(
    svc: SVC, features: Features, grid: Search, folds: Any, jobs: int = -1, bar: bool = True
) -> GridSearchCV:
    """A `grid_search` of an SVC's C and gamma, gamma in units of scikit-learn's ``scale`` over all of ``features``."""
    scale = 1 / (features.shape[1] * float(features.var()))
    return grid_search(svc, {"C": grid.c, "gamma": [factor * scale for factor in grid.gamma]}, folds, jobs, bar)


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Run the searches of the enclosed block on the Dask cluster with a scheduler at ``address``; None runs them here.

    The workers need this project's ``training`` extra.

    Raises:
        ClusterError: nothing answers there, or the extra ``cluster`` is not installed.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ClusterError("--cluster needs the extra `cluster`: pip install akshar[cluster]") from None
    try:
        client = Client(address, timeout=_TIMEOUT)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(f"{address}: no Dask scheduler answers there ({error}).") from None
    with client, joblib.parallel_config(backend="dask"):
        yield
