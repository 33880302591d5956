"""Starts real servers, as processes of their own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx2
import pytest

from benchmarks.load import free_port

AKSHAR = [str(Path(sys.executable).parent / "akshar")]


@dataclass
class Server:
    """A running server process and where it listens."""

    process: subprocess.Popen[bytes]
    port: int
    _log: BinaryIO

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines that are ours, each a JSON object; TensorFlow's C++ writes text between them."""
        whole, _, _ = self.log.rpartition("\n")  # The last line may still be being written.
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def wait_until_ready(self) -> None:
        for _ in range(900):
            assert self.process.poll() is None, self.log
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=20).status_code == 200:
                    return
            except httpx2.TransportError:
                time.sleep(0.1)
        pytest.fail(f"the server did not get ready\n{self.log}")

    def end(self) -> int:
        """Send SIGTERM and wait for the exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def metric(self, name: str) -> float:
        """The sum over all labels of a metric."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=20).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@contextmanager
def serving(command: Sequence[str] = (*AKSHAR, "serve"), **settings: Any) -> Iterator[Server]:
    """A server on a free port; ``settings`` are those of the service, by their names without the prefix."""
    port = free_port()
    variables: Mapping[str, str] = {f"AKSHAR_{name.upper()}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={"PATH": "", "AKSHAR_RUNTIME": "onnxruntime", "AKSHAR_LOG_FORMAT": "json", **variables},
            stderr=log,
            start_new_session=True,
        )
        try:
            yield Server(process, port, log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            with suppress(ProcessLookupError):  # Workers that it has left behind.
                os.killpg(process.pid, signal.SIGKILL)
