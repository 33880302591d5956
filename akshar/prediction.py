"""The one schema of a prediction: what the reader returns, the command prints and the service answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from akshar.imaging.glyph import to_png
from akshar.imaging.reader import Reading
from akshar.model.abstention import Decision, Reason
from akshar.model.recognition import Candidate, Recognition


class Character(BaseModel):
    """A character, and how probable it is."""

    family: str = Field(description="The requested family; with `auto`, the one that was found.", examples=["vowels"])
    class_id: int = Field(description="Class number within the family, as in the data set's labels.csv.", examples=[11])
    character: str = Field(description="What a person reads: a grapheme cluster.", examples=["अं"])
    codepoints: list[str] = Field(description="Its Unicode code points.", examples=[["U+0905", "U+0902"]])
    romanization: str = Field(description="Its sound in Latin letters.", examples=["aṁ"])
    label: str = Field(description="A short ASCII name, unique within the family.", examples=["an"])
    confidence: float = Field(
        ge=0, le=1, description="The probability that it is right, calibrated on images held out from training."
    )


class Explanation(BaseModel):
    """What the model saw, and what was done to the image."""

    glyph: str = Field(description="The 32x32 glyph that the model saw, white ink on black, as a PNG in base64.")
    width: int = Field(description="Width of the upright image, in pixels.")
    height: int = Field(description="Height of the upright image, in pixels.")
    box: tuple[int, int, int, int] = Field(description="Left, top, right and bottom of the character in it.")
    turned: bool = Field(description="Whether the image was turned upright, as its metadata asked.")
    ink: Literal["dark", "light"] = Field(description="Whether the ink is darker or lighter than the paper.")
    specks_removed: int = Field(description="Parts removed because they are smaller than a dot of the pen.")
    edge_parts_removed: int = Field(description="Parts removed at the image's edge: form lines, neighbours, shadows.")
    edge_parts_kept: int = Field(
        description="Parts that could be a form's or a neighbour's, and were kept as more like a character."
    )
    glyphs_compared: int = Field(
        description="How many glyphs the model chose from: more than 1 if a line or part could be the character's or a "
        "form's, or the ink the paper."
    )
    strokes_widened: float = Field(description="Glyph pixels by which thin strokes were widened.")


class Prediction(Character):
    """The prediction for one image."""

    decision: Literal["accepted", "abstained"] = Field(description="Whether the prediction can be relied on.")
    reasons: list[Reason] = Field(description="Why not; empty if it is accepted.")
    typicality: float = Field(
        ge=0,
        le=1,
        description="The share of held-out characters that are no more typical than this glyph; below 0.01 it is "
        "`not_a_character`.",
    )
    alternatives: list[Character] = Field(description="The five most probable characters, best first.")
    model_version: str = Field(description="Which artifacts made the prediction.")
    looks_like: Character | None = Field(
        None,
        description="A character of another family, if there is one: the one behind `looks_like_another_family`, or, "
        "with `auto`, one of nearly the same shape.",
    )
    prediction_set: list[Character] | None = Field(
        None,
        description="Present if `coverage` was given: the characters that it may be, best first; none if it is no "
        "character of the family.",
    )
    explanation: Explanation | None = Field(None, description="Present if `explain` was given.")


def prediction_fields(
    recognition: Recognition, reading: Reading, decision: Decision, model_version: str, explain: bool = False
) -> dict[str, Any]:
    """The fields of a `Prediction` as plain values: validating a model for every answer would cost too much."""
    alternatives = [_character(candidate) for candidate in recognition.candidates]
    fields = {
        **alternatives[0],
        "decision": "abstained" if decision.reasons else "accepted",
        "reasons": list(decision.reasons),
        "typicality": round(recognition.typicality, 4),
        "alternatives": alternatives,
        "model_version": model_version,
    }
    if recognition.lookalike:
        fields["looks_like"] = _character(recognition.lookalike)
    if decision.prediction_set is not None:
        fields["prediction_set"] = [_character(candidate) for candidate in decision.prediction_set]
    if explain:
        fields["explanation"] = _explanation(reading)
    return fields


def _character(candidate: Candidate) -> dict[str, Any]:
    return {"family": candidate.family, **candidate.entry.fields, "confidence": round(candidate.confidence, 6)}


def _explanation(reading: Reading) -> dict[str, Any]:
    return {
        "glyph": to_png(reading.glyph),
        "width": reading.size[0],
        "height": reading.size[1],
        "box": reading.box,
        "turned": reading.turned,
        "ink": "light" if reading.light else "dark",
        "specks_removed": reading.specks,
        "edge_parts_removed": reading.edges,
        "edge_parts_kept": max(other.edges for other in (reading, *reading.alternatives)) - reading.edges,
        "glyphs_compared": len(reading.glyphs),
        "strokes_widened": round(reading.widened, 2),
    }
