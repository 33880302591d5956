"""``python -m training``: train the models, or score those that are there."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.bundle import BundleError, read_manifest
from app.catalogue import CATALOGUE
from app.main import load_recognizer
from app.settings import REPOSITORY, Settings
from training import evaluation, fonts, protocols, runs, scoring, sources, strangers, tables
from training import specialise as specialisation
from training.data import Dataset, DatasetError, read_dataset
from training.protocols import PROTOCOLS, ProtocolName
from training.recipe import RECIPES, Recipe, RecipeName, SourceName, changed
from training.runs import RunError
from training.search import ClusterError, on_cluster
from training.specialise import LEAST, SpecialiseError

main = typer.Typer(help="The offline training of Akshar's models.", no_args_is_help=True)
_console = Console(stderr=True)

RESULTS = REPOSITORY / "docs" / "results"
IMAGES = REPOSITORY / "docs" / "images"
README = REPOSITORY / "README.md"
EXPERIMENTS = REPOSITORY / "docs" / "experiments"
FONTS = REPOSITORY / "fonts" / "node_modules"
DHCD = "dhcd-train.zip"
PAGE = REPOSITORY / "build" / "report.html"
BaselineName = Literal["pca-svc", "cnn-per-family", "bottleneck", "published-network", "without-vowels", "tesseract"]
BASELINES: dict[BaselineName, str] = {
    "pca-svc": "baselines",
    "cnn-per-family": "baselines",
    "bottleneck": "baselines",
    "published-network": "baselines",
    "without-vowels": "fewshot",
    "tesseract": "tesseract",
}
"""Names, and the modules that hold a function of that name; most need Keras."""

Data = Annotated[Path, typer.Option(help="NHCD, as a zip file or an extracted folder.")]
DhcdOption = Annotated[Path | None, typer.Option("--dhcd", help="DHCD; by default dhcd-train.zip beside the data.")]
FontsOption = Annotated[Path, typer.Option("--fonts", help="Folder of the fonts that `make fonts` fetches.")]
Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler whose workers do the grid searches.")]
Results = Annotated[Path, typer.Option(help="Folder of the runs; those that are there are not run again.")]
Work = Annotated[Path, typer.Option(help="Folder of checkpoints; an interrupted run resumes.")]
Artifacts = Annotated[Path, typer.Option(help="Folder of the artifacts.")]


@main.command()
def train(
    data: Data,
    out: Artifacts = REPOSITORY / "artifacts",
    work: Work = Path(".training"),
    recipe: Annotated[RecipeName, typer.Option(help="`first` needs no other data than these.")] = "full",
    seed: Annotated[int, typer.Option(help="Of the split, the training and the search.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    dhcd: DhcdOption = None,
    fonts_folder: FontsOption = FONTS,
    cluster: Cluster = None,
) -> None:
    """Train extractor and heads, and write them with their manifest."""
    pipeline = _import("pipeline")
    started = time.monotonic()
    dataset = _read(data)
    if missing := [family for family in CATALOGUE if family not in dataset.family]:
        _fail(f"{data}: has no {' and no '.join(missing)}; a training needs all families.")
    chosen = RECIPES[recipe] if epochs is None else replace(RECIPES[recipe], epochs=epochs)
    with _told(cluster):
        others, held = _others(chosen, dhcd or data.parent / DHCD, fonts_folder)
        manifest = pipeline.train(dataset, data.name, chosen, seed, out, work, others, held, _console.print, _bar())
    _console.print(_table(manifest.model_dump()["scores"]))
    _console.print(f"{manifest.model_version} written to {out} in {(time.monotonic() - started) / 60:.1f} minutes.")


@main.command()
def evaluate(
    data: Data,
    artifacts: Artifacts = REPOSITORY / "artifacts",
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="Train anew for it; without it the artifacts are scored.")
    ] = None,
    recipe: Annotated[RecipeName, typer.Option(help="Of the protocol's trainings.")] = "quick",
    parts: Annotated[str | None, typer.Option(help="Comma-separated seeds, folds or directions.")] = None,
    per_class: Annotated[int | None, typer.Option(min=10, help="Learn from so many images of each class.")] = None,
    dhcd: DhcdOption = None,
    fonts_folder: FontsOption = FONTS,
    results: Results = RESULTS,
    work: Work = Path(".training"),
    cluster: Cluster = None,
    save: Annotated[bool, typer.Option("--save", help="Keep the artifacts' run, too, in the folder of runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score the artifacts on the test part that their training held out, or train and score by a protocol."""
    if protocol is None:
        scores = _score_artifacts(data, dhcd or data.parent / DHCD, artifacts, results if save else None)
    else:
        with _told(cluster):
            scores = {
                protocol: _run_protocol(protocol, recipe, parts, per_class, data, dhcd, fonts_folder, results, work)
            }
    if as_json:
        print(json.dumps(scores))
    else:
        Console().print(_table(scores))


def _score_artifacts(data: Path, dhcd: Path, artifacts: Path, results: Path | None) -> dict[str, Any]:
    with _told():
        recognizer = load_recognizer(Settings(artifacts=artifacts))
    dataset, manifest = _read(data), recognizer.manifest
    test = protocols.published(dataset, manifest.split.seed).test
    if protocols.names_digest(dataset, test) != manifest.split.test_names:
        _console.print("[yellow]The test images are not those that the training held out: other data, other split.")
    found = [evaluation.score_bundle(recognizer, dataset[test])]
    if "dhcd" in manifest.more and dhcd.exists():
        _, held = protocols.of_dhcd(_read(dhcd))
        found.append(evaluation.score_bundle(recognizer, held, "dhcd"))
    if results is not None:
        history = runs.read_history(artifacts / runs.HISTORY)
        for run in found:
            runs.save(replace(run, history=history), results)
    return {run.protocol: run.scores for run in found}


def _run_protocol(
    name: ProtocolName,
    recipe: RecipeName,
    parts: str | None,
    per_class: int | None,
    data: Path,
    dhcd: Path | None,
    fonts_folder: Path,
    results: Path,
    work: Path,
) -> dict[str, Any]:
    protocol, method = PROTOCOLS[name], recipe if per_class is None else f"{recipe}-{per_class}"
    wanted = parts.split(",") if parts else list(protocol.parts[: protocol.usual])
    if unknown := [part for part in wanted if part not in protocol.parts]:
        _fail(f"{name} has no part {', '.join(unknown)}; there are {', '.join(protocol.parts)}.")
    paths = {part: results / runs.file_name(name, part, method) for part in wanted}
    if missing := [part for part, path in paths.items() if not path.exists()]:
        experiment = _import("experiment")
        nhcd = _read(data)
        dhcd = dhcd or data.parent / DHCD
        other = _read(dhcd) if protocol.needs_dhcd else None
        # Who is asked DHCD has not learnt from it.
        others, _ = _others(RECIPES[recipe], None if protocol.needs_dhcd else dhcd, fonts_folder)
        for part in missing:
            task = protocol.task(nhcd, other, part)
            task = replace(task, more=protocols.without_copies(others, task.test))
            if per_class is not None:
                task = protocols.with_few_images(task, per_class)
            folder = work / f"{name}-{part}-{method}"
            run = experiment.train_and_answer(
                name, part, method, task, RECIPES[recipe], per_class, folder, _console.print, _bar()
            )
            runs.save(run, results)
    return scoring.summary([runs.load(path).scores for path in paths.values()])


@contextmanager
def _told(cluster: str | None = None) -> Iterator[None]:
    """Whatever cannot be done inside is one line and exit code 2; grid searches run on the cluster."""
    try:
        with on_cluster(cluster):
            yield
    except (ClusterError, RunError, SpecialiseError, BundleError) as error:
        _fail(str(error))


def _import(module: str) -> Any:
    """A module of `training` that needs what serving does not install."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return importlib.import_module(f"training.{module}")
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; this needs more than serving: pip install akshar[training,report]")


def _bar() -> int:
    """Keras's verbosity: a bar for people, a line an epoch for logs."""
    return 1 if sys.stdout.isatty() else 2


@main.command()
def trial(
    name: Annotated[str, typer.Argument(help="Of the row in docs/experiments.md.")],
    data: Data,
    change: Annotated[str, typer.Option(help="What is tried, in words.")] = "",
    recipe: Annotated[RecipeName, typer.Option(help="What is changed.")] = "quick",
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=JSON, as in augmentation.grow=1.5.")] = None,
    dhcd: DhcdOption = None,
    fonts_folder: FontsOption = FONTS,
    results: Annotated[Path, typer.Option(help="Folder of the trials.")] = EXPERIMENTS,
    work: Work = Path(".training"),
) -> None:
    """Try a change to a recipe: one training, scored on validation images, new writers, DHCD and images made worse."""
    module = _import("trial")
    try:
        tried = changed(
            RECIPES[recipe], {key: json.loads(value) for key, value in (s.split("=", 1) for s in settings or [])}
        )
    except ValueError as error:
        _fail(f"--set: {error}")
    learnt, held = protocols.of_dhcd(_read(dhcd or data.parent / DHCD))
    more, _ = _others(tried, None, fonts_folder)
    if "dhcd" in tried.more:
        more["dhcd"] = learnt
    with _told():
        result = module.try_out(_read(data), held, more, tried, work / f"trial-{name}", _console.print, _bar())
    module.save(name, change, result, results)
    print(json.dumps({"name": name, **result["scores"]}, ensure_ascii=False))


def _others(recipe: Recipe, dhcd: Path | None, folder: Path) -> tuple[dict[SourceName, Dataset], Dataset | None]:
    """The other writers that a recipe learns from, DHCD only where its path is given; and what of DHCD is held out."""
    others: dict[SourceName, Dataset] = {}
    held = None
    if "dhcd" in recipe.more and dhcd is not None:
        others["dhcd"], held = protocols.of_dhcd(_read(dhcd))
    try:
        if "fonts" in recipe.more:
            others["fonts"] = fonts.read_fonts(folder)
        if "pens" in recipe.more:
            others["pens"] = fonts.read_fonts(folder, _import("pens").written)
    except DatasetError as error:
        _fail(f"{error} The recipe learns from fonts: make fonts.")
    return others, held


@main.command()
def baseline(
    name: Annotated[BaselineName, typer.Argument()],
    data: Data,
    epochs: Annotated[int | None, typer.Option(help="Of the published network, instead of 60.")] = None,
    results: Results = RESULTS,
    work: Work = Path(".training"),
) -> None:
    """Answer the published test images by a baseline: what the articles show, or another reader."""
    function = getattr(_import(BASELINES[name]), name.replace("-", "_"))
    options = {} if epochs is None else {"epochs": epochs}
    task = PROTOCOLS["published"].task(_read(data), None, "1")
    with _told():
        for run in function(task, work / name, _console.print, _bar(), **options):
            runs.save(run, results)
            _console.print(_table({run.method: run.scores}))


@main.command()
def degrade(
    data: Data,
    artifacts: Artifacts = REPOSITORY / "artifacts",
    part: Annotated[Literal["test", "validation"], typer.Option(help="Choose by validation, report test.")] = "test",
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 10,
    results: Results = RESULTS,
    save: Annotated[bool, typer.Option("--save", help="Keep the run in the folder of runs.")] = False,
) -> None:
    """Score the artifacts on held-out images made worse: photographed, shadowed, dusty, thin, blurred..."""
    robustness = _import("robustness")
    with _told():
        recognizer = load_recognizer(Settings(artifacts=artifacts))
    dataset, manifest = _read(data), recognizer.manifest
    split = protocols.published(dataset, manifest.split.seed)
    images = sources.sample(dataset[getattr(split, part)], per_class, seed=1)
    run = robustness.measure(recognizer, images, _console.print)
    _print(tables.degraded(run))
    if save:
        runs.save(run, results)


def _print(table: tables.Table) -> None:
    shown = Table(*table.header)
    for row in table.rows:
        shown.add_row(*row)
    Console().print(shown)


@main.command()
def refuse(
    data: Data,
    artifacts: Artifacts = REPOSITORY / "artifacts",
    fonts_folder: FontsOption = FONTS,
    results: Results = RESULTS,
    save: Annotated[bool, typer.Option("--save", help="Keep the run in the folder of runs.")] = False,
) -> None:
    """Score how well the artifacts tell held-out characters from other scripts, conjuncts, scribbles, textures..."""
    refusals = _import("refusals")
    with _told():
        recognizer = load_recognizer(Settings(artifacts=artifacts))
    dataset, manifest = _read(data), recognizer.manifest
    images = dataset[protocols.published(dataset, manifest.split.seed).test]
    kinds = strangers.draw(strangers.PER_KIND, fonts_folder, seed=1001)
    run = refusals.measure(recognizer, images, kinds, _console.print)
    _print(tables.refusals(run))
    if save:
        runs.save(run, results)


@main.command()
def specialise(
    name: Annotated[str, typer.Option(help="Of the new family, the last part of its URL: punctuation.")],
    data: Annotated[Path, typer.Option(help="Holds one folder of images a class, named by its character.")],
    artifacts: Artifacts = REPOSITORY / "artifacts",
    per_class: Annotated[int | None, typer.Option(min=LEAST, help="Use at most so many images of each class.")] = None,
    anew: Annotated[bool, typer.Option("--replace", help="Learn a family anew that was added before.")] = False,
) -> None:
    """Add a family from a handful of images a class: no network is trained, no code is written."""
    with _told():
        added = specialisation.specialise(name, data, artifacts, per_class, anew)
    _console.print(
        f"{name}: {len(added.manifest.families[name].classes)} classes from {added.n} images; cross-validated accuracy "
        f"{added.accuracy:.1%} (95 % interval {added.low:.1%} to {added.high:.1%}).\n{added.manifest.model_version} "
        f"written to {artifacts}; after a restart POST /predict/{name} answers."
    )


@main.command()
def report(
    data: Annotated[Path | None, typer.Option(help="NHCD, for the pictures of errors; none without it.")] = None,
    artifacts: Artifacts = REPOSITORY / "artifacts",
    results: Results = RESULTS,
    images: Annotated[Path, typer.Option(help="Folder of the plots that the documents show.")] = IMAGES,
    readme: Annotated[Path, typer.Option(help="Its results are written anew.")] = README,
    trials: Annotated[
        Path, typer.Option(help="Folder of the trials; the page beside it is written anew.")
    ] = EXPERIMENTS,
    out: Annotated[Path, typer.Option(help="The page; it holds images of the data set: do not commit it.")] = PAGE,
) -> None:
    """Make the report from the runs, and the tables, plots and model card that the repository shows."""
    plots, report = _import("plots"), _import("report")
    with _told():
        found, manifest = runs.load_all(results), read_manifest(artifacts)
    dataset = _read(data) if data else None
    for folder in (out.parent, images):
        folder.mkdir(parents=True, exist_ok=True)
    out.write_text(report.page(found, manifest, dataset), encoding="utf-8")
    (results / "README.md").write_text(report.results_page(found), encoding="utf-8")
    (artifacts / "MODEL_CARD.md").write_text(report.model_card(found, manifest), encoding="utf-8")
    readme.write_text(report.readme(readme.read_text(encoding="utf-8"), found), encoding="utf-8")
    experiments = trials.with_suffix(".md")
    text = report.experiments(experiments.read_text(encoding="utf-8"), runs.load_trials(trials))
    experiments.write_text(text, encoding="utf-8")
    for name, draw in plots.COMMITTED.items():
        (images / f"{name}.svg").write_text(plots.svg(draw(found)), encoding="utf-8")
    _console.print(f"{len(found)} runs; the page is {out}.")


def _read(path: Path) -> Dataset:
    try:
        return read_dataset(path, partial(track, description=f"Reading {path.name}", console=_console))
    except DatasetError as error:
        _fail(str(error))


def _fail(reason: str) -> NoReturn:
    typer.echo(reason, err=True)
    raise typer.Exit(2)


def _table(scores: dict[str, dict[str, Any]]) -> Table:
    table = Table("protocol", "family", "accuracy", "right", "of")
    for protocol, families in scores.items():
        for family, s in families.items():
            table.add_row(protocol, family, f"{s['accuracy']:.2%}", f"{s['correct']:,}", f"{s['n']:,}")
    return table


if __name__ == "__main__":
    main()
