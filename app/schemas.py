"""What goes over the wire."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from app.recognizer import Candidate, Recognition


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

    @classmethod
    def of(cls, family: str, candidate: Candidate) -> CharacterAnswer:
        """A candidate on the wire."""
        return cls(family=family, confidence=round(candidate.confidence, 6), **candidate.entry.model_dump())


class Prediction(CharacterAnswer):
    """The answer to one image."""

    decision: Literal["accepted", "abstained"] = Field(description="Whether the answer is to be relied on.")
    reasons: list[str] = Field(description="Why not, where it is not.")
    alternatives: list[CharacterAnswer] = Field(description="The five best, the answer first.")
    model_version: str = Field(description="Which artifacts answered.")

    @classmethod
    def answering(cls, recognition: Recognition, model_version: str) -> Prediction:
        """A recognition on the wire."""
        alternatives = [CharacterAnswer.of(recognition.family, candidate) for candidate in recognition.candidates]
        return cls(
            **alternatives[0].model_dump(),
            decision="accepted",
            reasons=[],
            alternatives=alternatives,
            model_version=model_version,
        )


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
