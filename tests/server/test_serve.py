"""A real server process, as `akshar serve` starts it."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from akshar.model.classes import CATALOGUE
from akshar.model.loading import ARTIFACTS
from benchmarks.load import free_port
from tests.drawing import draw, encode
from tests.server.process import AKSHAR, serving

pytestmark = pytest.mark.slow


def test_it_serves_logs_and_ends_cleanly_on_sigterm() -> None:
    with serving() as server:
        server.wait_until_ready()
        data = encode(draw("pa"))
        url = f"{server.url}/predict/consonants"
        answer = httpx2.post(url, files={"file": data}, headers={"x-request-id": "mine"})
        assert answer.json()["character"] == "प"
        assert "server" not in answer.headers
        assert httpx2.post(url, content=bytes(11_000_000)).json()["code"] == "too_many_bytes"
        assert server.end() == 0
        (mine,) = [line for line in server.lines if line.get("request_id") == "mine"]
        assert (mine["path"], mine["status"]) == ("/predict/consonants", 200)


def test_an_altered_artifact_stops_the_start_with_one_line(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ARTIFACTS, tmp_path / "artifacts"))
    (folder / "heads/vowels.joblib").write_bytes(b"altered")
    with serving(artifacts=folder) as server:
        assert server.process.wait(60) != 0
        errors = [line["event"] for line in server.lines if "artifacts" in line["event"]]
        assert len(errors) == 1
        assert "heads/vowels.joblib" in errors[0]
        assert "git checkout artifacts" in errors[0]
        assert "Traceback" not in server.log


def refusal(*options: str, command: Sequence[str] = AKSHAR, **settings: object) -> str:
    """The line with which a start is refused."""
    with serving((*command, "serve", *options), **settings) as server:
        assert server.process.wait(60) == 2
        (line,) = server.log.splitlines()
        return line


def test_an_impossible_setting_stops_the_start_with_its_name() -> None:
    assert "AKSHAR_MAX_FILES" in refusal(max_files=300, max_queue=200)
    assert refusal(max_queue=-1).startswith("AKSHAR_MAX_QUEUE: ")


def test_an_unknown_setting_stops_the_start_and_the_known_one_is_named() -> None:
    assert refusal(max_que=5) == "AKSHAR_MAX_QUE: there is no such setting; did you mean AKSHAR_MAX_QUEUE?"


def test_a_port_of_its_own_for_probes() -> None:
    port = free_port()
    assert str(port) in refusal("--port", str(port), probe_port=port)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_stops_the_start(workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert refusal("--workers", workers, "--port", port) == (
            f"cannot listen on 127.0.0.1, port {port}: address already in use"
        )


@pytest.mark.parametrize("port", ["-1", "65536", "99999"])
def test_an_impossible_port_stops_the_start(port: str) -> None:
    assert refusal("--port", port) == f"port {port}: not between 0 and 65535"


def test_a_full_temporary_folder_stops_workers_before_they_start() -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))"
    run = [sys.executable, "-c", f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])", *AKSHAR]
    assert "no room for the workers' metrics" in refusal("--workers", "2", command=run)


WARNING_SERVER = """
import threading, warnings
import app.main
from akshar.cli import main

def warn_and_load(*arguments, load=app.main.load_service):
    warnings.warn("of a library")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    return load(*arguments)

app.main.load_service = warn_and_load
main()
"""


def test_logs_are_json_lines_and_nothing_else() -> None:
    with serving((sys.executable, "-c", WARNING_SERVER, "serve")) as server:
        server.wait_until_ready()
        assert httpx2.get(f"{server.url}/%1b%5b2J").status_code == 404
        assert server.end() == 0
        lines = [json.loads(line) for line in server.log.splitlines()]
    assert any("of a library" in line["event"] and line["logger"] == "py.warnings" for line in lines)
    assert any("ZeroDivisionError" in line.get("exception", "") for line in lines)
    (strange,) = [line for line in lines if line.get("path") == "/\x1b[2J"]
    assert strange["client"] == "127.0.0.1"


def test_files_are_read_from_the_command_line(tmp_path: Path) -> None:
    good, bad = tmp_path / "pa.png", tmp_path / "bad.png"
    good.write_bytes(encode(draw("pa")))
    bad.write_bytes(b"x")
    command = [*AKSHAR, "predict", "consonants", str(good), str(bad)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    first, second = map(json.loads, run.stdout.splitlines())
    assert (first["file"], first["character"]) == (str(good), "प")
    assert second["code"] == "unsupported_image"
    assert run.returncode == 1


def test_an_unknown_family_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"x")
    command = [*AKSHAR, "predict", "digits", str(tmp_path / "x.png")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert all(family in run.stderr for family in CATALOGUE)
