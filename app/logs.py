"""Logs: one line per event, JSON for machines or coloured text for people, on standard error."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog
from pydantic_core import to_json


def configure(level: str, style: Literal["auto", "json", "console"]) -> None:
    """Format our own lines and the server's alike; ``auto`` is text on a terminal, else JSON."""
    if style == "auto":
        style = "console" if sys.stderr.isatty() else "json"
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: rich ones show the values of variables, and so what users sent.
    render: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
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
    # It logs every malformed form, and the response says the same.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


class _NamedLogger(structlog.WriteLogger):
    """Writes to standard error, and has a name like the standard library's loggers."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name


def _to_json(event: dict[str, Any], **_: object) -> str:
    return to_json(event, fallback=repr).decode()
