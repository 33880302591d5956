"""BentoML: adaptive batching as its page docs.bentoml.com/en/latest/get-started/adaptive-batching.html says.

An upload is a ``Path`` there. One worker is the default, though the page "Parallelize requests handling" advises one a
core for work on a CPU. ``max_latency_ms`` is no wait for a batch to fill but what a request may take before BentoML
answers 503 in its stead, so it is left at its default of a minute.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml

from app.imaging import read_glyph
from benchmarks.peers.common import MAX_BATCH, WORKERS, load_recognizer, recognize


@bentoml.service(workers=WORKERS, logging={"access": {"enabled": False}})
class Reader:
    """One process that serves HTTP and, in a thread of its own, runs the batches."""

    def __init__(self) -> None:
        self.recognizer = load_recognizer()

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH)
    def predict(self, files: list[Path]) -> list[dict[str, Any]]:
        """Reads a batch; a client sends a list of one image, and is answered with a list of one."""
        return recognize(self.recognizer, [read_glyph(file.read_bytes()) for file in files])
