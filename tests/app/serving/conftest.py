"""What the tests of decoding share."""

import sys

import pytest

from app.serving import decoder
from tests.app.serving.decoding import Decode, RunInstead


@pytest.fixture
def run_instead(monkeypatch: pytest.MonkeyPatch) -> RunInstead:
    """Lets the decoder processes that are started from now on run a function of `decoding`, not the real one."""

    def replace(function: Decode) -> None:
        name = f"{function.__module__} import {function.__name__}"
        code = f"from {name} as f; from app.serving import decode_worker as w; w.decode = f; w.serve()"
        monkeypatch.setattr(decoder, "COMMAND", [sys.executable, "-c", code])

    return replace
