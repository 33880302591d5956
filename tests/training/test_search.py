import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import SVC
from typer.testing import CliRunner

from benchmarks.load import free_port
from training.__main__ import main
from training.search import ClusterError, grid_search, on_cluster

GRID = {"C": [0.1, 1.0, 10.0], "gamma": [0.1, 1.0]}


def blobs() -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(90) % 3
    return np.random.default_rng(0).normal(0, 1.0, (90, 4)) + 2 * np.eye(3, 4)[labels], labels


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, each a process of its own, on this machine."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", address, "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    log = (tmp_path / "log").open("wb")
    processes = [subprocess.Popen(command, stderr=log, cwd=tmp_path) for command in (scheduler, worker, worker)]
    try:
        yield address
    finally:
        for process in reversed(processes):
            process.kill()  # Asked to end, a worker may wait for a connection that is gone.
        for process in processes:
            process.wait(timeout=20)
        log.close()


@pytest.mark.slow
def test_a_search_runs_on_the_workers_of_a_cluster(cluster: str) -> None:
    from distributed import Client

    features, labels = blobs()
    here = grid_search(SVC(), GRID, folds=3, bar=False).fit(features, labels)
    with Client(cluster, timeout="60s") as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(2, timeout=60)
        with on_cluster(cluster):
            there = grid_search(SVC(), GRID, folds=3).fit(features, labels)
        assert there.best_params_ == here.best_params_
        np.testing.assert_allclose(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
        # Each worker has kept a log of what it computed.
        time.sleep(0.5)
        done = client.run(lambda dask_worker: len(dask_worker.state.log))
        assert len(done) == 2
        assert all(entries > 0 for entries in done.values())


@pytest.mark.parametrize("terminal", [True, False])
def test_a_search_shows_its_progress_to_who_watches(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    grid_search(SVC(), GRID, folds=3, jobs=1).fit(*blobs())
    assert ("GridSearchCV" in capsys.readouterr().out) == terminal


def test_an_address_where_nobody_listens_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), on_cluster(f"tcp://127.0.0.1:{free_port()}"):
        pass
    run = CliRunner().invoke(main, ["evaluate", "--data", "x", "--protocol", "published", "--cluster", "nonsense://x"])
    assert run.exit_code == 2
    assert "no Dask scheduler answers" in run.stderr


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"akshar\[cluster\]"), on_cluster("tcp://127.0.0.1:1"):
        pass


def test_without_an_address_the_search_stays_here() -> None:
    features, labels = blobs()
    with on_cluster(None):
        assert grid_search(SVC(), GRID, folds=3, jobs=1, bar=False).fit(features, labels).best_score_ > 0.7
