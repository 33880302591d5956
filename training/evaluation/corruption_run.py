"""Measures how many predictions for held-out glyphs survive every kind of `training.evaluation.corruptions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from akshar.imaging.errors import ImageError
from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import Reading, open_image, read
from akshar.model.choice import recognize
from akshar.model.manifest import Manifest
from akshar.model.recognizer import Recognizer
from training.data.dataset import Dataset
from training.evaluation.corruptions import CORRUPTIONS, STRENGTHS, corrupt
from training.evaluation.predictions import evaluate_artifacts, labels_only
from training.evaluation.runs import Run

METHOD: Final = "corrupted"
_BATCH: Final = 128
_SHOWN: Final = 4
"""Images of each kind and strength that the gallery of the report shows."""


def measure_corruptions(
    recognizer: Recognizer,
    manifest: Manifest,
    images: Dataset,
    log: Callable[[str], None] = lambda _: None,
    strengths: Sequence[int] = STRENGTHS,
) -> Run:
    """Read held-out images as they are, and with every corruption.

    Returns:
        A run of the clean predictions. Its details have a row for each kind and strength of ``corruptions``.
    """
    clean = evaluate_artifacts(recognizer, manifest, images)
    rows: list[dict[str, Any]] = []
    for kind in CORRUPTIONS:
        rows += [_row(recognizer, images, kind, strength) for strength in strengths]
        log(f"{kind}: " + ", ".join(f"{row['right'] / row['n']:.2%}" for row in rows[-len(strengths) :]))
    details = {**clean.details, "corruptions": rows}
    return replace(clean, method=METHOD, predictions=labels_only(clean.predictions), details=details)


def read_or_none(file: bytes) -> Glyph | None:
    """The glyph that the service makes of a file; None if it rejects the file."""
    reading = reading_or_none(file)
    return reading.glyph if reading else None


def reading_or_none(file: bytes) -> Reading | None:
    """How the service reads a file; None if it rejects the file."""
    try:
        return read(open_image(file))
    except ImageError:
        return None


def _row(recognizer: Recognizer, images: Dataset, kind: str, strength: int) -> dict[str, Any]:
    files = (corrupt(g, kind, strength, str(name)) for g, name in zip(images.glyphs, images.name, strict=True))
    readings = [reading_or_none(file) for file in files]
    predicted = _predict(recognizer, readings, images)
    shown = [round(row) for row in np.linspace(0, len(images) - 1, _SHOWN)]
    return {
        "kind": kind,
        "what": CORRUPTIONS[kind].description,
        "strength": strength,
        "right": int((predicted == images.class_id).sum()),
        "n": len(images),
        "refused": sum(reading is None for reading in readings),
        "shown": [[str(images.name[row]), int(predicted[row])] for row in shown],
    }


def _predict(recognizer: Recognizer, readings: Sequence[Reading | None], images: Dataset) -> npt.NDArray[np.int64]:
    """Class numbers, shape (n,); -1 where there is no glyph."""
    predicted = np.full(len(readings), -1, np.int64)
    readable = [(row, reading) for row, reading in enumerate(readings) if reading is not None]
    for start in range(0, len(readable), _BATCH):
        batch = readable[start : start + _BATCH]
        rows = [row for row, _ in batch]
        chosen = recognize(recognizer, [reading for _, reading in batch], images.family[rows].tolist())
        predicted[rows] = [recognition.best.entry.class_id for recognition, _ in chosen]
    return predicted
