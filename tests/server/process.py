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
        # Read without moving the offset, at which the server writes.
        file = self._log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines that are ours, each a JSON object; TensorFlow's C++ writes text between them."""
        whole, _, _ = self.log.rpartition("\n")  # The last line may still be being written.
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def wait_until_ready(self) -> None:
        for _ in range(900):
            assert self.process.poll() is None, self.log
            with suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/readyz", timeout=20).status_code == 200:
                    return
            time.sleep(0.1)
        pytest.fail(f"the server did not get ready\n{self.log}")

    def end(self) -> int:
        """Send SIGTERM and wait for the exit status."""
        self.process.terminate()
        return self.process.wait(60)

    def left_behind(self) -> bool:
        """Whether any process of the server's session still runs."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # It may end at any moment.
                state, _, group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
                if int(group) == self.process.pid and state != "Z":
                    return True
        return False

    def metric(self, name: str) -> float:
        """The sum over all labels of a metric."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=20).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@contextmanager
def serving(command: Sequence[str] = (*AKSHAR, "serve"), **settings: Any) -> Iterator[Server]:
    """A server on a free port, unless the command names one.

    Args:
        command: what is run.
        settings: of the service, by their names without the prefix.
    """
    port = free_port()
    variables: Mapping[str, str] = {f"AKSHAR_{name.upper()}": str(value) for name, value in settings.items()}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *(() if "--port" in command else ("--port", str(port)))],
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
