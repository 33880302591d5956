"""How many answers survive what befalls images on their way: every `training.degradations` on held-out glyphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from app.framing import Glyph
from app.imaging import ImageError, read_glyph
from app.recognizer import Recognizer
from training.data import Dataset
from training.degradations import DEGRADATIONS, STRENGTHS, degrade
from training.evaluation import score_bundle
from training.runs import Answers, Run

METHOD: Final = "degraded"
_SHOWN: Final = 4
"""Images whose answers are kept for the gallery, of each kind and strength."""


def measure(
    recognizer: Recognizer,
    images: Dataset,
    say: Callable[[str], None] = lambda _: None,
    strengths: Sequence[int] = STRENGTHS,
) -> Run:
    """Answer held-out images as they are, and degraded in every way.

    Returns:
        A run of the clean answers, whose details have a row for each kind and strength.
    """
    clean = score_bundle(recognizer, images)
    rows: list[dict[str, Any]] = []
    for kind in DEGRADATIONS:
        for strength in strengths:
            files = (degrade(g, kind, strength, str(name)) for g, name in zip(images.glyphs, images.name, strict=True))
            glyphs = [read_file(file) for file in files]
            answers = _answers(recognizer, glyphs, images)
            right = answers == images.class_id
            rows.append(
                {
                    "kind": kind,
                    "what": DEGRADATIONS[kind].what,
                    "strength": strength,
                    "right": int(right.sum()),
                    "n": len(images),
                    "refused": sum(glyph is None for glyph in glyphs),
                    "shown": [[str(images.name[row]), int(answers[row])] for row in _shown(images)],
                }
            )
        say(f"{kind}: " + ", ".join(f"{row['right'] / row['n']:.2%}" for row in rows[-len(strengths) :]))
    plain = {family: Answers(a.name, a.truth, a.answer) for family, a in clean.answers.items()}
    return replace(clean, method=METHOD, answers=plain, details={**clean.details, "degraded": rows})


def read_file(file: bytes) -> Glyph | None:
    """The glyph that the service makes of a file; None where it refuses it."""
    try:
        return read_glyph(file)
    except ImageError:
        return None


def _shown(images: Dataset) -> list[int]:
    return [round(row) for row in np.linspace(0, len(images) - 1, _SHOWN)]


def _answers(recognizer: Recognizer, glyphs: list[Glyph | None], images: Dataset) -> np.ndarray:
    """Class numbers, shape (n,), -1 where there is no glyph."""
    answers = np.full(len(glyphs), -1)
    read = [row for row, glyph in enumerate(glyphs) if glyph is not None]
    for start in range(0, len(read), 256):
        rows = read[start : start + 256]
        batch = np.stack([glyph for row in rows if (glyph := glyphs[row]) is not None])
        found = recognizer.recognize(batch, images.family[rows].tolist())
        answers[rows] = [recognition.best.entry.class_id for recognition in found]
    return answers
