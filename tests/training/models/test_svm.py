import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import SVC
from typer.testing import CliRunner

from akshar.model.svm import Head
from training.__main__ import main
from training.models import svm
from training.models.svm import BATCH, ClusterError, fit_head, grid_search, margins, on_cluster
from training.recipe import Search

GRID = Search()


def blobs(n: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(n) % 3 + 1
    centres = np.eye(3, 16, dtype=np.float32) * 4
    noise = np.random.default_rng(seed).normal(0, spread, (n, 16)).astype(np.float32)
    return centres[labels - 1] + noise, labels


def test_the_best_of_the_grid_is_fitted_on_both_parts() -> None:
    # The training part is far too easy, as features of training images are; the validation part is not.
    training, validation = blobs(90, 0.01, 0), blobs(60, 1.0, 1)
    head = fit_head(training, validation, GRID, seed=1, jobs=1)
    assert head.svc.C in GRID.c
    assert head.svc.break_ties
    assert head.svc.shape_fit_ == (150, 16)
    assert head.svc.classes_.tolist() == [1, 2, 3]
    assert 0.8 < head.validation_accuracy <= 1
    scale = 1 / (16 * np.concatenate([training[0], validation[0]]).var())
    assert min(abs(head.svc.gamma / scale - factor) for factor in GRID.gamma) < 1e-4


def test_hyperparameters_are_scored_on_validation_images_alone() -> None:
    """If the training part were scored too, random labels in the validation part would still give a high accuracy."""
    training, (features, labels) = blobs(300, 0.01, 0), blobs(60, 0.01, 1)
    shuffled = np.random.default_rng(0).permutation(labels)
    assert fit_head(training, (features, shuffled), GRID, seed=1, jobs=1).validation_accuracy < 0.6


def test_margins_do_not_depend_on_the_batches() -> None:
    features, labels = blobs(BATCH + 10, 1.0, 0)
    head = Head(SVC(break_ties=True).fit(features, labels))
    np.testing.assert_allclose(margins(head, features), head.margins(features), rtol=1e-5)


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


SMALL_GRID = {"C": [0.1, 1.0, 10.0], "gamma": [0.1, 1.0]}


def noisy_blobs() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(90) % 3
    return np.random.default_rng(0).normal(0, 1.0, (90, 4)) + 2 * np.eye(3, 4)[labels], labels


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, each a process of its own, on this machine."""
    address = f"tcp://127.0.0.1:{unused_port()}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", address, "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    log = (tmp_path / "log").open("wb")
    processes = [subprocess.Popen(command, stderr=log, cwd=tmp_path) for command in (scheduler, worker, worker)]
    try:
        yield address
    finally:
        for process in reversed(processes):
            process.kill()  # On SIGTERM a worker may wait for a connection that is gone.
        for process in processes:
            process.wait(timeout=20)
        log.close()


@pytest.mark.slow
def test_a_search_runs_on_the_workers_of_a_cluster(cluster: str) -> None:
    from distributed import Client

    features, labels = noisy_blobs()
    here = grid_search(SVC(), SMALL_GRID, folds=3, bar=False).fit(features, labels)
    with Client(cluster, timeout="60s") as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(2, timeout=60)
        with on_cluster(cluster):
            there = grid_search(SVC(), SMALL_GRID, folds=3).fit(features, labels)
        assert there.best_params_ == here.best_params_
        np.testing.assert_allclose(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
        # Each worker logs what it computes.
        time.sleep(0.5)
        logs = client.run(lambda dask_worker: len(dask_worker.state.log))
        assert len(logs) == 2
        assert all(entries > 0 for entries in logs.values())


@pytest.mark.parametrize("terminal", [True, False])
def test_a_search_shows_its_progress_on_a_terminal(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    grid_search(SVC(), SMALL_GRID, folds=3, jobs=1).fit(*noisy_blobs())
    assert ("GridSearchCV" in capsys.readouterr().out) == terminal


def test_an_unreachable_cluster_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svm, "_TIMEOUT", "1s")
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), on_cluster(f"tcp://127.0.0.1:{unused_port()}"):
        pass
    run = CliRunner().invoke(main, ["evaluate", "--data", "x", "--protocol", "published", "--cluster", "nonsense://x"])
    assert run.exit_code == 2
    assert "no Dask scheduler answers" in run.stderr


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"akshar\[cluster\]"), on_cluster("tcp://127.0.0.1:1"):
        pass


def test_without_an_address_the_search_runs_here() -> None:
    features, labels = noisy_blobs()
    with on_cluster(None):
        assert grid_search(SVC(), SMALL_GRID, folds=3, jobs=1, bar=False).fit(features, labels).best_score_ > 0.7
