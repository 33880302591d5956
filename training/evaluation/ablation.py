"""Ablations: one training by a changed recipe, scored on images that may guide choices, never on a test part.

The test part of the published split, seed 1, is not used. Of the other images, those of a fifth of the writers are held
out entirely ("new writers"), and so are the validation images of the remaining writers ("known writers"). Also scored
are the validation parts of the other data sets, and corrupted validation images. A data set that is left out of the
training is scored on images of its training part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from sklearn.model_selection import GroupKFold

from akshar.model.recognizer import Recognizer
from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import ExtraSources, SourceName, sample
from training.data.splits import Others
from training.evaluation.corruption_run import read_or_none
from training.evaluation.corruptions import CORRUPTIONS, MEDIUM, corrupt
from training.evaluation.predictions import evaluate
from training.models.fit import fit
from training.recipe import Recipe

SEED: Final = 1
_CORRUPTED_PER_CLASS: Final = 3
_LEFT_OUT_PER_CLASS: Final = 150
_NAMES: Final[dict[SourceName, str]] = {"dhcd": "DHCD", "dongre-mankar": "Dongre-Mankar"}


def run_ablation(
    nhcd: Dataset,
    others: Others,
    drawn: ExtraSources,
    recipe: Recipe,
    left_out: SourceName | None,
    work: Path,
    log: Callable[[str], None] = print,
    verbose: int = 1,
) -> dict[str, Any]:
    """Train by a recipe and score it.

    Args:
        nhcd: all of it; the test part is not used.
        others: the other data sets; their test parts are not used.
        drawn: images of fonts that are available for training.
        recipe: of network and heads; the heads use the middle C and gamma of its grid.
        left_out: the data set that is not trained on.
        work: folder for checkpoints.
        log: called with each line of progress.
        verbose: Keras's.

    Returns:
        The columns of a row of ``docs/experiments.md``: minutes, parameters, and correct predictions and images by set
        and family.
    """
    started = time.monotonic()
    split = splits.published(nhcd, SEED)
    rest = np.concatenate([split.train, split.validation])
    _, new = next(iter(GroupKFold(splits.WRITER_FOLDS).split(rest, groups=nhcd.writer[rest])))
    new_writers = nhcd[rest[new]]
    train, validation = (nhcd[np.setdiff1d(part, rest[new])] for part in (split.train, split.validation))
    trained_on = {name: parts for name, parts in others.items() if name in recipe.extra_sources and name != left_out}
    task = splits.make_task(train, validation, new_writers, trained_on)
    task = replace(task, extra_sources={**task.extra_sources, **drawn})
    fitted = fit(task, replace(recipe, search=recipe.search.middle), SEED, work, log, verbose)
    minutes = (time.monotonic() - started) / 60
    log("Scoring.")
    # Heads that were fitted on the validation part cannot be scored on it.
    recognizer, held_out = fitted.recognizer(), fitted.recognizer(held_out=True)
    sets = {
        "known writers": (held_out, validation),
        "new writers": (recognizer, new_writers),
        **{_NAMES[name]: (held_out, parts.validation) for name, parts in trained_on.items()},
        **{name: (recognizer, images) for name, images in _left_out_images(others, trained_on).items()},
        "corrupted": (held_out, _corrupted(sample(validation, _CORRUPTED_PER_CLASS, SEED))),
    }
    return {
        "recipe": asdict(recipe),
        "minutes": round(minutes, 1),
        "parameters": fitted.classifier.count_params(),
        "support_vectors": {family: head["support_vectors"] for family, head in fitted.describe_heads().items()},
        "backend": keras.backend.backend(),
        "scores": {name: _counts(reader, images) for name, (reader, images) in sets.items()},
    }


def _counts(recognizer: Recognizer, images: Dataset) -> dict[str, list[int]]:
    """By family, the number of correct predictions and of images."""
    predictions = evaluate(recognizer, images)
    return {family: [int(of_family.correct.sum()), len(of_family.truth)] for family, of_family in predictions.items()}


def _left_out_images(others: Others, trained_on: Others) -> dict[str, Dataset]:
    """Images of the data sets that were not trained on, by the name of their column."""
    return {
        f"{_NAMES[name]} left out": sample(parts.train, _LEFT_OUT_PER_CLASS, SEED)
        for name, parts in others.items()
        if name not in trained_on
    }


def _corrupted(images: Dataset) -> Dataset:
    """Each image with every corruption at medium strength; one that the reader rejects becomes a blank glyph."""
    glyphs = np.zeros((len(CORRUPTIONS), *images.glyphs.shape), np.float32)
    for index, kind in enumerate(CORRUPTIONS):
        for row, (glyph, name) in enumerate(zip(images.glyphs, images.name, strict=True)):
            corrupted = read_or_none(corrupt(glyph, kind, MEDIUM, str(name)))
            glyphs[index, row] = 0 if corrupted is None else corrupted
    rows = np.tile(np.arange(len(images)), len(CORRUPTIONS))
    return replace(images[rows], glyphs=glyphs.reshape(-1, *glyphs.shape[2:]))


def save(name: str, change: str, result: dict[str, Any], folder: Path) -> None:
    """Write the result of an ablation to ``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": name, "change": change, **result}, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
