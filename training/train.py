"""A whole training: data, network, heads, artifacts, scores, manifest.

``make train DATA=nhcd.zip`` runs it; half an hour on two cores. It resumes after an interruption.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final

import keras

from akshar.model.bundle import KERAS, ONNX, WHITENING, load_bundle
from akshar.model.extractor import load_extractor
from akshar.model.manifest import (
    SCHEMA_VERSION,
    DataEntry,
    Manifest,
    Score,
    SplitEntry,
    version_of,
    write_manifest,
)
from akshar.model.recognizer import Recognizer
from akshar.model.self_test import make_self_test
from training.data import drawings, splits
from training.data.dataset import Dataset
from training.data.sources import ExtraSources
from training.data.splits import Others, Split, Task
from training.evaluation.predictions import evaluate_artifacts
from training.evaluation.runs import Run
from training.models.artifacts import family_files, file_entries, write_family, write_whitening
from training.models.export import export_extractor
from training.models.fit import FittedModel, fit
from training.models.history import HISTORY
from training.models.network import FEATURES
from training.recipe import Recipe

_LIBRARIES: Final = ("akshar", "numpy", "scikit-learn", "joblib", "pillow", "keras", "onnxruntime")


def train(
    dataset: Dataset,
    name: str,
    recipe: Recipe,
    seed: int,
    out: Path,
    work: Path,
    others: Others,
    drawn: ExtraSources,
    log: Callable[[str], None] = print,
    verbose: int = 1,
) -> Manifest:
    """Train on the published split and write the artifacts.

    Args:
        dataset: all three families of NHCD.
        name: of the data, for the manifest.
        recipe: of network and heads.
        seed: of the split, the training and the search.
        out: folder of the artifacts, created or overwritten once everything is done.
        work: folder for checkpoints, which are removed at the end.
        others: data sets to train, validate and score on, too; copies of test images are left out.
        drawn: images of fonts to train on, likewise.
        log: called with each line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line per epoch.

    Returns:
        The manifest, including its scores on the test part.
    """
    split = splits.published(dataset, seed)
    test = dataset[split.test]
    task = splits.make_task(dataset[split.train], dataset[split.validation], test, others)
    task = replace(task, extra_sources=splits.without_copies({**task.extra_sources, **drawn}, test))
    checkpoints, staging = work / f"extractor-{dataset.digest[:12]}", work / "artifacts"
    fitted = fit(task, recipe, seed, checkpoints, log, verbose)

    shutil.rmtree(staging, ignore_errors=True)  # Left by an interrupted run.
    staging.mkdir(parents=True)
    export_extractor(fitted.extractor, staging, task.validation.glyphs)
    write_whitening(staging, fitted.model.whitening)
    manifest = _manifest(dataset, name, task, recipe, seed, split, staging, fitted)
    write_manifest(manifest, staging)
    bundle = load_bundle(staging)
    recognizer = Recognizer(bundle.model, load_extractor(bundle, "onnxruntime"))
    scores = {"published": manifest_scores(evaluate_artifacts(recognizer, manifest, test))}
    for source, parts in others.items():
        scores[source] = manifest_scores(evaluate_artifacts(recognizer, manifest, parts.test, source))
    self_test = make_self_test(recognizer, drawings.self_test_glyphs())
    manifest = manifest.model_copy(update={"scores": scores, "self_test": self_test})
    write_manifest(manifest, staging)
    shutil.copy(checkpoints / HISTORY, staging)
    shutil.copytree(staging, out, dirs_exist_ok=True)
    for folder in (checkpoints, staging):
        shutil.rmtree(folder)
    return manifest


def manifest_scores(run: Run) -> dict[str, Score]:
    """Accuracy and counts by family, as the manifest keeps them."""
    scores = run.scores
    return {family: Score(**{key: scores[family][key] for key in Score.model_fields}) for family in run.predictions}


def _manifest(
    dataset: Dataset,
    name: str,
    task: Task,
    recipe: Recipe,
    seed: int,
    split: Split,
    folder: Path,
    fitted: FittedModel,
) -> Manifest:
    """Write the pickles of all families and describe the folder; scores and self-test are added later."""
    described = fitted.describe_heads()
    families = {
        family: write_family(folder, family, model, described[family])
        for family, model in fitted.model.families.items()
    }
    files = file_entries(folder, (KERAS, ONNX, WHITENING, *family_files(families.values())))
    backend = keras.backend.backend()
    return Manifest(
        schema_version=SCHEMA_VERSION,
        model_version=version_of(version("akshar"), files),
        features=FEATURES,
        files=files,
        families=families,
        versions={
            "python": platform.python_version(),
            **{library: version(library) for library in (*_LIBRARIES, backend)},
        },
        data=DataEntry(name=name, digest=dataset.digest, images=len(dataset)),
        extra_sources={
            source: DataEntry(name=source, digest=images.digest, images=len(images))
            for source, images in task.extra_sources.items()
            if source in recipe.extra_sources
        },
        split=SplitEntry(
            protocol="published",
            seed=seed,
            sizes={part: len(getattr(split, part)) for part in ("train", "validation", "test")},
            test_names=splits.names_digest(dataset, split.test),
        ),
        recipe={**asdict(recipe), "backend": backend},
        calibration=fitted.model.calibration,
        scores={},
    )
