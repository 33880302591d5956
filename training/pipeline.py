"""A whole training: data, extractor, heads, scores, manifest.

``make train DATA=nhcd.zip`` runs it; half an hour on two cores. It resumes where it was interrupted.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import joblib
import keras
import numpy as np
import numpy.typing as npt

from app.bundle import (
    KERAS,
    MANIFEST,
    ONNX,
    SCHEMA_VERSION,
    WHITENING,
    ClassEntry,
    DataEntry,
    FamilyEntry,
    Manifest,
    Score,
    SplitEntry,
    file_entry,
    load_bundle,
    version_of,
)
from app.catalogue import CATALOGUE
from app.extractor import Features, load_extractor
from app.golden import entries
from app.recognizer import Recognizer
from training import drawings, evaluation, extractor, protocols
from training.calibration import Trust, calibrate
from training.data import Dataset
from training.export import export_extractor, keras_features
from training.extractor import FEATURES
from training.heads import FittedHead, describe_svc, fit_head
from training.recipe import Recipe
from training.runs import HISTORY, Run
from training.sources import More, for_heads, to_learn

_LIBRARIES = ("akshar", "numpy", "scikit-learn", "joblib", "pillow", "keras", "onnxruntime")


def train(
    dataset: Dataset,
    name: str,
    recipe: Recipe,
    seed: int,
    out: Path,
    work: Path,
    more: More,
    held_of_dhcd: Dataset | None,
    say: Callable[[str], None] = print,
    verbose: int = 1,
) -> Manifest:
    """Train on the published split and write a bundle.

    Args:
        dataset: all three families of NHCD.
        name: of the data, for the manifest.
        recipe: of the extractor.
        seed: of the split, the training and the search.
        out: folder of the artifacts, made or overwritten once all is done.
        work: folder for checkpoints, which are removed at the end.
        more: other writers that the recipe may learn from, but for copies of test images.
        held_of_dhcd: images of DHCD that are not among them, to score.
        say: takes a line of progress.
        verbose: Keras's: 1 for a bar, 2 for a line an epoch.

    Returns:
        The manifest, its scores on the test part included.
    """
    split = protocols.published(dataset, seed)
    training, validation = dataset[split.train], dataset[split.validation]
    more = protocols.without_copies(more, dataset[split.test])
    say(f"Training the extractor on {len(training):,} images, {len(validation):,} to validate.")
    checkpoints = work / f"extractor-{dataset.digest[:12]}"
    classifier = extractor.train(
        to_learn(training, more, recipe),
        (validation.glyphs, validation.joint),
        recipe,
        seed,
        checkpoints,
        verbose,
    )
    frozen = extractor.freeze(classifier)

    staging = work / "artifacts"
    shutil.rmtree(staging, ignore_errors=True)  # Of an interrupted run.
    for pickles in ("heads", "prototypes"):
        (staging / pickles).mkdir(parents=True)
    export_extractor(frozen, staging, validation.glyphs)
    in_heads = for_heads(training, more, recipe, seed)
    learnt, held = ((keras_features(frozen, part.glyphs), part) for part in (in_heads, validation))
    heads = {}
    for family in CATALOGUE:
        say(f"Searching the head of the {family}.")
        heads[family] = fit_head(_of(family, *learnt), _of(family, *held), recipe.search, seed)
        joblib.dump(heads[family].svc, staging / _head_file(family), compress=3)
    trust = calibrate(learnt, held, {family: head.svc for family, head in heads.items()})
    for family, prototypes in trust.prototypes.items():
        joblib.dump(prototypes, staging / _prototypes_file(family), compress=3)
    joblib.dump(trust.whitening.astype(np.float32), staging / WHITENING, compress=3)

    manifest = _manifest(dataset, name, more, recipe, seed, split, staging, heads, trust)
    _write(manifest, staging)
    bundle = load_bundle(staging)
    recognizer = Recognizer(bundle, load_extractor(bundle, "onnxruntime"))
    scores = {"published": plain_scores(evaluation.score_bundle(recognizer, dataset[split.test]))}
    if held_of_dhcd is not None:
        scores["dhcd"] = plain_scores(evaluation.score_bundle(recognizer, held_of_dhcd, "dhcd"))
    golden = entries(recognizer, drawings.golden())
    manifest = manifest.model_copy(update={"scores": scores, "golden": golden})
    _write(manifest, staging)
    shutil.copy(checkpoints / HISTORY, staging)
    shutil.copytree(staging, out, dirs_exist_ok=True)
    for done in (checkpoints, staging):
        shutil.rmtree(done)
    return manifest


def plain_scores(run: Run) -> dict[str, Score]:
    """Accuracy and counts by family, as the manifest keeps them."""
    scores = run.scores
    return {family: Score(**{key: scores[family][key] for key in Score.model_fields}) for family in run.answers}


def _of(family: str, features: Features, images: Dataset) -> tuple[Features, npt.NDArray[np.int64]]:
    rows = images.family == family
    return features[rows], images.class_id[rows]


def _head_file(family: str) -> str:
    return f"heads/{family}.joblib"


def _prototypes_file(family: str) -> str:
    return f"prototypes/{family}.joblib"


def _write(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _manifest(
    dataset: Dataset,
    name: str,
    more: More,
    recipe: Recipe,
    seed: int,
    split: protocols.Split,
    folder: Path,
    heads: dict[str, FittedHead],
    trust: Trust,
) -> Manifest:
    names = (KERAS, ONNX, WHITENING, *map(_head_file, heads), *map(_prototypes_file, heads))
    files = {file: file_entry(folder / file) for file in names}
    backend = keras.backend.backend()
    return Manifest(
        schema_version=SCHEMA_VERSION,
        model_version=version_of(version("akshar"), files),
        features=FEATURES,
        files=files,
        families={
            family: FamilyEntry(
                head=_head_file(family),
                prototypes=_prototypes_file(family),
                calibration=trust.calibrations[family],
                classes=[ClassEntry.of(entry) for entry in CATALOGUE[family]],
                svc={**describe_svc(head.svc), "validation_accuracy": head.validation_accuracy},
            )
            for family, head in heads.items()
        },
        versions={
            "python": platform.python_version(),
            **{library: version(library) for library in (*_LIBRARIES, backend)},
        },
        data=DataEntry(name=name, digest=dataset.digest, images=len(dataset)),
        more={
            name: DataEntry(name=name, digest=more[name].digest, images=len(more[name]))
            for name in recipe.more
            if name in more
        },
        split=SplitEntry(
            protocol="published",
            seed=seed,
            sizes={part: len(getattr(split, part)) for part in ("train", "validation", "test")},
            test_names=protocols.names_digest(dataset, split.test),
        ),
        recipe={**asdict(recipe), "backend": backend},
        trust=trust.shared,
        scores={},
    )
