from pathlib import Path

import pytest

from training.evaluation import runs
from training.evaluation.runs import Run
from training.report import tables

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def all_runs() -> list[Run]:
    """The committed runs."""
    return runs.load_all(REPOSITORY / "docs" / "results")


@pytest.fixture(scope="session")
def shipped(all_runs: list[Run]) -> Run:
    """The run of the shipped models."""
    run = tables.find_run(all_runs, *tables.SHIPPED)
    assert run
    return run
