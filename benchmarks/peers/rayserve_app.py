"""Ray Serve: dynamic batching behind a FastAPI ingress, by default one replica that may use all cores.

From docs.ray.io/en/latest/serve/advanced-guides: `@serve.batch` as "Dynamic Request Batching" says, its work moved off
the event loop as "Asyncio and concurrency best practices" says; more requests at once and the throughput-optimized
flags (an environment variable, in `benchmarks.peers`) as "Performance Tuning" says.
"""

import asyncio
import os
import signal
import sys
import tempfile
from typing import Any

import ray
from fastapi import FastAPI, UploadFile
from ray import serve

from app.framing import Glyph
from app.imaging import read_glyph
from benchmarks.peers.common import MAX_BATCH, WORKERS, load_recognizer, recognize

# This module does without postponed annotations: Ray sends the class elsewhere, where FastAPI could not look them up.

app = FastAPI()


_CORES = (os.cpu_count() or 1) // WORKERS


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=1000, ray_actor_options={"num_cpus": _CORES})
@serve.ingress(app)
class Reader:
    """Runs in Ray's replica process; its HTTP proxy is another."""

    def __init__(self) -> None:
        self.recognizer = load_recognizer()

    @app.get("/health")
    async def health(self) -> dict[str, str]:
        """Answers once the replica has its models."""
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(self, file: UploadFile) -> dict[str, Any]:
        """Reads one image."""
        answer: dict[str, Any] = await self.batch(read_glyph(await file.read()))
        return answer

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.005)
    async def batch(self, glyphs: list[Glyph]) -> list[dict[str, Any]]:
        """Answers for the glyphs of several requests; Ray calls it with what single calls passed."""
        return await asyncio.to_thread(recognize, self.recognizer, glyphs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        ray.init(include_dashboard=False, _temp_dir=folder, _node_ip_address="127.0.0.1")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
            serve.run(Reader.bind())
            signal.pause()
        finally:
            ray.shutdown()  # Without `serve.shutdown`, which waits half a minute for HAProxy.
