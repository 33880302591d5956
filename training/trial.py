"""Tries a change to a recipe: one training, scored on what may be chosen by, never on a test part.

Of the published split, seed 1, the test part is left alone. Of the rest, the images of a fifth of the writers are held
out altogether, and the validation images of the others. What is scored: known writers, new writers, other people's
images (DHCD's tenth that is never learnt), and validation images made worse.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from app.catalogue import CATALOGUE
from training import extractor, protocols
from training.data import Dataset
from training.degradations import DEGRADATIONS, MEDIUM, degrade
from training.export import keras_features
from training.recipe import Recipe
from training.robustness import read_file
from training.sources import More, for_heads, sample, to_learn

SEED: Final = 1
_DEGRADED_PER_CLASS: Final = 3
_OTHERS_PER_CLASS: Final = 60


def try_out(
    nhcd: Dataset,
    held_of_dhcd: Dataset,
    more: More,
    recipe: Recipe,
    work: Path,
    say: Callable[[str], None] = print,
    verbose: int = 1,
) -> dict[str, Any]:
    """Train by a recipe and score it.

    Args:
        nhcd: all of it; the test part is not used.
        held_of_dhcd: DHCD's images that no training learns.
        more: other writers at hand.
        recipe: of extractor and heads; the heads' C and gamma are the middle of its grid.
        work: folder for checkpoints.
        say: takes a line of progress.
        verbose: Keras's.

    Returns:
        What a row of ``docs/experiments.md`` says: minutes, parameters, and shares of right answers by set and family.
    """
    started = time.monotonic()
    split = protocols.published(nhcd, SEED)
    folds = GroupKFold(protocols.WRITER_FOLDS)
    rest = np.concatenate([split.train, split.validation])
    _, new = next(iter(folds.split(rest, groups=nhcd.writer[rest])))
    new_writers = rest[new]
    train, known = (nhcd[np.setdiff1d(part, new_writers)] for part in (split.train, split.validation))
    classifier = extractor.train(
        to_learn(train, more, recipe), (known.glyphs, known.joint), recipe, SEED, work, verbose
    )
    minutes = (time.monotonic() - started) / 60
    say("Scoring.")
    frozen = extractor.freeze(classifier)
    learnt = for_heads(train, more, recipe, SEED)
    features = keras_features(frozen, learnt.glyphs)
    c, gamma = (values[len(values) // 2] for values in (recipe.search.c, recipe.search.gamma))
    gamma /= features.shape[1] * float(features.var())
    heads = {}
    for family in CATALOGUE:
        of = learnt.family == family
        heads[family] = SVC(C=c, gamma=gamma, cache_size=1000).fit(features[of], learnt.class_id[of])
    sets = {
        "known writers": known,
        "new writers": nhcd[new_writers],
        "DHCD": sample(held_of_dhcd, _OTHERS_PER_CLASS, SEED),
        "made worse": _made_worse(sample(known, _DEGRADED_PER_CLASS, SEED)),
    }
    scores = {}
    for name, images in sets.items():
        found = keras_features(frozen, images.glyphs)
        scores[name] = {
            family: _score(heads[family], found[images.family == family], images.class_id[images.family == family])
            for family in images.families
        }
    return {
        "recipe": asdict(recipe),
        "minutes": round(minutes, 1),
        "parameters": classifier.count_params(),
        "support_vectors": {family: int(head.n_support_.sum()) for family, head in heads.items()},
        "backend": keras.backend.backend(),
        "scores": scores,
    }


def _score(head: SVC, features: np.ndarray, truth: np.ndarray) -> list[int]:
    return [int((head.predict(features) == truth).sum()), len(truth)]


def _made_worse(images: Dataset) -> Dataset:
    """Each image by every kind at medium strength; what the service refuses stays blank, and is read wrong."""
    glyphs = np.zeros((len(DEGRADATIONS), *images.glyphs.shape), np.float32)
    for place, kind in enumerate(DEGRADATIONS):
        for row, (glyph, name) in enumerate(zip(images.glyphs, images.name, strict=True)):
            read = read_file(degrade(glyph, kind, MEDIUM, str(name)))
            glyphs[place, row] = 0 if read is None else read
    rows = np.tile(np.arange(len(images)), len(DEGRADATIONS))
    return Dataset(**{**vars(images[rows]), "glyphs": glyphs.reshape(-1, *glyphs.shape[2:])})


def save(name: str, change: str, result: dict[str, Any], folder: Path) -> None:
    """Keep the result of a trial."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"name": name, "change": change, **result}, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
