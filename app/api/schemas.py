"""What goes over the wire besides errors, and how results become responses.

A prediction's own schema is the library's (`akshar.prediction`): the reader and the command give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from akshar.model.manifest import ClassEntry, Score
from akshar.prediction import Prediction, prediction_fields
from app.api.problems import ItemProblem, problem_item
from app.serving.service import Read, Timings


class BatchItem(BaseModel):
    """What became of one file: a prediction or an error."""

    index: int = Field(description="Index of the file among those sent, from 0.")
    filename: str | None
    answer: Prediction | None
    error: ItemProblem | None


class BatchPrediction(BaseModel):
    """The predictions for many images, in the order of their files."""

    family: str
    results: list[BatchItem]
    model_version: str


class Family(BaseModel):
    """One family that is loaded."""

    classes: list[ClassEntry]
    scores: dict[str, Score] = Field(
        description="By test: `published`, `dhcd`, or, for a family that was added, `specialised`."
    )
    likeness_weight: float = Field(description="Weight of the cosines with the class means in a confidence.")
    coupling_weight: float = Field(description="Weight of the SVC's pairwise log-probabilities in a confidence.")
    another_family_margin: float = Field(
        description="By how much the cosine with a class of another family must be greater for the reason "
        "`looks_like_another_family`."
    )
    calibrated_on: int = Field(description="Number of held-out images that it was calibrated on.")
    most_coverage: float = Field(description="Beyond this `coverage`, `prediction_set` holds all classes.")


class Families(BaseModel):
    """What is loaded."""

    model_version: str
    min_confidence: float = Field(description="The confidence from which predictions are accepted by default.")
    families: dict[str, Family]


class Live(BaseModel):
    """The process is of use."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Models are verified, loaded and warm."""

    status: Literal["ready"] = "ready"
    model_version: str
    runtime: str
    device: str
    families: list[str]


def prediction_response(result: Read | Exception, timings: Timings, model_version: str, explain: bool) -> Response:
    """The response for one image.

    Raises:
        ImageError: the image could not be read.
        RecognitionError: the recognizer failed on it.
    """
    if isinstance(result, Exception):
        raise result
    return _response(prediction_fields(*result, model_version, explain), timings)


def batch_response(
    family: str,
    names: Sequence[str | None],
    results: Sequence[Read | Exception],
    timings: Timings,
    model_version: str,
    explain: bool,
) -> Response:
    """The response for many images, which were sent as files of these names."""
    items = []
    for index, (name, result) in enumerate(zip(names, results, strict=True)):
        item: dict[str, Any] = {"index": index, "filename": name, "answer": None, "error": None}
        if isinstance(result, Exception):
            item["error"] = problem_item(result)
        else:
            item["answer"] = prediction_fields(*result, model_version, explain)
        items.append(item)
    return _response({"family": family, "results": items, "model_version": model_version}, timings)


def _response(body: dict[str, Any], timings: Timings) -> Response:
    stages = ", ".join(f"{stage};dur={1e3 * seconds:.2f}" for stage, seconds in timings._asdict().items())
    return Response(to_json(body), media_type="application/json", headers={"Server-Timing": stages})
