"""What the commands of ``python -m training`` share: messages, tables, exit codes and optional imports."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from akshar.model.manifest import BundleError
from training.data.dataset import Dataset, DatasetError, read_dataset
from training.models.add_family import AddFamilyError
from training.models.history import RunError
from training.models.svm import ClusterError, on_cluster

console = Console(stderr=True)
log = console.print


def verbosity() -> int:
    """Keras's: a bar for people, a line per epoch for logs."""
    return 1 if sys.stdout.isatty() else 2


def read(path: Path) -> Dataset:
    """Read a data set with a progress bar."""
    return read_dataset(path, partial(track, description=f"Reading {path.name}", console=console))


def fail(reason: str) -> NoReturn:
    """Print one line and exit with code 2."""
    typer.echo(reason, err=True)
    raise typer.Exit(2)


@contextmanager
def reporting_errors(cluster: str | None = None) -> Iterator[None]:
    """Print expected errors of the enclosed block as one line and exit with code 2; run its searches on a cluster."""
    try:
        with on_cluster(cluster):
            yield
    except (AddFamilyError, BundleError, ClusterError, DatasetError, RunError) as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; this needs more than serving: pip install akshar[training,report]")


def import_optional(module: str) -> Any:
    """A module of `training` with dependencies that serving does not install; see `reporting_errors`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return importlib.import_module(f"training.{module}")


def print_scores(scores: dict[str, dict[str, Any]], to: Console | None = None) -> None:
    """Print the scores of protocols as a table, by default on the standard output."""
    rows = [
        (protocol, family, f"{s['accuracy']:.2%}", f"{s['correct']:,}", f"{s['n']:,}")
        for protocol, families in scores.items()
        for family, s in families.items()
    ]
    print_table(("protocol", "family", "accuracy", "right", "of"), rows, to)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], to: Console | None = None) -> None:
    """Print a table, by default on the standard output."""
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    (to or Console()).print(table)
