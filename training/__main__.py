"""``python -m training``: train the models, or score those that are there."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from app.bundle import BundleError, Score, read_manifest
from app.catalogue import CATALOGUE
from app.main import load_recognizer
from app.settings import REPOSITORY, Settings
from training import evaluation, protocols
from training.data import Dataset, DatasetError, read_dataset

main = typer.Typer(help="The offline training of Akshar's models.", no_args_is_help=True)
_console = Console(stderr=True)

Data = Annotated[Path, typer.Option(help="NHCD, as a zip file or an extracted folder.")]
Artifacts = Annotated[Path, typer.Option(help="Folder of the artifacts.")]


@main.command()
def train(
    data: Data,
    out: Artifacts = REPOSITORY / "artifacts",
    work: Annotated[Path, typer.Option(help="Folder of checkpoints; an interrupted run resumes.")] = Path(".training"),
    seed: Annotated[int, typer.Option(help="Of the split, the training and the search.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
) -> None:
    """Train extractor and heads, and write them with their manifest."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        # Keras and its backend are the `training` extra; `evaluate` does without.
        from training import pipeline
        from training.extractor import Recipe
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; training needs the extra `training`: pip install akshar[training]")
    started = time.monotonic()
    dataset = _read(data)
    if missing := [family for family in CATALOGUE if family not in dataset.family]:
        _fail(f"{data}: has no {' and no '.join(missing)}; a training needs all families.")
    recipe = Recipe() if epochs is None else Recipe(epochs=epochs)
    bar = 1 if sys.stdout.isatty() else 2
    manifest = pipeline.train(dataset, data.name, recipe, seed, out, work, _console.print, bar)
    _console.print(_table(manifest.scores))
    _console.print(f"{manifest.model_version} written to {out} in {(time.monotonic() - started) / 60:.1f} minutes.")


@main.command()
def evaluate(
    data: Data,
    artifacts: Artifacts = REPOSITORY / "artifacts",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score the artifacts on the test part of the published split that their training held out."""
    try:
        manifest = read_manifest(artifacts)
        recognizer = load_recognizer(Settings(artifacts=artifacts))
    except BundleError as error:
        _fail(str(error))
    dataset = _read(data)
    test = protocols.published(dataset, manifest.split.seed).test
    if protocols.names_digest(dataset, test) != manifest.split.test_names:
        _console.print("[yellow]The test images are not those that the training held out: other data, other split.")
    scores = {"published": evaluation.score(recognizer, dataset, test)}
    if as_json:
        print(json.dumps({protocol: {f: s.model_dump() for f, s in by.items()} for protocol, by in scores.items()}))
    else:
        Console().print(_table(scores))


def _read(path: Path) -> Dataset:
    try:
        with _console.status(f"Reading {path}"):
            return read_dataset(path)
    except DatasetError as error:
        _fail(str(error))


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)


def _table(scores: dict[str, dict[str, Score]]) -> Table:
    table = Table("protocol", "family", "accuracy", "right", "of")
    for protocol, families in scores.items():
        for family, s in families.items():
            table.add_row(protocol, family, f"{s.accuracy:.2%}", f"{s.correct:,}", f"{s.n:,}")
    return table


if __name__ == "__main__":
    main()
