"""What goes over the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

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


class Prediction(CharacterAnswer):
    """The answer to one image."""

    decision: Literal["accepted", "abstained"] = Field(description="Whether the answer is to be relied on.")
    reasons: list[str] = Field(description="Why not, where it is not.")
    alternatives: list[CharacterAnswer] = Field(description="The five best, the answer first.")
    model_version: str = Field(description="Which artifacts answered.")


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
