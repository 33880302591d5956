"""What must hold for every response, and for every line of the server's log."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from fastapi.routing import APIRoute

from app.api.predict import router
from app.api.problems import CODES
from tests.fuzz.exchange import MAX_SECONDS, Case, MalformedError, Outcome, Response, parse_responses

_LEAK: Final = re.compile(rb'Traceback \(most recent|File ".*\.py"')
_SUCCESS: Final = (200, 206, 304)
"""Predictions and documents; the documentation's static files may be asked for in parts, or only if changed."""


def judge(case: Case, outcome: Outcome) -> tuple[list[Response], list[str]]:
    """The responses to a case, and all that is wrong with them."""
    if outcome.end == "hung":
        return [], [f"still open after {MAX_SECONDS:g} s of silence; received {outcome.received[:100]!r}"]
    try:
        head_possible = case.responses is None and b"HEAD" in b"".join(case.chunks)
        responses = parse_responses(outcome.received, outcome.end == "closed", head_possible)
    except MalformedError as error:
        return [], [f"malformed HTTP: {error}"]
    wrong = [fault for response in responses for fault in (*faults_of(response), *_own_faults(case, response))]
    if case.responses is not None and len(responses) != case.responses:
        wrong.append(f"connection {outcome.end} after {len(responses)} of {case.responses} responses")
    return responses, wrong


def _own_faults(case: Case, response: Response) -> list[str]:
    try:
        return case.check(response)
    except (KeyError, TypeError, ValueError) as error:
        return [f"response of another shape ({error!r}): {response.body[:200]!r}"]


def faults_of(response: Response) -> list[str]:
    """What is wrong with a response to whatever request."""
    faults = []
    if _LEAK.search(response.body):
        faults.append("a traceback in the response")
    if not response.headers.get("x-request-id"):
        faults.append(f"{response.status} without X-Request-Id")
    if response.status >= 400:
        faults += _problem_faults(response)
    elif response.status not in _SUCCESS:
        faults.append(f"unexpected status {response.status}")
    return faults


def _problem_faults(response: Response) -> list[str]:
    if response.headers.get("content-type") != "application/problem+json":
        return [f"{response.status} as {response.headers.get('content-type')}, not application/problem+json"]
    if response.to_head:
        return []
    try:
        problem = response.json()
    except ValueError:
        return [f"{response.status} whose body is not JSON"]
    faults = item_faults(problem)
    if problem.get("status") != response.status:
        faults.append(f"{response.status} whose body says {problem.get('status')}")
    if problem.get("request_id") != response.headers.get("x-request-id"):
        faults.append(f"{response.status} whose body has another request id than its header")
    return faults


def status_faults(response: Response, batch: bool) -> list[str]:
    """Whether a prediction's status is one that the description of its path names."""
    path = "/predict/{family}/batch" if batch else "/predict/{family}"
    documented = next(route.responses for route in router.routes if isinstance(route, APIRoute) and route.path == path)
    return [] if response.status in (200, *documented) else [f"{response.status} is not documented for {path}"]


def item_faults(problem: Any) -> list[str]:
    """What is wrong with an error, of a response or of one file of a batch."""
    code = problem.get("code") if isinstance(problem, dict) else None
    if code not in CODES:
        return [f"unknown code {code!r}"]
    if code == "internal_error":
        return ["internal_error"]
    if problem.get("status") != CODES[code][0]:
        return [f"{code} with status {problem.get('status')}"]
    return []


def prediction_faults(prediction: Any) -> list[str]:
    """What is wrong with a prediction."""
    numbers = [prediction["confidence"], prediction["typicality"]]
    if not all(math.isfinite(number) and 0 <= number <= 1 for number in numbers):
        return [f"confidence and typicality are {numbers}"]
    return []


class LogReader:
    """Reads what a server has logged since the last call, and leaves the server's own position in the file alone.

    Args:
        pid: of the server, whose standard error is a file.
    """

    def __init__(self, pid: int) -> None:
        self._path, self._offset = Path(f"/proc/{pid}/fd/2"), 0

    def faults(self) -> list[str]:
        """What is wrong with the new lines: crashes, and lines that are not JSON."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")  # The last line may still be being written.
        self._offset += len(whole) + len(end)
        return log_faults(whole.decode().splitlines())


def log_faults(lines: Iterable[str]) -> list[str]:
    """What is wrong with lines of a log."""
    faults = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            faults.append(f"a line of the log that is not JSON: {line[:200]}")
            continue
        if "exception" in entry or entry.get("level") == "critical":
            faults.append(f"crash in the log: {entry.get('event')}: {str(entry.get('exception', ''))[-600:]}")
    return faults
