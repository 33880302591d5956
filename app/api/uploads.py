"""Takes the image file out of a request, within its limit of bytes."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from app.errors import ApiError

FIELD: Final = "file"

_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
REQUEST_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary", "description": "The image file."}},
                }
            },
            **{f"image/{kind}": _BINARY for kind in ("png", "jpeg", "webp", "bmp", "gif")},
        },
    }
}
"""What OpenAPI is told of a body that is read below, not by FastAPI."""


async def read_upload(request: Request, max_bytes: int) -> bytes:
    """The bytes of the field ``file`` of a multipart body, or of the whole body where it is not multipart.

    Raises:
        ApiError: ``too_many_bytes``, ``malformed_multipart``, ``missing_file``. (An empty file is the decoder's to
            refuse.)
    """
    limited = Request(request.scope, _Limited(request, max_bytes))
    content_type = request.headers.get("content-type")
    if content_type is None or not content_type.lower().startswith("multipart/form-data"):
        body = await limited.body()
        if not body and content_type is None:
            raise ApiError("missing_file", _HOW)
        return body
    try:
        async with limited.form(max_files=1, max_fields=16) as form:
            upload = form.get(FIELD)
            if not isinstance(upload, UploadFile):
                found = ", ".join(sorted(form)) or "none"
                raise ApiError("missing_file", f"{_HOW} Fields found: {found}.")
            return await upload.read()
    except HTTPException as error:
        raise ApiError("malformed_multipart", f"The multipart body cannot be read: {error.detail}") from None


_HOW: Final = f"Send one image as the multipart file field '{FIELD}', or as the body with its own Content-Type."


class _Limited:
    """A request's receive channel that refuses more than so many bytes, announced or sent."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        self._receive, self._max_bytes, self._received = request.receive, max_bytes, 0
        announced = request.headers.get("content-length", "")
        if announced.isdecimal():
            self._check(int(announced))

    async def __call__(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._check(self._received)
        return message

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise ApiError("too_many_bytes", f"The body has more than {self._max_bytes:,} bytes.")
