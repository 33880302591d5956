"""Other ways to serve the same models, for comparison: only the serving differs.

All get the same upload, make the same glyph of it and return the same prediction; all but `tutorial` use our
recognizer. Each has its own environment under ``.bench/``, so that its requirements constrain neither the other peers
nor this project.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import ROOT
from benchmarks.load import Body, free_port, multipart

ENVIRONMENTS: Final = ROOT / ".bench"
"""Ignored by git; may be deleted at any time."""


@dataclass(frozen=True)
class Peer:
    """A server to compare with.

    Attributes:
        name: the peer's name; its requirements are ``NAME.txt`` and its module ``NAME_app.py`` in this folder.
        requirements: the pinned releases to install; None for the environment that `make test` makes.
        command: makes its command line from its Python and a port.
        path: the path that predictions are requested from.
        body: makes the request body for one image of a consonant.
        ready_path: responds with 200 once the models are loaded.
        env: environment variables that it needs.
        workers: the environment variable with the number of its processes that hold the models, by default one; None
            if there is no such setting.
    """

    name: str
    requirements: Path | None
    command: Callable[[str, int], list[str]]
    path: str
    body: Callable[[bytes], Body]
    ready_path: str
    env: Mapping[str, str] = field(default_factory=dict)
    workers: str | None = None


def environment(peer: Peer) -> Path:
    """The Python of a peer's environment, which is made on first use and again whenever its requirements change."""
    if peer.requirements is None:
        return Path(sys.executable)
    folder = ENVIRONMENTS / peer.name
    python, stamp = folder / "bin/python", folder / "installed"
    digest = hashlib.sha256(sys.version.encode() + peer.requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        _run(uv, "venv", "--python", sys.executable, folder)
        _run(uv, "pip", "install", "--python", python, "--requirement", peer.requirements)
    else:
        _run(sys.executable, "-m", "venv", folder)
        _run(python, "-m", "pip", "install", "--requirement", peer.requirements)
    stamp.write_text(digest)
    return python


def _run(*command: str | Path) -> None:
    subprocess.run([*command, "--quiet"], check=True)


def _upload(image: bytes) -> Body:
    return multipart([("file", "character.png", image, "image/png")])


def _inference_request(image: bytes) -> Body:
    data = [base64.b64encode(image).decode()]
    coding = {"content_type": "base64"}
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data, "parameters": coding}
    return Body(json.dumps({"inputs": [tensor]}).encode(), "application/json")


def _requirements(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.txt")


def _module(name: str) -> str:
    return f"benchmarks.peers.{name}_app"


_PATHS: Final = {"PYTHONPATH": str(ROOT)}

PEERS: Final = (
    Peer(
        name="tutorial",
        requirements=None,
        command=lambda python, port: [
            *(python, "-m", "uvicorn", f"{_module('tutorial')}:app", "--port", str(port), "--no-access-log"),
        ],
        path="/predict",
        body=_upload,
        ready_path="/health",
        env=_PATHS,
    ),
    Peer(
        name="litserve",
        requirements=_requirements("litserve"),
        command=lambda python, port: [python, "-m", _module("litserve"), str(port)],
        path="/predict",
        body=_upload,
        ready_path="/health",
        env=_PATHS,
        workers="BENCHMARK_WORKERS",
    ),
    Peer(
        name="bentoml",
        requirements=_requirements("bentoml"),
        command=lambda python, port: [
            *(str(Path(python).with_name("bentoml")), "serve", f"{_module('bentoml')}:Reader"),
            *("--host", "127.0.0.1", "--port", str(port), "--working-dir", str(ROOT)),
        ],
        path="/predict",
        body=lambda image: multipart([("files", "character.png", image, "image/png")]),
        ready_path="/readyz",
        env={**_PATHS, "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(ENVIRONMENTS / "bentoml/home")},
        workers="BENCHMARK_WORKERS",
    ),
    Peer(
        name="rayserve",
        requirements=_requirements("rayserve"),
        command=lambda python, port: [python, "-m", _module("rayserve"), str(port)],
        path="/predict",
        body=_upload,
        ready_path="/health",
        env={
            **_PATHS,
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        },
        workers="BENCHMARK_WORKERS",
    ),
    Peer(
        name="mlserver",
        requirements=_requirements("mlserver"),
        command=lambda python, port: [
            *("env", f"MLSERVER_HTTP_PORT={port}", f"MLSERVER_GRPC_PORT={free_port()}"),
            *(f"MLSERVER_METRICS_PORT={free_port()}", str(Path(python).with_name("mlserver")), "start"),
            str(Path(__file__).with_name("mlserver_model")),
        ],
        path="/v2/models/akshar/infer",
        body=_inference_request,
        ready_path="/v2/models/akshar/ready",
        env={
            **_PATHS,
            "MLSERVER_METRICS_DIR": str(ENVIRONMENTS / "mlserver/metrics"),
            "MLSERVER_ENVIRONMENTS_DIR": str(ENVIRONMENTS / "mlserver/environments"),
        },
        workers="MLSERVER_PARALLEL_WORKERS",
    ),
)
