"""Other ways to serve the same models, for comparison: only the serving differs.

All get the same upload and give the same answer by the same glyph function, and all but `tutorial` by our recognizer.
Each has an environment of its own under ``.bench/``, so that what one peer needs binds no other, nor us.
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

from benchmarks.load import Body, free_port, multipart

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS: Final = ROOT / ".bench"
"""Ignored by git; may be deleted at any time."""


@dataclass(frozen=True)
class Peer:
    """A server to compare with.

    Attributes:
        name: of its requirements, ``NAME.txt``, and its module, ``NAME_app.py``, beside this file.
        requirements: the pinned releases to install; None for the environment that `make test` makes.
        command: what starts it, given its Python and a port.
        path: where it reads characters.
        body: the request for one image of a consonant.
        ready_path: answers 200 once the models are loaded.
        env: variables it needs.
        workers: the variable that sets how many of its processes hold the models, by default one; None where it has
            no such choice.
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
    """The Python of a peer's environment, which is made at first use, and anew when the requirements change."""
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
    given = {"name": "image", "datatype": "BYTES", "shape": [1], "data": data, "parameters": {"content_type": "base64"}}
    return Body(json.dumps({"inputs": [given]}).encode(), "application/json")


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
