"""Whether an answer is to be relied on, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from app.imaging import THUMBNAIL, Reading
from app.recognizer import AUTO, Recognition, Recognizer
from app.schemas import explanation, prediction

REASONS: Final = {
    "low_confidence": "The answer is less probable than what was asked for.",
    "not_a_character": "The glyph is unlike every character that was learnt.",
    "looks_like_another_family": "The glyph looks more like a character of another family; `looks_like` names it.",
    "touching_edge": "The character seems to go on beyond the image.",
    "too_small": "The character has too few pixels.",
    "low_contrast": "The ink hardly stands out from its paper.",
}
"""All reasons to abstain, as the documentation has them."""

_SMALL: Final = 12
"""Pixels of a character's longer side below which strokes run into each other."""
_FAINT: Final = 30
_CUT: Final = 0.1
"""Paper on one side, as a share of the character, from which an edge on the other side is no tight crop."""
_AT_EDGE: Final = 0.01


@dataclass(frozen=True)
class Terms:
    """On which answers are given.

    Attributes:
        recognizer: who answers.
        min_confidence: the least probability of an answer that is relied on; None for the recognizer's own.
        coverage: in what share of cases the likely classes shall hold the truth; None where they are not asked for.
        explain: whether to show the glyph that the model saw.
    """

    recognizer: Recognizer
    min_confidence: float | None = None
    coverage: float | None = None
    explain: bool = False

    def answer(self, recognition: Recognition, reading: Reading) -> dict[str, Any]:
        """A recognition of an image as `app.schemas.Prediction` has it."""
        least = self.recognizer.min_confidence if self.min_confidence is None else self.min_confidence
        likely = None
        if self.coverage is not None:
            likely = recognition.at_least(self.recognizer.least_probability(recognition.asked, self.coverage))
        why_not = reasons(recognition, reading, least)
        body = prediction(recognition, why_not, self.recognizer.model_version, likely)
        if self.explain:
            body["explanation"] = explanation(reading)
        return body


def reasons(recognition: Recognition, reading: Reading, min_confidence: float) -> list[str]:
    """Why not to rely on an answer; none where it is to be relied on.

    Args:
        recognition: what was recognised.
        reading: of what image.
        min_confidence: the least probability of an answer that is relied on.
    """
    left, top, right, bottom = reading.box
    found = {
        "low_confidence": recognition.best.confidence < min_confidence,
        "not_a_character": recognition.familiarity < 0,
        "looks_like_another_family": recognition.elsewhere is not None and recognition.asked != AUTO,
        "touching_edge": _cut_off(reading),
        "too_small": max(right - left, bottom - top) < _SMALL,
        "low_contrast": reading.contrast < _FAINT,
    }
    return [reason for reason in REASONS if found[reason]]


def _cut_off(reading: Reading) -> bool:
    """Whether the character meets an edge and has paper on the opposite side: no crop to its outline does.

    A glyph of a data set's size is such a crop, or a crop of a cell, and nothing can be told from its edges.
    """
    if max(reading.size) <= THUMBNAIL:
        return False
    slack = _AT_EDGE * max(reading.size)
    for near, far, length in zip(reading.box[:2], reading.box[2:], reading.size, strict=True):
        before, after, paper = near, length - far, _CUT * (far - near)
        if (before <= slack and after > paper) or (after <= slack and before > paper):
            return True
    return False
