"""``POST /predict/{family}``: one image in, one answer out; ``.../batch``: many."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from app import metrics
from app.api.uploads import MANY_FILES, ONE_FILE, read_file, read_files
from app.batching import Answer, ExpiredError, RecognitionError, StoppedError
from app.decision import Terms
from app.decoding import Decoders
from app.errors import ApiError, problem_docs, problem_item
from app.imaging import ImageError, Reading
from app.recognizer import AUTO
from app.schemas import BatchPrediction, Prediction
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
        "description": "numerals, vowels, consonants, one added later, or auto: the classes of all compete",
        "schema": {"type": "string"},
    },
    {
        "name": "explain",
        "in": "query",
        "description": "Whether to add the glyph that the model saw and what was done to the image.",
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "min_confidence",
        "in": "query",
        "description": "The least probability of an answer that is accepted, instead of the service's own.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
    {
        "name": "coverage",
        "in": "query",
        "description": "In what share of cases `likely` shall hold the truth.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
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
    terms = _terms(request, service)
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
    return _respond(_answered(service, terms, answer, reading), decoded, [answer])


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
    terms = _terms(request, service)
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
    results = []
    for index, file in enumerate(files):
        result: dict[str, Any] = {"index": index, "filename": file.filename, "answer": None, "error": None}
        outcome = outcomes[index]
        if isinstance(outcome, Answer):
            result["answer"] = _answered(service, terms, outcome, readings[index])
        else:
            result["error"] = problem_item(outcome)
        results.append(result)
    body = {"family": family, "results": results, "model_version": service.recognizer.model_version}
    return _respond(body, decoded, [answer for answer in answers if isinstance(answer, Answer)])


def _answered(service: Service, terms: Terms, answer: Answer, reading: Reading) -> dict[str, Any]:
    """What one image's answer says, counted as given."""
    body = terms.answer(answer.recognition, reading)
    metrics.predicted(body)
    service.drift.add(answer.recognition)
    return body


def _accept(request: Request) -> tuple[Service, str, float]:
    """The service, the family and the seconds to the deadline, if all is well before the body has been read."""
    service = ready_service(request)
    families, family = service.recognizer.families, request.path_params["family"]
    if family not in families and family != AUTO:
        raise ApiError("unknown_family", f"There is no family '{family}'; there are {', '.join(families)}, {AUTO}.")
    request.state.family = family
    seconds, asked = service.settings.deadline_seconds, request.headers.get("x-timeout-ms")
    if asked is not None:
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 10 and int(asked)):
            raise ApiError("invalid_request", "X-Timeout-Ms: not a whole number of milliseconds above 0.")
        seconds = min(seconds, int(asked) / 1000)
    service.batcher.check_room(1)
    return service, family, seconds


def _terms(request: Request, service: Service) -> Terms:
    query = request.query_params if request.scope["query_string"] else {}
    explain = query.get("explain", "false").lower()
    if explain not in ("true", "1", "false", "0"):
        raise ApiError("invalid_request", "explain: neither true nor false.")
    least, coverage = _share(query, "min_confidence"), _share(query, "coverage")
    if coverage in (0, 1):
        raise ApiError("invalid_request", "coverage: not between 0 and 1.")
    return Terms(service.recognizer, least, coverage, explain in ("true", "1"))


def _share(query: Mapping[str, str], name: str) -> float | None:
    """A number from 0 to 1, if there is one of this name."""
    if name not in query:
        return None
    try:
        number = float(query[name])
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ApiError("invalid_request", f"{name}: not a number from 0 to 1.")
    return number


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
    timing = ", ".join(
        f"{stage};dur={1e3 * seconds:.2f}"
        for stage, seconds in (("decode", decoded), ("queue", queue), ("extractor", extractor), ("head", head))
    )
    return Response(to_json(body), media_type="application/json", headers={"Server-Timing": timing})
