"""Ablations: one training by a changed recipe, scored on images that may guide choices, never on a test part.

The test part of the published split, seed 1, is not used. Of the other images, those of a fifth of the writers are held
out entirely ("new writers"), and so are the validation images of the remaining writers ("known writers"). Two more sets
are scored: the held-out tenth of DHCD, and corrupted validation images.
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

from training.data import splits
from training.data.dataset import Dataset
from training.data.sources import ExtraSources, sample
from training.evaluation.corruption_run import read_or_none
from training.evaluation.corruptions import CORRUPTIONS, MEDIUM, corrupt
from training.evaluation.predictions import evaluate
from training.models.fit import fit
from training.recipe import Recipe

SEED: Final = 1
_CORRUPTED_PER_CLASS: Final = 3
_DHCD_PER_CLASS: Final = 60


def run_ablation(
    nhcd: Dataset,
    dhcd: Dataset,
    extra_sources: ExtraSources,
    recipe: Recipe,
    work: Path,
    log: Callable[[str], None] = print,
    verbose: int = 1,
) -> dict[str, Any]:
    """Train by a recipe and score it.

    Args:
        nhcd: all of it; the test part is not used.
        dhcd: the held-out part of DHCD.
        extra_sources: images of other writers that are available for training.
        recipe: of network and heads; the heads use the middle C and gamma of its grid.
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
    task = splits.Task(train, validation, new_writers, extra_sources)
    fitted = fit(task, replace(recipe, search=recipe.search.middle), SEED, work, log, verbose)
    minutes = (time.monotonic() - started) / 60
    log("Scoring.")
    # Heads that were fitted on the validation part cannot be scored on it.
    recognizer, held_out = fitted.recognizer(), fitted.recognizer(held_out=True)
    sets = {
        "known writers": (held_out, validation),
        "new writers": (recognizer, new_writers),
        "DHCD": (recognizer, sample(dhcd, _DHCD_PER_CLASS, SEED)),
        "corrupted": (held_out, _corrupted(sample(validation, _CORRUPTED_PER_CLASS, SEED))),
    }
    scores = {
        name: {
            family: [int(predictions.correct.sum()), len(predictions.truth)]
            for family, predictions in evaluate(reader, images).items()
        }
        for name, (reader, images) in sets.items()
    }
    return {
        "recipe": asdict(recipe),
        "minutes": round(minutes, 1),
        "parameters": fitted.classifier.count_params(),
        "support_vectors": {family: head["support_vectors"] for family, head in fitted.describe_heads().items()},
        "backend": keras.backend.backend(),
        "scores": scores,
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
