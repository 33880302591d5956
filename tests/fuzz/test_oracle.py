"""The oracles of the fuzzers find what they should: otherwise a turn without findings would mean nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.api.problems import CODES
from tests.fuzz import session
from tests.fuzz.exchange import Case, Outcome, Response, exchange
from tests.fuzz.oracle import faults_of, judge, log_faults, status_faults
from tests.fuzz.session import Report, run_cases

JSON = {"content-type": "application/problem+json", "x-request-id": "r"}


def problem(code: str = "blank_image", **fields: Any) -> bytes:
    return json.dumps({"code": code, "status": CODES.get(code, (400,))[0], "request_id": "r", **fields}).encode()


def raw(status: str, body: bytes, length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nx-request-id: r\r\ncontent-type: application/problem+json\r\n"
    return f"{head}content-length: {len(body) if length is None else length}\r\n\r\n".encode() + body


GOOD = raw("422 Unprocessable", problem())


def test_a_right_response_has_no_fault() -> None:
    assert faults_of(Response(422, JSON, problem())) == []
    assert faults_of(Response(200, {"x-request-id": "r"}, b"{}")) == []
    assert faults_of(Response(405, JSON, b"", to_head=True)) == []


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (Response(500, JSON, problem("internal_error")), "internal_error"),
        (Response(422, JSON, problem("nonsense", status=422)), "unknown code 'nonsense'"),
        (Response(422, JSON, problem("overloaded")), "422 whose body says 429"),
        (Response(413, JSON, problem(status=413)), "blank_image with status 413"),
        (Response(422, JSON, problem(request_id="another")), "another request id"),
        (Response(422, JSON, b"oops"), "not JSON"),
        (Response(404, {**JSON, "content-type": "text/plain"}, b"Not Found"), "text/plain"),
        (Response(422, {"content-type": JSON["content-type"]}, problem()), "without X-Request-Id"),
        (Response(307, JSON, b""), "unexpected status 307"),
        (Response(200, JSON, b"Traceback (most recent call last):"), "traceback"),
    ],
)
def test_a_wrong_response_has_its_fault(response: Response, fault: str) -> None:
    assert any(fault in each for each in faults_of(response))


def test_a_status_must_be_documented_for_its_path() -> None:
    assert status_faults(Response(415, JSON, b""), batch=False) == []
    assert status_faults(Response(415, JSON, b""), batch=True)
    assert status_faults(Response(418, JSON, b""), batch=False)


@pytest.mark.parametrize(
    ("received", "end", "fault"),
    [
        (GOOD[:-3], "closed", "malformed HTTP"),
        (GOOD + b"HTTP/1.1 200", "closed", "malformed HTTP"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "left", "malformed HTTP"),
        (raw("422 Unprocessable", problem(), 5), "left", "malformed HTTP"),
        (b"<html>", "left", "malformed HTTP"),
        (GOOD, "hung", "still open"),
        (GOOD * 2, "closed", "2 of 1 responses"),
        (b"", "reset", "0 of 1 responses"),
    ],
)
def test_what_is_no_http_is_a_fault(received: bytes, end: str, fault: str) -> None:
    _, wrong = judge(Case((b"",), responses=1), Outcome(received, end))
    assert any(fault in each for each in wrong)


def test_responses_in_a_row_are_told_apart() -> None:
    to_head = raw("405 Not Allowed", b"", 300)
    responses, wrong = judge(Case((b"HEAD / HTTP/1.1",)), Outcome(GOOD + to_head + GOOD, "closed"))
    assert ([response.status for response in responses], wrong) == ([422, 405, 422], [])
    assert judge(Case((b"",)), Outcome(GOOD + GOOD[:40], "left"))[1] == []


def test_crashes_and_plain_text_in_a_log_are_faults() -> None:
    crash = json.dumps({"event": "crash", "level": "error", "exception": "Traceback ..."})
    request = json.dumps({"event": "request", "level": "info", "path": "/Traceback/crash"})
    assert log_faults([request]) == []
    assert len(log_faults([request, crash, "UserWarning: text"])) == 2


@asynccontextmanager
async def responding(sent: bytes) -> AsyncIterator[int]:
    """The port of a server that gives every connection the same response, and one that begins with an s later."""

    responses: list[asyncio.Task[None] | None] = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        responses.append(asyncio.current_task())
        if await reader.read(1) == b"s":
            await asyncio.sleep(0.2)
        writer.write(sent)
        writer.close()
        with suppress(OSError):  # The client may have left.
            await writer.wait_closed()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, responses))


def test_a_finding_leaves_a_file_that_reproduces_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "FOLDER", tmp_path)
    report = Report("test", 7)

    async def scenario() -> None:
        async with responding(raw("500 Internal", problem("internal_error"))) as port:
            await run_cases(port, lambda _: Case((b"request",), responses=1), report, 60, 1, only=3)

    asyncio.run(scenario())
    assert report.requests == 1
    assert report.statuses["500"] == 1
    # The case itself, and the known image that another client asks for meanwhile and afterwards.
    assert any(finding.startswith("case 3: internal_error") for finding in report.findings)
    assert any(finding.startswith("a known image gets 500") for finding in report.findings)
    assert (tmp_path / "test-7-3.bin").read_bytes() == b"request"
    assert "FOUND" in report.text()


@pytest.mark.parametrize(("patience", "end"), [(None, "closed"), (5, "closed"), (0.01, "left")])
def test_a_client_waits_as_long_as_its_case_says(patience: float | None, end: str) -> None:
    async def scenario() -> None:
        async with responding(GOOD) as port:
            outcome = await exchange(port, Case((b"slow", b"ly"), patience=patience))
            assert outcome.end == end

    asyncio.run(scenario())
