"""BentoML with adaptive batching, as docs.bentoml.com/en/latest/get-started/adaptive-batching.html describes it.

Uploads arrive as a ``Path``. One worker is the default, although the page "Parallelize requests handling" advises one
per core for work on a CPU. ``max_latency_ms`` is not a wait for a batch to fill: it is the time after which BentoML
responds with 503, so it keeps its default of one minute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from akshar.imaging.reader import read_glyph
from benchmarks.peers.common import MAX_BATCH, WORKERS, load_recognizer, recognize


@bentoml.service(workers=WORKERS, logging={"access": {"enabled": False}})
class Reader:
    """One process that serves HTTP and runs the batches in a separate thread."""

    def __init__(self) -> None:
        self.recognizer = load_recognizer()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    def predict(self, files: list[Path]) -> list[dict[str, Any]]:
        """Read a batch; each client sends a list of one image and gets a list of one prediction."""
        return recognize(self.recognizer, [read_glyph(file.read_bytes()) for file in files])
