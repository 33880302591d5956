"""A real server process, as `akshar serve` starts it."""

import json
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from akshar.model.classes import CATALOGUE
from akshar.model.loading import ARTIFACTS
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


def test_an_impossible_setting_stops_the_start_with_its_name() -> None:
    with serving(max_files=300, max_queue=200) as server:
        assert server.process.wait(60) == 2
        assert "AKSHAR_MAX_FILES" in server.log
        assert "Traceback" not in server.log


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
