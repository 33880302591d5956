"""Runs protocols: a training for each part that has no run yet, or the shipped artifacts on their test part."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from akshar.model.loading import load_recognizer
from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import FILES, SPLITS, read_data_sets, read_drawn
from training.data.splits import PROTOCOLS, ProtocolName, Task
from training.evaluation import runs
from training.evaluation.metrics import summarize
from training.evaluation.predictions import evaluate, evaluate_artifacts
from training.evaluation.runs import Predictions, Run, describe_data
from training.models.history import HISTORY, RunError, read_history
from training.recipe import RECIPES, Recipe, RecipeName, for_few_images

# Keras is imported only where a network is trained: scoring the artifacts does not need it.

Log = Callable[[str], None]
Read = Callable[[Path], Dataset]


@dataclass(frozen=True)
class Paths:
    """Where a protocol finds its data and leaves its runs: NHCD, other data sets, fonts, runs and checkpoints."""

    nhcd: Path
    others: Path
    fonts: Path
    results: Path
    work: Path


def run_protocol(
    name: ProtocolName,
    recipe: RecipeName,
    parts: Sequence[str] | None,
    per_class: int | None,
    paths: Paths,
    read: Read,
    log: Log = print,
    verbose: int = 1,
) -> dict[str, dict[str, Any]]:
    """Train and score the parts of a protocol that have no run yet, and summarize the scores of all.

    Args:
        name: of the protocol.
        recipe: of the trainings.
        parts: of the protocol; None for its usual ones.
        per_class: train on this many images of each class; None for all.
        paths: see `Paths`.
        read: reads a data set.
        log: called with each line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch.

    Raises:
        RunError: the protocol has no such part.
    """
    protocol, method = PROTOCOLS[name], recipe if per_class is None else f"{recipe}-{per_class}"
    wanted = list(protocol.parts[: protocol.usual]) if parts is None else parts
    if unknown := [part for part in wanted if part not in protocol.parts]:
        raise RunError(f"{name} has no part {', '.join(unknown)}; there are {', '.join(protocol.parts)}.")
    files = {part: paths.results / runs.file_name(name, part, method) for part in wanted}
    if missing := [part for part, file in files.items() if not file.exists()]:
        nhcd = read(paths.nhcd)
        names = RECIPES[recipe].extra_sources
        # A protocol between data sets trains on no others.
        others = read_data_sets(protocol.needs or names, paths.others, read)
        drawn = read_drawn(names, paths.fonts)
        for part in missing:
            task = protocol.task(nhcd, others, part)
            extra_sources = {**task.extra_sources, **drawn}
            task = replace(task, extra_sources=splits.without_copies(extra_sources, task.test))
            if per_class is not None:
                task = splits.with_few_images(task, per_class)
            work = paths.work / f"{name}-{part}-{method}"
            log(f"{name} {part}, {method}:")
            run = train_and_evaluate(name, part, method, task, RECIPES[recipe], per_class, work, log, verbose)
            runs.save(run, paths.results)
    return summarize([runs.load(file).scores for file in files.values()])


def train_and_evaluate(
    protocol: str,
    part: str,
    method: str,
    task: Task,
    recipe: Recipe,
    per_class: int | None,
    work: Path,
    log: Log = print,
    verbose: int = 1,
) -> Run:
    """Train by a recipe on a task and evaluate its test part.

    Args:
        protocol: its name, for the run.
        part: of the protocol; a number is also the seed.
        method: the name of the run's method.
        task: what to train, validate and test on.
        recipe: of the network and the heads; its epochs increase if there are few images.
        per_class: the number of images of each class that the task was reduced to, None for all.
        work: folder for checkpoints; an interrupted training resumes.
        log: called with each line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch.
    """
    import keras

    from training.models.fit import fit

    started = time.monotonic()
    seed = int(part) if part.isdigit() else 1
    recipe = for_few_images(recipe, len(task.train))
    fitted = fit(task, recipe, seed, work, log, verbose)
    predictions = with_logits(evaluate(fitted.recognizer(), task.test), fitted.classifier, task.test)
    return Run(
        protocol=protocol,
        part=part,
        method=method,
        seed=seed,
        recipe={**asdict(recipe), "per_class": per_class, "backend": keras.backend.backend()},
        data=describe_data(task),
        predictions=predictions,
        details={
            "parameters": fitted.classifier.count_params(),
            "heads": fitted.describe_heads(),
            "minutes": round((time.monotonic() - started) / 60, 1),
        },
        history=read_history(work / HISTORY),
    )


def with_logits(predictions: dict[str, Predictions], classifier: Any, test: Dataset) -> dict[str, Predictions]:
    """Predictions with the logits of a Keras classifier for the images kept: the network's softmax is a control."""
    from training.models.export import keras_features

    glyphs = {family: test.glyphs[test.family == family][p.kept] for family, p in predictions.items()}
    return {f: replace(p, logits=keras_features(classifier, glyphs[f])) for f, p in predictions.items()}


def score_artifacts(
    artifacts: Path, nhcd: Path, others: Path, results: Path | None, read: Read, log: Log = print
) -> dict[str, dict[str, Any]]:
    """Score artifacts on the test part that their training held out, and on those of other data sets that are there.

    Args:
        artifacts: their folder.
        nhcd: path of NHCD.
        others: folder of the other data sets.
        results: folder to keep the runs in; None keeps none.
        read: reads a data set.
        log: called with each line of progress.

    Raises:
        BundleError: the artifacts cannot be read.
    """
    recognizer, manifest = load_recognizer(artifacts)
    dataset = read(nhcd)
    test = splits.published(dataset, manifest.split.seed).test
    if splits.names_digest(dataset, test) != manifest.split.test_names:
        log("These test images are not those that the training held out: the data or the split differs.")
    scored = [evaluate_artifacts(recognizer, manifest, dataset[test])]
    for name, split in SPLITS.items():
        path = others / FILES[name]
        if name in manifest.extra_sources and path.exists():
            scored.append(evaluate_artifacts(recognizer, manifest, split(read(path)).test, name))
    if results is not None:
        history = read_history(artifacts / HISTORY)
        for run in scored:
            runs.save(replace(run, history=history), results)
    return {run.protocol: run.scores for run in scored}
