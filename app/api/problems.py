"""One error shape: RFC 9457 ``application/problem+json`` with a stable ``code``. All codes are listed here."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from akshar.imaging.errors import ImageError
from app.serving.errors import (
    DecoderDiedError,
    ExpiredError,
    OutOfMemoryError,
    OverloadedError,
    ServingError,
    StoppedError,
)

CODES: Final[dict[str, tuple[int, str]]] = {
    "invalid_request": (400, "The request cannot be read"),
    "malformed_multipart": (400, "The multipart body is malformed"),
    "untrusted_host": (400, "The host name is not ours"),
    "not_found": (404, "There is nothing here"),
    "unknown_family": (404, "There is no such family"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "header_timeout": (408, "The headers took too long to arrive"),
    "upload_timeout": (408, "The body took too long to arrive"),
    "too_many_bytes": (413, "The body is too large"),
    "too_many_files": (413, "There are too many files"),
    "too_many_pixels": (413, "The image is too large"),
    "too_many_scans": (413, "The JPEG has too many scans"),
    "too_many_frames": (413, "The animation has too many frames"),
    "too_much_metadata": (413, "The image has too much metadata"),
    "decoding_limit": (413, "The image takes too long to decode"),
    "uri_too_long": (414, "The request line is too long"),
    "unsupported_image": (415, "Not an image in an allowed format"),
    "missing_file": (422, "No file was sent"),
    "empty_file": (422, "The file is empty"),
    "truncated_image": (422, "The image is truncated or damaged"),
    "blank_image": (422, "The image is blank"),
    "overloaded": (429, "Too many images are waiting"),
    "headers_too_large": (431, "The headers are too large"),
    "internal_error": (500, "Something went wrong on our side"),
    "out_of_memory": (503, "Memory is short"),
    "decoder_died": (503, "The decoding process ended"),
    "too_many_connections": (503, "Too many connections are open"),
    "not_ready": (503, "The service is not ready"),
    "worker_died": (503, "The process must be restarted"),
    "deadline_exceeded": (504, "The deadline passed"),
}
"""Status and title of every code; ``docs/errors.md`` documents each, and a test holds them together."""

_BY_STATUS: Final = {404: "not_found", 405: "method_not_allowed"}


def problem_docs(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a route's errors."""
    statuses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, title = CODES[code]
        described = statuses.setdefault(
            status,
            {"description": "", "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}},
        )
        described["description"] += f"\n\n`{code}`: {title}."
    return statuses


class Problem(BaseModel):
    """An error as RFC 9457 defines it, with a stable ``code`` for programs and the request's id for logs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str


class ItemProblem(BaseModel):
    """Why one file of many has no prediction."""

    code: str
    title: str
    status: int = Field(description="The status that the file would have got alone.")
    detail: str


class ApiError(Exception):
    """A response that is an error.

    Args:
        code: one of `CODES`.
        detail: what is wrong with this request, for a person.
        headers: to send with it.
    """

    def __init__(self, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.headers = code, detail, headers


def api_error(error: Exception) -> ApiError:
    """One of our errors as it goes over the wire."""
    match error:
        case ApiError():
            return error
        case ImageError():
            return ApiError(error.code, error.detail)
        case OverloadedError():
            detail = "Too many images are waiting; nothing was done with this request."
            return ApiError("overloaded", detail, {"Retry-After": str(error.retry_after)})
        case OutOfMemoryError() | MemoryError():
            return ApiError("out_of_memory", "Memory ran out while the image was decoded.", {"Retry-After": "1"})
        case DecoderDiedError():
            return ApiError("decoder_died", "The process that was decoding the image ended.", {"Retry-After": "1"})
        case ExpiredError():
            return ApiError("deadline_exceeded", "The deadline passed before the image was read.")
        case StoppedError():
            detail = "The models are not loaded, or the service is stopping."
            return ApiError("not_ready", detail, {"Retry-After": "1"})
        case _:
            return ApiError("internal_error", "The request failed; please quote its id when you report it.")


def problem_item(error: Exception) -> dict[str, Any]:
    """An error of one file among many."""
    known = api_error(error)
    status, title = CODES[known.code]
    return {"code": known.code, "title": title, "status": status, "detail": known.detail}


def make_problem(code: str, detail: str, instance: str, request_id: str) -> Problem:
    """The body of an error response; ``instance`` is the request's path."""
    status, title = CODES[code]
    return Problem(
        type=f"urn:akshar:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=request_id,
    )


def problem_response(request: Request, error: ApiError) -> JSONResponse:
    """The response of an error."""
    problem = make_problem(error.code, error.detail, request.url.path, request.state.request_id)
    return JSONResponse(problem.model_dump(), problem.status, error.headers, media_type="application/problem+json")


def install_handlers(app: FastAPI) -> None:
    """Turn every error that routes and validation raise into a problem; `app.api.middleware` does so for crashes."""

    async def known_error(request: Request, error: Exception) -> JSONResponse:
        return problem_response(request, api_error(error))

    for kind in (ApiError, ImageError, ServingError):
        app.add_exception_handler(kind, known_error)

    @app.exception_handler(RequestValidationError)
    async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return problem_response(request, ApiError("invalid_request", f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        code = _BY_STATUS.get(error.status_code, "invalid_request")
        detail = error.detail if code == "invalid_request" else f"{request.method} {request.url.path}: {error.detail}."
        headers = dict(error.headers) if error.headers else None
        return problem_response(request, ApiError(code, detail, headers))
