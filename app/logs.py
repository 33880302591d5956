"""Logs: one line per event, JSON for machines or coloured text for people, on standard error."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from types import TracebackType
from typing import Any, Literal, TextIO

import structlog
from pydantic_core import to_json

_log = structlog.get_logger("akshar")


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Format our own lines, the server's, warnings and crashes alike; ``auto`` is text on a terminal, else JSON."""
    if style == "auto":
        style = "console" if sys.stderr.isatty() else "json"
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[structlog.typing.Processor] = (
        [_escape_values, structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback)]
        if style == "console"
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_to_json)]
    )
    # Our own lines bypass the standard library's logging, because there is one for every request.
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_NamedLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def capture_all() -> None:
    """Log what Python would print: warnings, and the exceptions that end the process or one of its threads."""
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    threading.excepthook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)
    sys.unraisablehook = lambda crash: _log_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def _log_crash(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, SystemExit):
        _log.critical("crash", exc_info=(kind, error, traceback))


class _NamedLogger(structlog.WriteLogger):
    """Writes to standard error, and has a name like the standard library's loggers."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name


def escape(text: str, allowed: str = "") -> str:
    r"""The text with characters that would control a terminal written as ``\x1b``, except the allowed ones."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in allowed else c.encode("unicode_escape").decode() for c in text)


def _escape_values(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: escape(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_traceback(stream: TextIO, crash: structlog.typing.ExcInfo) -> None:
    """Plain tracebacks: rich ones show the values of variables, and so what users sent."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, crash)
    stream.write(escape(text.getvalue(), allowed="\n\t"))


def _to_json(event: dict[str, Any], **_: object) -> str:
    line = to_json(event, fallback=repr).decode()
    # JSON itself leaves some control characters as they are.
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
