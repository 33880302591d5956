"""What the tests of faults share: the faulty server, and what they expect of its responses."""

import asyncio
import re
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from app.api.problems import CODES
from tests.drawing import draw, encode
from tests.faults.client import Response
from tests.server.process import Server

FAULTY = (sys.executable, str(Path(__file__).with_name("server.py")), "serve")
PLACES = 16
PA = encode(draw("pa", 32))


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 150))


def assert_problem(response: Response, *codes: str) -> None:
    assert response.headers["content-type"] == "application/problem+json", response
    problem = response.json()
    assert problem["code"] in codes
    assert response.status == problem["status"] == CODES[problem["code"]][0]
    assert not re.search(r'Traceback|File "|nobody outside', response.body.decode())


async def settle(server: Server, name: str, value: float) -> None:
    """Wait until a metric has a value."""
    for _ in range(200):
        if await asyncio.to_thread(server.metric, name) == value:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"{name} is {server.metric(name)}, not {value}")
