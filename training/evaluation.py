"""Scores of a bundle on a protocol, by the same recognizer that serves."""

from __future__ import annotations

import numpy as np

from app.bundle import Score
from app.recognizer import Recognizer
from training.data import Dataset
from training.protocols import Rows

_BATCH = 256


def score(recognizer: Recognizer, dataset: Dataset, rows: Rows) -> dict[str, Score]:
    """Accuracy per family over rows of a data set, each glyph read by the head of its own family."""
    right = np.array(
        [
            recognition.best.entry.class_id == truth
            for start in range(0, len(rows), _BATCH)
            for part in [dataset[rows[start : start + _BATCH]]]
            for recognition, truth in zip(
                recognizer.recognize(part.glyphs, part.family.tolist()), part.class_id, strict=True
            )
        ]
    )
    families = dataset.family[rows]
    return {
        family: Score(accuracy=float(hits.mean()), correct=int(hits.sum()), n=len(hits))
        for family in recognizer.families
        if len(hits := right[families == family])
    }
