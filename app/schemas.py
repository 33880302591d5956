"""What goes over the wire."""

from __future__ import annotations

import base64
import io
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import BaseModel, Field

from app.imaging import Reading
from app.recognizer import Recognition


class CharacterAnswer(BaseModel):
    """A character and how sure the service is of it."""

    family: str = Field(description="The family asked for.", examples=["vowels"])
    class_id: int = Field(description="Class number within the family, as in the data set's labels.csv.", examples=[11])
    character: str = Field(description="What a person reads: a grapheme cluster.", examples=["अं"])
    codepoints: list[str] = Field(description="Its Unicode code points.", examples=[["U+0905", "U+0902"]])
    romanization: str = Field(description="Its sound in Latin letters.", examples=["aṁ"])
    label: str = Field(description="A short ASCII name, unique within the family.", examples=["an"])
    confidence: float = Field(
        ge=0,
        le=1,
        description="1 / (1 + exp(-3 m)) of the least one-against-one margin m; a squashing, not yet a probability.",
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
    reasons: list[str] = Field(description="Why not, where it is not.")
    alternatives: list[CharacterAnswer] = Field(description="The five best, the answer first.")
    model_version: str = Field(description="Which artifacts answered.")
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


def prediction(recognition: Recognition, model_version: str) -> dict[str, Any]:
    """A recognition as `Prediction` has it, in plain values: on the way of every answer, no model is built."""
    alternatives = [
        {"family": recognition.family, **candidate.entry.fields, "confidence": round(candidate.confidence, 6)}
        for candidate in recognition.candidates
    ]
    return {
        **alternatives[0],
        "decision": "accepted",
        "reasons": [],
        "alternatives": alternatives,
        "model_version": model_version,
    }


def explanation(reading: Reading) -> dict[str, Any]:
    """A reading as `Explanation` has it, in plain values."""
    png = io.BytesIO()
    Image.fromarray(np.rint(255 * reading.glyph).astype(np.uint8)).save(png, "PNG")
    return {
        "glyph": base64.b64encode(png.getvalue()).decode(),
        "width": reading.size[0],
        "height": reading.size[1],
        "box": reading.box,
        "turned": reading.turned,
        "ink": "light" if reading.light else "dark",
        "specks_removed": reading.specks,
        "edge_parts_removed": reading.edges,
        "strokes_widened": round(reading.widened, 2),
    }
