"""Parses a multipart form that is wholly in memory.

It uses the parser of python-multipart, as FastAPI's own forms do; but those spool every file through a temporary file
object, and accept a form that ends early.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

MAX_FIELDS: Final = 16
"""Most parts of a form that are not files."""


class MultipartError(Exception):
    """A body that is not a complete multipart form; the text says why."""


class TooManyFilesError(Exception):
    """A form with too many files."""


@dataclass(slots=True)
class Part:
    """One part of a form. ``filename`` is None if it is not a file."""

    name: str = ""
    filename: str | None = None
    content: bytes = b""


def parse_form(body: bytes, content_type: str, max_files: int) -> list[Part]:
    """The parts of a form, in order.

    Raises:
        MultipartError: there is no boundary, the body is malformed or ends before its last boundary, or more than
            `MAX_FIELDS` of its parts are not files.
        TooManyFilesError: it has more than ``max_files`` files.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MultipartError("the Content-Type names no boundary")
    form = _Form(max_files)
    try:
        MultipartParser(boundary, form.callbacks).write(body)
    except FormParserError as error:
        raise MultipartError(str(error)) from None
    if not form.ended:
        raise MultipartError("it ends before its last boundary")
    return form.parts


class _Form:
    """Collects what the parser reports to its callbacks; all but the first two get a slice of the body."""

    def __init__(self, max_files: int) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._files, self._max_files = 0, max_files
        self._header = b""

    @property
    def callbacks(self) -> Any:
        """The callbacks by the parser's names."""
        named: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_end": self._end,
            "on_header_field": self._field,
            "on_header_value": self._value,
            "on_part_data": self._data,
        }
        return named

    def _begin(self) -> None:
        if len(self.parts) - self._files > MAX_FIELDS:
            raise MultipartError(f"it has more than {MAX_FIELDS} fields that are not files")
        self.parts.append(Part())

    def _end(self) -> None:
        self.ended = True

    def _field(self, body: bytes, start: int, end: int) -> None:
        self._header = body[start:end].lower()

    def _value(self, body: bytes, start: int, end: int) -> None:
        if self._header != b"content-disposition":
            return
        options = parse_options_header(body[start:end])[1]
        part = self.parts[-1]
        part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if (filename := options.get(b"filename")) is not None:
            part.filename = filename.decode("utf-8", "replace")
            self._files += 1
            if self._files > self._max_files:
                raise TooManyFilesError

    def _data(self, body: bytes, start: int, end: int) -> None:
        self.parts[-1].content += body[start:end]
