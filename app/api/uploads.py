"""Receives image files, within the limits of bytes and time."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from akshar.imaging.formats import MEDIA_TYPES
from app.api.multipart import MultipartError, Part, TooManyFilesError, parse_form
from app.api.problems import ApiError
from app.serving.admission import Admitted
from app.settings import Settings

FIELD: Final = "file"

_BINARY: Final = {"type": "string", "format": "binary"}


def _form_schema(file: dict[str, Any]) -> dict[str, Any]:
    return {"multipart/form-data": {"schema": {"type": "object", "required": [FIELD], "properties": {FIELD: file}}}}


ONE_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            **_form_schema({**_BINARY, "description": "The image file."}),
            **{media_type: {"schema": _BINARY} for media_type in MEDIA_TYPES},
        },
    }
}
MANY_FILES: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": _form_schema({"type": "array", "items": _BINARY, "description": "The image files."}),
    }
}
"""The OpenAPI description of bodies, which are read below and not by FastAPI."""

_HOW: Final = f"Send one image as the multipart file field '{FIELD}', or as the body with its own Content-Type."
_HOW_MANY: Final = f"Send images as multipart file fields, each named '{FIELD}'."


async def read_file(request: Request, settings: Settings, admitted: Admitted) -> bytes | bytearray | memoryview:
    """The bytes of the field ``file`` of a multipart body, or of the whole body if it is not multipart.

    Raises:
        ApiError: ``too_many_bytes``, ``upload_timeout``, ``malformed_multipart``, ``too_many_files``, ``missing_file``.
            (The decoder refuses empty files.)
        OverloadedError: there is no room for so many bytes.
        ClientDisconnect: the client left.
    """
    content_type = request.headers.get("content-type")
    body = await _read_body(request, settings.max_bytes, settings.upload_seconds, admitted)
    if content_type is None or not _is_multipart(content_type):
        if not body and content_type is None:
            raise ApiError("missing_file", _HOW)
        return body
    return (await _files(body, content_type, 1, _HOW))[0].content


async def read_files(request: Request, settings: Settings, admitted: Admitted) -> list[Part]:
    """The files of the fields ``file`` of a multipart body, in order. Raises as `read_file` does."""
    content_type = request.headers.get("content-type", "")
    if not _is_multipart(content_type):
        raise ApiError("missing_file", _HOW_MANY)
    body = await _read_body(request, settings.max_form_bytes, settings.upload_seconds, admitted)
    files = await _files(body, content_type, settings.max_files, _HOW_MANY)
    admitted.add_images(len(files) - 1)
    return files


def _is_multipart(content_type: str) -> bool:
    return content_type[:19].lower() == "multipart/form-data"


async def _files(body: bytes | bytearray, content_type: str, max_files: int, how: str) -> list[Part]:
    try:
        parts = await parse_form(body, content_type, max_files)
    except MultipartError as error:
        raise ApiError("malformed_multipart", f"The multipart body cannot be read: {error}.") from None
    except TooManyFilesError:
        raise ApiError(
            "too_many_files", f"The form has more than {max_files} file(s), the limit for this path."
        ) from None
    files = [part for part in parts if part.name == FIELD and part.filename is not None]
    if not files:
        names = ", ".join(sorted({part.name for part in parts})) or "none"
        raise ApiError("missing_file", f"{how} Fields found: {names}.")
    return files


async def _read_body(request: Request, max_bytes: int, seconds: float, admitted: Admitted) -> bytes | bytearray:
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal():
        _check_size(int(content_length), max_bytes)
    body: bytes | bytearray = b""
    more = True
    try:
        async with asyncio.timeout(seconds):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk: bytes = message.get("body", b"")
                _check_size(len(body) + len(chunk), max_bytes)
                admitted.add_bytes(len(chunk))
                if not body:
                    body = chunk  # Most bodies are of one chunk.
                else:
                    if isinstance(body, bytes):
                        body = bytearray(body)
                    body += chunk
                more = message.get("more_body", False)
    except TimeoutError:
        detail = f"The body did not arrive within {seconds:g} seconds."
        raise ApiError("upload_timeout", detail, {"Connection": "close"}) from None
    return body


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ApiError("too_many_bytes", f"The body has more than {max_bytes:,} bytes.")
