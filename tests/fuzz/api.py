"""Calls that schemathesis generates from the service's own description, ``/openapi.json``."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any, Final

import schemathesis
from hypothesis import strategies
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.engine.recorder import ScenarioRecorder

from akshar.imaging.formats import MEDIA_TYPES
from tests.fuzz.exchange import MAX_SECONDS, Response
from tests.fuzz.images import FAMILIES, mutated_image
from tests.fuzz.oracle import faults_of
from tests.fuzz.session import Report, watched

_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "oracle_of_all_fuzzers",
)
_OVERLOAD: Final = ("503", "504")
"""Server errors that the description documents: they mean to come again, or with less."""

_LEAST_SECONDS: Final = 3
"""Part of the time goes to reading the description."""


def _config(seed: int, seconds: float) -> SchemathesisConfig:
    checks: dict[str, Any] = {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}}
    checks["not_a_server_error"]["expected-statuses"] = ["2xx", "3xx", "4xx", *_OVERLOAD]
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "max-time": max(round(seconds), _LEAST_SECONDS),
            "request-timeout": MAX_SECONDS,
            "continue-on-failure": True,
            "checks": checks,
            "generation": {"database": "none", "no-shrink": True},
            "cache": {"enabled": False},
            # Families that exist, mostly: of others nothing but their name is looked at.
            "dictionaries": {"families": {"values": list(FAMILIES)}},
            "parameters": {"path.family": {"dictionary": "families", "probability": 0.9}},
        }
    )


def _generate_images() -> None:
    """Let bodies and files be images, damaged ones among them, where the description says no more than binary."""
    images = strategies.integers(0, 2**32).map(lambda number: mutated_image(Random(number)))
    for media_type in MEDIA_TYPES:
        schemathesis.openapi.media_type(media_type, images)
    schemathesis.openapi.format("binary", images)


@schemathesis.check
def oracle_of_all_fuzzers(_: object, response: Any, case: Any) -> None:
    """What holds for every response, whatever the description says."""
    headers = {name.lower(): ", ".join(values) for name, values in response.headers.items()}
    faults = faults_of(Response(response.status_code, headers, response.content, case.method.upper() == "HEAD"))
    if faults:
        raise AssertionError("; ".join(faults))


async def run(port: int, report: Report, seconds: float) -> None:
    """Call until the time is over, and meanwhile check that another client is served.

    Args:
        port: of the server, on 127.0.0.1.
        report: of this fuzzer.
        seconds: to go on for, at least `_LEAST_SECONDS`.
    """
    started = time.monotonic()
    async with watched(port, report, {}):
        await asyncio.to_thread(_call, port, report, seconds)
    report.seconds = time.monotonic() - started


def _call(port: int, report: Report, seconds: float) -> None:
    _generate_images()
    schema = schemathesis.openapi.from_url(
        f"http://127.0.0.1:{port}/openapi.json", config=_config(report.seed, seconds)
    )
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _record(event.recorder, report)
        elif isinstance(event, events.NonFatalError):
            report.find(f"{event.label}: {event.value!r}", "error.txt", str(event.info).encode())
        elif isinstance(event, events.FatalError):
            raise event.exception


def _record(recorder: ScenarioRecorder, report: Report) -> None:
    for interaction in recorder.interactions.values():
        report.requests += 1
        report.statuses[str(interaction.response.status_code) if interaction.response else "no response"] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                failure, command = check.failure_info.failure, check.failure_info.code_sample
                what = f"{recorder.label}: {failure.title}: {' '.join(failure.message.split())[:300]}"
                report.find(what, f"{case_id}.sh", command.encode())
