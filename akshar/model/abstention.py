"""Whether to accept a prediction or to abstain from it, and why: pure policy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from akshar.imaging.finding import THUMBNAIL
from akshar.imaging.reader import Reading
from akshar.imaging.stroke_shape import is_several, stroke_shape
from akshar.model.recognition import Candidate, Recognition
from akshar.model.recognizer import AUTO


class Reason(StrEnum):
    """Why a prediction is abstained from. The first three concern the glyph, the others also the image it came from."""

    LOW_CONFIDENCE = "low_confidence"
    NOT_A_CHARACTER = "not_a_character"
    LOOKS_LIKE_ANOTHER_FAMILY = "looks_like_another_family"
    SEVERAL_CHARACTERS = "several_characters"
    NOT_STROKES = "not_strokes"
    TOUCHING_EDGE = "touching_edge"
    TOO_SMALL = "too_small"
    LOW_CONTRAST = "low_contrast"


_OF_NO_CLASS: Final = {Reason.NOT_A_CHARACTER, Reason.LOOKS_LIKE_ANOTHER_FAMILY}
MIN_TYPICALITY: Final = 0.01
"""Below this typicality a glyph is no character."""
_MIN_ELONGATION: Final = 3.0
_MIN_SPACING: Final = 3.2
"""What drawings of strokes mostly have of both measures of `akshar.imaging.stroke_shape.StrokeShape`."""
_SPACING_PER_PART: Final = 0.2
"""More of the latter for each part that was removed from the image as dust or at its edge, and for each glyph that the
image may show besides: noise leaves many."""
_MAX_PARTS: Final = 5
_TYPICALITY_FOR_SHAPE: Final = 0.1
"""The typicality that a glyph needs for each unit that it lacks."""
_MAX_TYPICALITY: Final = _TYPICALITY_FOR_SHAPE * max(_MIN_ELONGATION, _MIN_SPACING + _MAX_PARTS * _SPACING_PER_PART)
_MIN_SIDE: Final = 12
"""Pixels of a character's longer side below which strokes run into each other."""
_MIN_CONTRAST: Final = 30
_PAPER: Final = 0.1
"""Paper on one side, as a share of the character's size, from which an edge on the other side is no tight crop."""
_EDGE: Final = 0.01
"""How close to the edge, as a share of the image's longer side, counts as touching it."""


@dataclass(frozen=True)
class DecisionOptions:
    """What a caller asks of a decision.

    Attributes:
        min_confidence: the confidence from which a prediction is accepted.
        coverage: the share of cases in which the prediction set shall hold the true class; None for no set.
    """

    min_confidence: float
    coverage: float | None = None


@dataclass(frozen=True)
class Decision:
    """What was decided: accepted if there is no reason against it.

    Attributes:
        reasons: to abstain, in the order of `Reason`.
        prediction_set: see `Recognition.prediction_set`; empty if the glyph is of no class that competes; None if
            no coverage was asked for.
    """

    reasons: tuple[Reason, ...]
    prediction_set: tuple[Candidate, ...] | None = None


def decide(recognition: Recognition, reading: Reading, options: DecisionOptions) -> Decision:
    """Decide on the recognition of an image's glyph."""
    reasons = (
        *glyph_reasons(recognition, options.min_confidence),
        *shape_reasons(recognition.typicality, reading),
        *image_reasons(reading),
    )
    if options.coverage is None:
        return Decision(reasons)
    return Decision(reasons, () if _OF_NO_CLASS & {*reasons} else recognition.prediction_set(options.coverage))


def glyph_reasons(recognition: Recognition, min_confidence: float) -> list[Reason]:
    """Reasons to abstain that concern the glyph, whatever image it came from."""
    reasons = {
        Reason.LOW_CONFIDENCE: recognition.best.confidence < min_confidence,
        Reason.NOT_A_CHARACTER: recognition.typicality < MIN_TYPICALITY,
        Reason.LOOKS_LIKE_ANOTHER_FAMILY: recognition.lookalike is not None and recognition.requested != AUTO,
    }
    return [reason for reason, holds in reasons.items() if holds]


def shape_reasons(typicality: float, reading: Reading) -> list[Reason]:
    """Reasons to abstain that the shape of the ink gives: several characters; noise and blots.

    The network is often too sure of the latter. Characters with few, thick or crowded strokes lack something, too, but
    they look typical. Noise rarely does.
    """
    if typicality >= _MAX_TYPICALITY:  # Enough for any shape: many characters need not be measured.
        return []
    left, top, right, bottom = reading.box
    several = typicality < MIN_TYPICALITY and is_several(reading.glyph, (right - left) / (bottom - top))
    shape = stroke_shape(reading.glyph)
    parts = reading.specks + reading.edges + len(reading.alternatives)
    min_spacing = _MIN_SPACING + _SPACING_PER_PART * min(parts, _MAX_PARTS)
    lacking = max(_MIN_ELONGATION - shape.elongation, min_spacing - shape.spacing)
    reasons = {
        Reason.SEVERAL_CHARACTERS: several,
        Reason.NOT_STROKES: typicality < _TYPICALITY_FOR_SHAPE * lacking,
    }
    return [reason for reason, holds in reasons.items() if holds]


def image_reasons(reading: Reading) -> list[Reason]:
    """Reasons to abstain that concern the image."""
    left, top, right, bottom = reading.box
    reasons = {
        Reason.TOUCHING_EDGE: _is_cut_off(reading),
        Reason.TOO_SMALL: max(right - left, bottom - top) < _MIN_SIDE,
        Reason.LOW_CONTRAST: reading.contrast < _MIN_CONTRAST,
    }
    return [reason for reason, holds in reasons.items() if holds]


def _is_cut_off(reading: Reading) -> bool:
    """Whether the character touches an edge and has paper on the opposite side, which no tight crop has.

    An image of a glyph's size is such a crop, or a crop of a cell, and its edges tell nothing.
    """
    if max(reading.size) <= THUMBNAIL:
        return False
    slack = _EDGE * max(reading.size)
    for start, end, length in zip(reading.box[:2], reading.box[2:], reading.size, strict=True):
        before, after, paper = start, length - end, _PAPER * (end - start)
        if (before <= slack and after > paper) or (after <= slack and before > paper):
            return True
    return False
