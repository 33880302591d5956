"""Grid searches: with a progress bar on this machine, or spread over a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import joblib
from joblib.parallel import get_active_backend
from sklearn.base import BaseEstimator
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from app.extractor import Features
from training.recipe import Search


class ClusterError(Exception):
    """No cluster answers at the address, or the library to speak with it is not installed."""


def grid_search(
    estimator: BaseEstimator, grid: Mapping[str, Sequence[Any]], folds: Any, jobs: int = -1, bar: bool = True
) -> GridSearchCV:
    """A search, not yet fitted, whose fits run on the cluster of an enclosing `on_cluster`, else on this machine.

    Args:
        estimator: whose hyperparameters are sought.
        grid: values by hyperparameter.
        folds: what scikit-learn takes as ``cv``.
        jobs: processes on this machine; -1 is one a core.
        bar: show progress on a terminal; a cluster has a page of its own for it.
    """
    search = GridSearchCV(estimator, grid, cv=folds, n_jobs=jobs)
    backend, _ = get_active_backend()
    # Without a terminal nobody would see it, and its processes' reports, which can fail, would only be a risk.
    if bar and sys.stdout.isatty() and type(backend).__name__ == "LokyBackend":
        search.set_callbacks(ProgressBar(max_propagation_depth=0))
    return search


def rbf_search(
    svc: SVC, features: Features, grid: Search, folds: Any, jobs: int = -1, bar: bool = True
) -> GridSearchCV:
    """A `grid_search` of an SVC's C and of its gamma, in units of scikit-learn's ``scale`` over all of ``features``."""
    scale = 1 / (features.shape[1] * float(features.var()))
    return grid_search(svc, {"C": grid.c, "gamma": [factor * scale for factor in grid.gamma]}, folds, jobs, bar)


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Run the searches of the enclosed block on the Dask cluster whose scheduler listens at ``address``.

    The workers need this project's ``training`` extra. None leaves the searches here.

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
        client = Client(address, timeout="10s")  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterError(f"{address}: no Dask scheduler answers there ({error}).") from None
    with client, joblib.parallel_config(backend="dask"):
        yield
