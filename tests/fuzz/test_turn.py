"""A short turn of all fuzzers, always of the same seed; `make fuzz` takes longer ones."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.fuzz.run import FUZZERS

COMMAND = [sys.executable, "-m", "tests.fuzz"]


@pytest.mark.slow
def test_a_short_turn_finds_nothing() -> None:
    command = [*COMMAND, "--seconds", "1", "--seed", "18"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    for name in FUZZERS:
        assert f"{name}: seed 18, " in run.stdout
    assert ", 0 requests" not in run.stdout
    assert "nothing is left behind" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(["nonsense"], "there is no fuzzer nonsense"), (["--case", "1"], "api has no numbered cases")],
)
def test_what_cannot_be_run_is_refused_with_a_line(arguments: list[str], error: str) -> None:
    run = subprocess.run([*COMMAND, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert error in " ".join(run.stderr.split())
