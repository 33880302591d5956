"""The parameters of a prediction request, read by hand: FastAPI's own handling costs a tenth of a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request

from akshar.model.abstention import DecisionOptions
from akshar.model.recognizer import AUTO
from app.api.problems import ApiError
from app.serving.service import Service


@dataclass(frozen=True, slots=True)
class Params:
    """What a request asks for.

    Attributes:
        family: a family that is loaded, or `AUTO`.
        seconds: from the last byte of the body to the deadline.
        options: of the decision.
        explain: whether to add what the model saw.
    """

    family: str
    seconds: float
    options: DecisionOptions
    explain: bool


PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": "family",
        "in": "path",
        "required": True,
        "description": "numerals, vowels, consonants, a family that was added, or auto: the classes of all compete",
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
        "description": "The confidence from which a prediction is accepted, instead of the service's own.",
        "schema": {"type": "number", "minimum": 0, "maximum": 1},
    },
    {
        "name": "coverage",
        "in": "query",
        "description": "Adds `prediction_set`, which holds the right character in this share of cases.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    },
    {
        "name": "X-Timeout-Ms",
        "in": "header",
        "description": "Milliseconds to the deadline, if less than the service's own.",
        "schema": {"type": "integer", "minimum": 1},
    },
]
"""The OpenAPI description of these parameters."""
_QUERY: Final = [parameter["name"] for parameter in PARAMETERS if parameter["in"] == "query"]


def parse_params(request: Request, service: Service) -> Params:
    """The parameters of a request, checked before its body is read.

    Raises:
        ApiError: ``unknown_family`` or ``invalid_request``.
    """
    recognizer, family = service.recognizer, request.path_params["family"]
    if family not in recognizer.families and family != AUTO:
        known = ", ".join(recognizer.families)
        raise ApiError("unknown_family", f"There is no family '{family}'; there are {known}, {AUTO}.")
    request.state.family = family
    seconds = _seconds(request.headers.get("x-timeout-ms"), service.settings.deadline_seconds)
    query = request.query_params if request.scope["query_string"] else {}
    for name in query:
        if name not in _QUERY:
            raise ApiError("invalid_request", f"There is no parameter {name!r}; there are {', '.join(_QUERY)}.")
    explain = query.get("explain", "false").lower()
    if explain not in ("true", "1", "false", "0"):
        raise ApiError("invalid_request", "explain: neither true nor false.")
    min_confidence, coverage = _share(query, "min_confidence"), _share(query, "coverage")
    if coverage in (0, 1):
        raise ApiError("invalid_request", "coverage: not between 0 and 1.")
    options = DecisionOptions(recognizer.min_confidence if min_confidence is None else min_confidence, coverage)
    return Params(family, seconds, options, explain in ("true", "1"))


def _seconds(timeout_ms: str | None, max_seconds: float) -> float:
    if timeout_ms is None:
        return max_seconds
    if not (timeout_ms.isascii() and timeout_ms.isdecimal() and len(timeout_ms) < 10 and int(timeout_ms)):
        raise ApiError("invalid_request", "X-Timeout-Ms: not a whole number of milliseconds above 0.")
    return min(max_seconds, int(timeout_ms) / 1000)


def _share(query: Mapping[str, str], name: str) -> float | None:
    """The number from 0 to 1 of this name, if there is one."""
    if name not in query:
        return None
    try:
        number = float(query[name])
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise ApiError("invalid_request", f"{name}: not a number from 0 to 1.")
    return number
