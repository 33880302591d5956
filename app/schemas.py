"""What goes over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.bundle import ClassEntry, Score
from app.framing import pack
from app.imaging import Reading
from app.recognizer import Candidate, Recognition

Reason = Literal[
    "low_confidence",
    "not_a_character",
    "looks_like_another_family",
    "touching_edge",
    "too_small",
    "low_contrast",
]


class CharacterAnswer(BaseModel):
    """A character and how sure the service is of it."""

    family: str = Field(description="The family asked for, or the one that was found.", examples=["vowels"])
    class_id: int = Field(description="Class number within the family, as in the data set's labels.csv.", examples=[11])
    character: str = Field(description="What a person reads: a grapheme cluster.", examples=["अं"])
    codepoints: list[str] = Field(description="Its Unicode code points.", examples=[["U+0905", "U+0902"]])
    romanization: str = Field(description="Its sound in Latin letters.", examples=["aṁ"])
    label: str = Field(description="A short ASCII name, unique within the family.", examples=["an"])
    confidence: float = Field(
        ge=0,
        le=1,
        description="The probability that it is right, calibrated on images that nothing was learnt from.",
    )


class Explanation(BaseModel):
    """What the model saw, and what was done to the image for it."""

    glyph: str = Field(description="The 32x32 glyph that the model saw, white ink on black, as a PNG in base64.")
    width: int = Field(description="Of the upright image, in pixels.")
    height: int
    box: tuple[int, int, int, int] = Field(description="Left, top, right, bottom of the character in it.")
    turned: bool = Field(description="Whether the image was turned upright, as its metadata asked.")
    ink: Literal["dark", "light"] = Field(description="Ink that is darker than its paper, or lighter.")
    specks_removed: int = Field(description="Parts left out because they are smaller than the pen's own dot.")
    edge_parts_removed: int = Field(description="Parts left out because they belong to the image's edge.")
    strokes_widened: float = Field(description="Glyph pixels by which strokes were widened that would have faded.")


class Prediction(CharacterAnswer):
    """The answer to one image."""

    decision: Literal["accepted", "abstained"] = Field(description="Whether the answer is to be relied on.")
    reasons: list[Reason] = Field(description="Why not, where it is not.")
    familiarity: float = Field(
        description="By how much the glyph is nearer to a character than the farthest of those held out from training; "
        "below 0 it is `not_a_character`."
    )
    alternatives: list[CharacterAnswer] = Field(description="The five best, the answer first.")
    model_version: str = Field(description="Which artifacts answered.")
    looks_like: CharacterAnswer | None = Field(
        None,
        description="A character of another family, where there is one: that of the reason "
        "`looks_like_another_family`, or, where all compete, one whose shape is nearly the same.",
    )
    likely: list[CharacterAnswer] | None = Field(
        None, description="Present where `coverage` was given: the characters that it may be, the answer first."
    )
    explanation: Explanation | None = Field(None, description="Present where `explain=true` asked for it.")


class ItemProblem(BaseModel):
    """Why one file of many has no answer."""

    code: str
    title: str
    status: int = Field(description="The status that the file alone would have got.")
    detail: str


class BatchItem(BaseModel):
    """What became of one file: an answer or an error."""

    index: int = Field(description="Its place among the files sent, from 0.")
    filename: str | None
    answer: Prediction | None
    error: ItemProblem | None


class BatchPrediction(BaseModel):
    """The answers to many images, in the order of their files."""

    family: str
    results: list[BatchItem]
    model_version: str


class Family(BaseModel):
    """One family that is loaded."""

    classes: list[ClassEntry]
    scores: dict[str, Score] = Field(description="By what it was tested on: `published`, `dhcd`, `specialised`.")
    likeness_weight: float = Field(description="Of the cosines with the class means, in a confidence.")
    coupling_weight: float = Field(description="Of the coupled margins of the SVC, in a confidence.")
    another_family_margin: float = Field(
        description="By how much, as a cosine, another family must be more alike for `looks_like_another_family`."
    )
    calibrated_on: int = Field(description="Images that nothing was learnt from.")
    most_coverage: float = Field(description="Beyond this `coverage`, `likely` holds all classes.")


class Families(BaseModel):
    """What is loaded."""

    model_version: str
    min_confidence: float = Field(description="The least confidence that is accepted, unless a request says otherwise.")
    families: dict[str, Family]


class Live(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Models are verified, loaded and warm."""

    status: Literal["ready"] = "ready"
    model_version: str
    runtime: str
    device: str
    families: list[str]


class Problem(BaseModel):
    """An error, as RFC 9457 says, with a stable ``code`` for programs and the request's id for logs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str


def prediction(
    recognition: Recognition, why_not: Sequence[str], model_version: str, likely: Iterable[Candidate] | None = None
) -> dict[str, Any]:
    """A recognition as `Prediction` has it, in plain values: on the way of every answer, no model is built.

    Args:
        recognition: what was recognised.
        why_not: reasons not to rely on it, as `app.decision.reasons` gives them.
        model_version: of the artifacts.
        likely: the classes that it may be, where they were asked for.
    """
    alternatives = [_character(candidate) for candidate in recognition.candidates]
    answer = {
        **alternatives[0],
        "decision": "abstained" if why_not else "accepted",
        "reasons": why_not,
        "familiarity": round(recognition.familiarity, 3),
        "alternatives": alternatives,
        "model_version": model_version,
    }
    if recognition.elsewhere:
        answer["looks_like"] = _character(recognition.elsewhere)
    if likely is not None:
        answer["likely"] = [_character(candidate) for candidate in likely]
    return answer


def _character(candidate: Candidate) -> dict[str, Any]:
    return {"family": candidate.family, **candidate.entry.fields, "confidence": round(candidate.confidence, 6)}


def explanation(reading: Reading) -> dict[str, Any]:
    """A reading as `Explanation` has it, in plain values."""
    return {
        "glyph": pack(reading.glyph),
        "width": reading.size[0],
        "height": reading.size[1],
        "box": reading.box,
        "turned": reading.turned,
        "ink": "light" if reading.light else "dark",
        "specks_removed": reading.specks,
        "edge_parts_removed": reading.edges,
        "strokes_widened": round(reading.widened, 2),
    }
