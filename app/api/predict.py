"""``POST /predict/{family}``: one image in, one answer out; ``.../batch``: many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from app import metrics
from app.api.uploads import MANY_FILES, ONE_FILE, read_file, read_files
from app.batching import Answer, ExpiredError, RecognitionError, StoppedError
from app.decoding import Decoders
from app.errors import ApiError, problem_docs, problem_item
from app.imaging import ImageError, Reading
from app.multipart import Part
from app.schemas import BatchPrediction, Prediction, explanation, prediction
from app.service import Service, ready_service

router = APIRouter(tags=["predict"])

_IMAGE_PROBLEMS: Final = ("too_many_pixels", "unsupported_image", "empty_file", "truncated_image", "blank_image")
_REQUEST_PROBLEMS: Final = (
    "invalid_request",
    "malformed_multipart",
    "unknown_family",
    "upload_timeout",
    "too_many_bytes",
    "too_many_files",
    "missing_file",
    "overloaded",
    "internal_error",
    "not_ready",
    "deadline_exceeded",
)
_YIELD_SECONDS: Final = 0.005
"""For as long many small images may be decoded in a row before other requests get their turn."""

_PARAMETERS: Final = [
    {
        "name": "family",
        "in": "path",
        "required": True,
        "description": "numerals, vowels, consonants, or one added later",
        "schema": {"type": "string"},
    },
    {
        "name": "explain",
        "in": "query",
        "description": "Whether to add the glyph that the model saw and what was done to the image.",
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "X-Timeout-Ms",
        "in": "header",
        "description": "Milliseconds to the deadline, where less than the service's own.",
        "schema": {"type": "integer", "minimum": 1},
    },
]
"""What OpenAPI is told of parameters that are read below: FastAPI's solving of them costs a tenth of a request."""


@router.post(
    "/predict/{family}",
    summary="Read one character",
    response_model=Prediction,
    responses=problem_docs(*_REQUEST_PROBLEMS, *_IMAGE_PROBLEMS),
    openapi_extra={"parameters": _PARAMETERS, **ONE_FILE},
)
async def predict(request: Request) -> Response:
    """Reads the one handwritten character of an image: dark on light or light on dark, any size within the limits."""
    service, family, seconds = _accept(request)
    explain = _asked_to_explain(request)
    settings = service.settings
    data = await read_file(request, settings.max_bytes, settings.upload_seconds)
    deadline = time.monotonic() + seconds
    with _admitted(service, 1):
        started = time.monotonic()
        reading = await _read(service.decoders, data, deadline)
        decoded = time.monotonic() - started
        (answer,) = await _answers(request, service, family, [reading], deadline)
    if isinstance(answer, RecognitionError):
        raise answer
    body = prediction(answer.recognition, service.recognizer.model_version)
    if explain:
        body["explanation"] = explanation(reading)
    return _respond(body, decoded, [answer])


@router.post(
    "/predict/{family}/batch",
    summary="Read one character in each of many images",
    response_model=BatchPrediction,
    responses=problem_docs(*_REQUEST_PROBLEMS),
    openapi_extra={"parameters": _PARAMETERS, **MANY_FILES},
)
async def predict_batch(request: Request) -> Response:
    """Reads many images of one family. The results are in the order of the files: an answer or an error for each."""
    service, family, seconds = _accept(request)
    explain = _asked_to_explain(request)
    settings = service.settings
    files = await read_files(request, settings.max_files, settings.max_form_bytes, settings.upload_seconds)
    deadline = time.monotonic() + seconds
    readings: dict[int, Reading] = {}
    outcomes: dict[int, Answer | Exception] = {}
    with _admitted(service, len(files)):
        started = last_yield = time.monotonic()
        for index, file in enumerate(files):
            try:
                if len(file.content) > settings.max_bytes:
                    raise ImageError("too_many_bytes", f"The file has more than {settings.max_bytes:,} bytes.")
                readings[index] = await _read(service.decoders, file.content, deadline)
            except ImageError as error:
                outcomes[index] = error
            if time.monotonic() - last_yield > _YIELD_SECONDS:
                await asyncio.sleep(0)
                last_yield = time.monotonic()
        decoded = time.monotonic() - started
        answers = await _answers(request, service, family, list(readings.values()), deadline)
    outcomes.update(zip(readings, answers, strict=True))
    version = service.recognizer.model_version
    results = [_result(index, file, outcomes[index], version) for index, file in enumerate(files)]
    if explain:
        for index, reading in readings.items():
            if answered := results[index]["answer"]:
                answered["explanation"] = explanation(reading)
    body = {"family": family, "results": results, "model_version": version}
    return _respond(body, decoded, [answer for answer in answers if isinstance(answer, Answer)])


def _result(index: int, file: Part, outcome: Answer | Exception, version: str) -> dict[str, Any]:
    """What became of one file of many, as `BatchItem` has it."""
    result: dict[str, Any] = {"index": index, "filename": file.filename, "answer": None, "error": None}
    if isinstance(outcome, Answer):
        return {**result, "answer": prediction(outcome.recognition, version)}
    return {**result, "error": problem_item(outcome)}


def _accept(request: Request) -> tuple[Service, str, float]:
    """The service, the family and the seconds to the deadline, if all is well before the body has been read."""
    service = ready_service(request)
    families, family = service.recognizer.families, request.path_params["family"]
    if family not in families:
        raise ApiError("unknown_family", f"There is no family '{family}'; there are {', '.join(families)}.")
    request.state.family = family
    seconds, asked = service.settings.deadline_seconds, request.headers.get("x-timeout-ms")
    if asked is not None:
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked)):
            raise ApiError("invalid_request", "X-Timeout-Ms: not a whole number of milliseconds above 0.")
        seconds = min(seconds, int(asked) / 1000)
    service.batcher.check_room(1)
    return service, family, seconds


def _asked_to_explain(request: Request) -> bool:
    if not request.scope["query_string"]:
        return False
    asked = request.query_params.get("explain", "false").lower()
    if asked not in ("true", "1", "false", "0"):
        raise ApiError("invalid_request", "explain: neither true nor false.")
    return asked in ("true", "1")


@contextmanager
def _admitted(service: Service, images: int) -> Iterator[None]:
    """Hold places for the images of a request, and count those that get no answer."""
    with service.batcher.admitted(images):
        try:
            yield
        except ExpiredError:
            metrics.EXPIRED.inc(images)
            raise
        except ClientDisconnect:
            metrics.ABANDONED.inc(images)
            raise


async def _read(decoders: Decoders, data: bytes, deadline: float) -> Reading:
    with metrics.STAGE_SECONDS["decode"].time():
        try:
            return await decoders.read(data, deadline)
        except TimeoutError:
            raise ExpiredError from None


async def _answers(
    request: Request, service: Service, family: str, readings: Sequence[Reading], deadline: float
) -> list[Answer | RecognitionError]:
    """Queue glyphs and wait for their answers, their deadline, or their client's leaving, whichever comes first.

    Raises:
        ExpiredError: the deadline passed for at least one of them.
        StoppedError: the worker ended.
        ClientDisconnect: nobody waits for the answer any more.
    """
    if not readings:
        return []
    futures = service.batcher.submit([reading.glyph for reading in readings], family, deadline)
    # The body has been read, so all that can still be received is that the client has left.
    departure = asyncio.ensure_future(request.receive())
    # However this ends, glyphs that are still queued then are not computed.
    departure.add_done_callback(lambda _: [future.cancel() for future in futures])
    try:
        _, late = await asyncio.wait(futures, timeout=deadline - time.monotonic())
        left = departure.done()
    finally:
        departure.cancel()
    if left:
        raise ClientDisconnect
    if late:
        raise ExpiredError
    answers: list[Answer | RecognitionError] = []
    for future in futures:
        outcome = future.result()
        if isinstance(outcome, ExpiredError | StoppedError):
            raise outcome
        answers.append(outcome)
    return answers


def _respond(body: dict[str, Any], decoded: float, answers: Sequence[Answer]) -> Response:
    """The answer, and where its time went: of many, the longest wait and the slowest batch."""
    queue = max((answer.queue for answer in answers), default=0.0)
    extractor = max((answer.extractor for answer in answers), default=0.0)
    head = max((answer.head for answer in answers), default=0.0)
    for answer in answers:
        metrics.STAGE_SECONDS["queue"].observe(answer.queue)
        metrics.predicted(answer.recognition)
    timing = ", ".join(
        f"{stage};dur={1e3 * seconds:.2f}"
        for stage, seconds in (("decode", decoded), ("queue", queue), ("extractor", extractor), ("head", head))
    )
    return Response(to_json(body), media_type="application/json", headers={"Server-Timing": timing})
