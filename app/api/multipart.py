"""Parses a multipart form (RFC 7578, RFC 2046) that is wholly in memory, in steps that let other requests run.

It finds the parts by searching for the boundary, and looks at nothing else but the headers of each part. Streaming
parsers go from byte to byte wherever a part might end, which an attacker can make every sixth byte.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from python_multipart.multipart import parse_options_header

MAX_FIELDS: Final = 16
"""Most parts of a form that are not files."""

MAX_HEADERS: Final = 16
"""Most headers of one part."""

MAX_HEADER_BYTES: Final = 4096
"""Most bytes of all headers of one part."""

MAX_PREAMBLE: Final = 1024
"""Most bytes before the first boundary, and of white space after a boundary."""

_MAX_BOUNDARY: Final = 70  # RFC 2046, section 5.1.1
_MAX_CONTENT_TYPE: Final = 1024

_STEP: Final = 512 * 1024
"""Bytes to search before others run: about a millisecond."""

_WINDOW: Final = 256 * 1024
"""Bytes to search in one call."""

_HEADER_COST: Final = 512
"""A byte of a header may take as long to parse as this many take to search."""

_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)")


class MultipartError(Exception):
    """A body that is not a complete multipart form; the text says why."""


class TooManyFilesError(Exception):
    """A form with too many files."""


@dataclass(slots=True)
class Part:
    """One part of a form.

    ``filename`` is None if it is not a file. ``content`` is a view of the form's body, which it keeps in memory.
    """

    name: str = ""
    filename: str | None = None
    content: bytes | memoryview = b""


async def parse_form(body: bytes | bytearray | memoryview, content_type: str, max_files: int) -> list[Part]:
    """The parts of a form, in order. Their contents are not copied.

    Between two turns of other tasks it runs for less than 5 ms, whatever the body contains.

    Args:
        body: the whole form. It must not change while its parts are in use.
        content_type: the header that names the boundary.
        max_files: most parts that are files.

    Raises:
        MultipartError: there is no boundary of 1 to 70 characters, the body is malformed or ends before its last
            boundary, more than `MAX_FIELDS` of its parts are not files, or a part exceeds `MAX_HEADERS` or
            `MAX_HEADER_BYTES`.
        TooManyFilesError: it has more than ``max_files`` files.
    """
    boundary = parse_options_header(content_type[:_MAX_CONTENT_TYPE])[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= _MAX_BOUNDARY:
        raise MultipartError(f"the Content-Type names no boundary of 1 to {_MAX_BOUNDARY} characters")
    scan = _Scan(body, boundary)
    parts: list[Part] = []
    files = 0
    start = scan.first_part()
    while start is not None:
        part, start = await scan.headers(start)
        files += part.filename is not None
        if files > max_files:
            raise TooManyFilesError
        parts.append(part)
        if len(parts) - files > MAX_FIELDS:
            raise MultipartError(f"it has more than {MAX_FIELDS} fields that are not files")
        part.content, start = await scan.content(start)
    return parts


class _Scan:
    """Reads one body, from positions that its methods are given to those that they return."""

    def __init__(self, body: bytes | bytearray | memoryview, boundary: bytes) -> None:
        self._body, self._view = body, memoryview(body)
        self._delimiter = b"\r\n--" + boundary
        self._spent = 0

    def first_part(self) -> int | None:
        """Where the first part begins; None if there is none."""
        boundary = self._delimiter[2:]
        if self._view[: len(boundary)] == boundary:
            return self._part_after(len(boundary))
        end = self._find(self._delimiter, 0, MAX_PREAMBLE + len(self._delimiter))
        if end < 0:
            raise MultipartError("it does not begin with its boundary")
        return self._part_after(end + len(self._delimiter))

    async def headers(self, start: int) -> tuple[Part, int]:
        """The name and file name of the part that begins here, and where its content begins."""
        # The search begins at the line break before the headers, because there may be none.
        end = self._find(b"\r\n\r\n", start - 2, start + MAX_HEADER_BYTES + 4)
        if end < 0:
            raise MultipartError(f"the headers of a part do not end within {MAX_HEADER_BYTES} bytes")
        headers = bytes(self._view[start:end])
        lines = headers.split(b"\r\n") if headers else []
        if len(lines) > MAX_HEADERS:
            raise MultipartError(f"a part has more than {MAX_HEADERS} headers")
        await self._spend(_HEADER_COST * len(headers))
        return _part(lines), end + 4

    async def content(self, start: int) -> tuple[memoryview, int | None]:
        """The content that begins here, and where the next part begins; None if there is none."""
        position, overlap = start, len(self._delimiter) - 1
        while (end := self._find(self._delimiter, position, position + _WINDOW)) < 0:
            if position + _WINDOW >= len(self._view):
                raise MultipartError("it ends before its last boundary")
            position += _WINDOW - overlap
            await self._spend(_WINDOW)
        await self._spend(end - position)
        return self._view[start:end], self._part_after(end + len(self._delimiter))

    def _part_after(self, position: int) -> int | None:
        """Where the part after a boundary begins; None if it was the last boundary. The epilogue is ignored."""
        following = bytes(self._view[position : position + 2])
        if following == b"\r\n":
            return position + 2
        if following == b"--":
            return None
        end = self._find(b"\r\n", position, position + MAX_PREAMBLE)
        if end < 0 or bytes(self._view[position:end]).strip(b" \t"):
            # RFC 2046 forbids that a part contains such a line, so this cannot be content.
            raise MultipartError("a line that begins with the boundary does not end after it")
        return end + 2

    def _find(self, sought: bytes, start: int, end: int) -> int:
        if isinstance(self._body, memoryview):
            offset = bytes(self._body[start:end]).find(sought)
            return start + offset if offset >= 0 else -1
        return self._body.find(sought, start, end)

    async def _spend(self, searched: int) -> None:
        self._spent += searched
        if self._spent >= _STEP:
            self._spent = 0
            await asyncio.sleep(0)


def _part(lines: list[bytes]) -> Part:
    """A part with these headers, still without its content."""
    disposition: bytes | None = None
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise MultipartError("a part has a malformed header")
        if header[1].lower() == b"content-disposition":
            if disposition is not None:
                raise MultipartError("a part has two Content-Disposition headers")
            disposition = header[2]
    options = parse_options_header(disposition)[1]
    filename = options.get(b"filename")
    return Part(
        options.get(b"name", b"").decode("utf-8", "replace"),
        None if filename is None else filename.decode("utf-8", "replace"),
    )
