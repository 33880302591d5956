"""``python -m training``: train the models, evaluate them, and make the report."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from akshar.model.classes import CATALOGUE
from akshar.model.loading import load_recognizer
from training import REPOSITORY
from training.console import (
    console,
    fail,
    import_optional,
    log,
    print_scores,
    print_table,
    read,
    reporting_errors,
    verbosity,
)
from training.data import splits
from training.data.label_errors import LABEL_ERRORS, add_label_errors
from training.data.sources import SPLITS, read_data_sets, read_drawn, sample
from training.data.splits import PROTOCOLS, ProtocolName
from training.evaluation import protocol as protocols
from training.evaluation import runs
from training.evaluation.metrics import wilson_interval
from training.models import add_family as families
from training.models.convert import convert as convert_artifacts
from training.recipe import RECIPES, RecipeName, changed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

main = typer.Typer(help="Offline training of Akshar's models.", no_args_is_help=True)

ARTIFACTS: Final = REPOSITORY / "artifacts"
RESULTS: Final = REPOSITORY / "docs" / "results"
EXPERIMENTS: Final = REPOSITORY / "docs" / "experiments"
IMAGES: Final = REPOSITORY / "docs" / "images"
README: Final = REPOSITORY / "README.md"
PAGE: Final = REPOSITORY / "build" / "report.html"
LABEL_ERRORS_PAGE: Final = PAGE.with_name("label-errors.html")
FONTS: Final = REPOSITORY / "fonts" / "node_modules"
WORK: Final = Path(".training")
DataSetName = Literal["nhcd", "dhcd", "dongre-mankar"]
BaselineName = Literal["pca-svc", "cnn-per-family", "bottleneck", "published-network", "without-vowels", "tesseract"]
BASELINES: Final[dict[BaselineName, str]] = {
    "pca-svc": "evaluation.baselines",
    "cnn-per-family": "evaluation.baselines",
    "bottleneck": "evaluation.baselines",
    "published-network": "evaluation.baselines",
    "without-vowels": "evaluation.few_shot",
    "tesseract": "evaluation.tesseract",
}
"""By name, the modules that hold a function of that name; most need Keras."""

Data = Annotated[Path, typer.Option(help="NHCD, as a zip file or an extracted folder.")]
OthersOption = Annotated[
    Path | None, typer.Option("--others", help="Folder of dhcd-train.zip and dongre-mankar.zip; by default the data's.")
]
LeftOut = Annotated[
    Literal["dhcd", "dongre-mankar"] | None, typer.Option("--leave-out", help="A data set to score, not to train on.")
]
FontsOption = Annotated[Path, typer.Option("--fonts", help="Folder of the fonts that `make fonts` downloads.")]
Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler to run the grid searches on.")]
Results = Annotated[Path, typer.Option(help="Folder of the runs.")]
Work = Annotated[Path, typer.Option(help="Folder for checkpoints; an interrupted training resumes.")]
Artifacts = Annotated[Path, typer.Option(help="Folder of the artifacts.")]
Save = Annotated[bool, typer.Option("--save", help="Save the run in the folder of runs.")]


@main.command()
def train(
    data: Data,
    out: Artifacts = ARTIFACTS,
    work: Work = WORK,
    recipe: Annotated[RecipeName, typer.Option(help="`first` needs no other data.")] = "full",
    seed: Annotated[int, typer.Option(help="Seed of the split, the training and the search.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of the recipe's.")] = None,
    others: OthersOption = None,
    fonts: FontsOption = FONTS,
    cluster: Cluster = None,
) -> None:
    """Train the network and the heads, and write them with their manifest."""
    started = time.monotonic()
    chosen = RECIPES[recipe] if epochs is None else replace(RECIPES[recipe], epochs=epochs)
    with reporting_errors(cluster):
        dataset = read(data)
        if missing := [family for family in CATALOGUE if family not in dataset.family]:
            fail(f"{data}: has no {' and no '.join(missing)}; a training needs all families.")
        training = import_optional("train")
        sets = read_data_sets(chosen.extra_sources, others or data.parent, read)
        drawn = read_drawn(chosen.extra_sources, fonts)
        manifest = training.train(dataset, data.name, chosen, seed, out, work, sets, drawn, log, verbosity())
    print_scores(manifest.model_dump()["scores"], console)
    log(f"{manifest.model_version} written to {out} in {(time.monotonic() - started) / 60:.1f} minutes.")


@main.command()
def evaluate(
    data: Data,
    artifacts: Artifacts = ARTIFACTS,
    protocol: Annotated[
        ProtocolName | None, typer.Option(help="Train for this protocol; without it the artifacts are scored.")
    ] = None,
    recipe: Annotated[RecipeName, typer.Option(help="Recipe of the protocol's trainings.")] = "quick",
    parts: Annotated[str | None, typer.Option(help="Comma-separated seeds, folds or directions.")] = None,
    per_class: Annotated[int | None, typer.Option(min=10, help="Train on this many images of each class.")] = None,
    others: OthersOption = None,
    fonts: FontsOption = FONTS,
    results: Annotated[Path, typer.Option(help="Folder of the runs; existing ones are not run again.")] = RESULTS,
    work: Work = WORK,
    cluster: Cluster = None,
    save: Annotated[bool, typer.Option("--save", help="Save the artifacts' run, too, in the folder of runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score the artifacts on the test part that their training held out, or train and score by a protocol."""
    folder = others or data.parent
    with reporting_errors(cluster):
        if protocol is None:
            scores = protocols.score_artifacts(artifacts, data, folder, results if save else None, read, log)
        else:
            paths = protocols.Paths(data, folder, fonts, results, work)
            chosen = parts.split(",") if parts else None
            run = protocols.run_protocol(protocol, recipe, chosen, per_class, paths, read, log, verbosity())
            scores = {protocol: run}
    if as_json:
        print(json.dumps(scores))
    else:
        print_scores(scores)


@main.command()
def ablation(
    name: Annotated[str, typer.Argument(help="Name of the row in docs/experiments.md.")],
    data: Data,
    change: Annotated[str, typer.Option(help="What is changed, in words.")] = "",
    recipe: Annotated[RecipeName, typer.Option(help="The recipe to change.")] = "quick",
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=JSON, as in augmentation.grow=1.5.")] = None,
    left_out: LeftOut = None,
    others: OthersOption = None,
    fonts: FontsOption = FONTS,
    results: Annotated[Path, typer.Option(help="Folder of the ablations.")] = EXPERIMENTS,
    work: Work = WORK,
) -> None:
    """Train by a changed recipe; score it on validation images, new writers, other data sets, corrupted images."""
    try:
        changes = {key: json.loads(value) for key, value in (setting.split("=", 1) for setting in settings or [])}
        chosen = changed(RECIPES[recipe], changes)
    except ValueError as error:
        fail(f"--set: {error}")
    with reporting_errors():
        ablations = import_optional("evaluation.ablation")
        sets, drawn = read_data_sets(SPLITS, others or data.parent, read), read_drawn(chosen.extra_sources, fonts)
        folder = work / f"ablation-{name}"
        result = ablations.run_ablation(read(data), sets, drawn, chosen, left_out, folder, log, verbosity())
    ablations.save(name, change, result, results)
    print(json.dumps({"name": name, **result["scores"]}, ensure_ascii=False))


@main.command()
def label_errors(
    name: Annotated[DataSetName, typer.Argument(help="The data set whose labels are checked.")],
    data: Data,
    others: OthersOption = None,
    fonts: FontsOption = FONTS,
    work: Work = WORK,
) -> None:
    """Add training images whose labels are probably wrong to the list to review, and show them on a page."""
    with reporting_errors():
        finding, pages = import_optional("evaluation.label_errors"), import_optional("report.page")
        images, errors = finding.suspect(name, data, others or data.parent, fonts, work, read, log, verbosity())
        add_label_errors(errors)
        LABEL_ERRORS_PAGE.parent.mkdir(exist_ok=True)
        LABEL_ERRORS_PAGE.write_text(pages.label_errors(images, errors), encoding="utf-8")
    log(f"{len(errors)} images of {name} are suspected: see {LABEL_ERRORS_PAGE}, and review {LABEL_ERRORS}.")


@main.command()
def baseline(
    name: Annotated[BaselineName, typer.Argument()],
    data: Data,
    epochs: Annotated[int | None, typer.Option(help="Epochs of the published network, instead of 60.")] = None,
    results: Results = RESULTS,
    work: Work = WORK,
) -> None:
    """Run a baseline on the published test images: a method of the articles, or another reader."""
    options = {} if epochs is None else {"epochs": epochs}
    with reporting_errors():
        function = getattr(import_optional(BASELINES[name]), name.replace("-", "_"))
        task = PROTOCOLS["published"].task(read(data), {}, "1")
        for run in function(task, work / name, log, verbosity(), **options):
            runs.save(run, results)
            print_scores({run.method: run.scores}, console)


@main.command()
def corrupt(
    data: Data,
    artifacts: Artifacts = ARTIFACTS,
    part: Annotated[Literal["test", "validation"], typer.Option(help="Choose on validation, report test.")] = "test",
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 10,
    results: Results = RESULTS,
    save: Save = False,
) -> None:
    """Score the artifacts on corrupted held-out images: photographed, shadowed, dusty, thin, blurred..."""
    with reporting_errors():
        measuring, tables = (
            import_optional(module) for module in ("evaluation.corruption_run", "report.reliability_tables")
        )
        recognizer, manifest = load_recognizer(artifacts)
        dataset = read(data)
        split = splits.published(dataset, manifest.split.seed)
        images = sample(dataset[getattr(split, part)], per_class, seed=1)
        run = measuring.measure_corruptions(recognizer, manifest, images, log)
        table = tables.corrupted_images(run)
    print_table(table.header, table.rows)
    if save:
        runs.save(run, results)


@main.command()
def ood(
    data: Data,
    artifacts: Artifacts = ARTIFACTS,
    fonts: FontsOption = FONTS,
    results: Results = RESULTS,
    save: Save = False,
) -> None:
    """Score how well the artifacts detect inputs that are no character: other scripts, conjuncts, scribbles..."""
    with reporting_errors():
        measuring, tables = import_optional("evaluation.ood"), import_optional("report.reliability_tables")
        recognizer, manifest = load_recognizer(artifacts)
        dataset = read(data)
        characters = dataset[splits.published(dataset, manifest.split.seed).test]
        inputs = measuring.draw_ood_inputs(measuring.PER_KIND, fonts, seed=1001)
        run = measuring.measure_ood_detection(recognizer, manifest, characters, inputs, log)
        table = tables.ood_inputs(run)
    print_table(table.header, table.rows)
    if save:
        runs.save(run, results)


@main.command()
def add_family(
    name: Annotated[str, typer.Option(help="Name of the family and last part of its URL, such as punctuation.")],
    data: Annotated[Path, typer.Option(help="Holds one folder of images per class, named by its character.")],
    artifacts: Artifacts = ARTIFACTS,
    per_class: Annotated[
        int | None, typer.Option(min=families.MIN_IMAGES, help="Use at most this many images of each class.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--replace", help="Fit a family again that was added before.")] = False,
) -> None:
    """Add a family from a handful of images per class, without training a network."""
    with reporting_errors():
        added = families.add_family(name, data, artifacts, per_class, overwrite)
    low, high = wilson_interval(added.correct, added.n)
    log(
        f"{name}: {len(added.manifest.families[name].classes)} classes from {added.n} images; cross-validated accuracy "
        f"{added.correct / added.n:.1%} (95 % interval {low:.1%} to {high:.1%}).\n{added.manifest.model_version} "
        f"written to {artifacts}; after a restart POST /predict/{name} works."
    )


@main.command()
def report(
    data: Annotated[Path | None, typer.Option(help="NHCD, for the pictures of errors; none without it.")] = None,
    artifacts: Artifacts = ARTIFACTS,
    results: Results = RESULTS,
    images: Annotated[Path, typer.Option(help="Folder for the plots that the documents show.")] = IMAGES,
    readme: Annotated[Path, typer.Option(help="README, whose results are replaced.")] = README,
    experiments: Annotated[Path, typer.Option(help="Folder of the ablations; the page next to it is updated.")] = (
        EXPERIMENTS
    ),
    out: Annotated[Path, typer.Option(help="The page; it shows images of the data set: do not commit it.")] = PAGE,
) -> None:
    """Make the report from the runs, and the tables, plots and model card of the repository."""
    with reporting_errors():
        write_report = import_optional("report.write").write_report
        count = write_report(results, artifacts, images, readme, experiments, out, read(data) if data else None)
    log(f"{count} runs; the page is {out}.")


@main.command()
def convert(data: Data, artifacts: Artifacts = ARTIFACTS) -> None:
    """Convert artifacts of an older schema version in place, with the data that they were trained on."""
    with reporting_errors():
        manifest = convert_artifacts(artifacts, read(data))
    log(f"{artifacts}: {manifest.model_version}, converted to schema version {manifest.schema_version}.")


if __name__ == "__main__":
    main()
