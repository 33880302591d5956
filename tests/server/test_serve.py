"""A real server process, as `akshar serve` starts it."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from app.catalogue import CATALOGUE
from tests.conftest import ARTIFACTS
from tests.drawing import draw, encode

pytestmark = pytest.mark.slow

AKSHAR = Path(sys.executable).parent / "akshar"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(artifacts: Path = ARTIFACTS) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    process = subprocess.Popen(
        [AKSHAR, "serve", "--port", str(port)],
        env={"PATH": "", "AKSHAR_ARTIFACTS": str(artifacts), "AKSHAR_RUNTIME": "onnxruntime"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen[str], url: str) -> None:
    for _ in range(600):
        assert process.poll() is None, process.communicate()[1]
        try:
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    pytest.fail("the server did not get ready")


def test_it_serves_logs_and_ends_cleanly_on_sigterm() -> None:
    with serving() as (process, url):
        wait_until_ready(process, url)
        data = encode(draw("pa"))
        answer = httpx2.post(f"{url}/predict/consonants", files={"file": data}, headers={"x-request-id": "mine"})
        assert answer.json()["character"] == "प"
        assert "server" not in answer.headers
        too_large = httpx2.post(f"{url}/predict/consonants", content=bytes(11_000_000))
        assert too_large.json()["code"] == "too_many_bytes"
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=30)
        assert process.returncode == 0
    lines = [json.loads(line) for line in logged.splitlines()]
    (mine,) = [line for line in lines if line.get("request_id") == "mine"]
    assert (mine["path"], mine["status"]) == ("/predict/consonants", 200)


def test_an_altered_artifact_stops_the_start_with_one_line(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTIFACTS, tmp_path / "artifacts"))
    (folder / "heads/vowels.joblib").write_bytes(b"altered")
    with serving(folder) as (process, _):
        _, logged = process.communicate(timeout=60)
        assert process.returncode != 0
    errors = [json.loads(line)["event"] for line in logged.splitlines() if "artifacts" in line]
    assert len(errors) == 1
    assert "heads/vowels.joblib" in errors[0]
    assert "git checkout artifacts" in errors[0]
    assert "Traceback" not in logged


def test_files_are_read_from_the_command_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "pa.png", tmp_path / "bad.png"
    good.write_bytes(encode(draw("pa")))
    bad.write_bytes(b"x")
    run = subprocess.run([AKSHAR, "predict", "consonants", good, bad], capture_output=True, text=True, check=False)
    first, second = map(json.loads, run.stdout.splitlines())
    assert (first["file"], first["character"]) == (str(good), "प")
    assert second["code"] == "unsupported_image"
    assert run.returncode == 1


def test_an_unknown_family_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    run = subprocess.run([AKSHAR, "predict", "digits", tmp_path / "x.png"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert all(family in run.stderr for family in CATALOGUE)
