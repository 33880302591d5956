"""Ray Serve: dynamic batching behind a FastAPI ingress, by default one replica that may use all cores.

It follows docs.ray.io/en/latest/serve/advanced-guides: `@serve.batch` from "Dynamic Request Batching", computing in a
thread from "Asyncio and concurrency best practices", and more concurrent requests and the throughput-optimized flags
(environment variables, in `benchmarks.peers`) from "Performance Tuning".
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

from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import read_glyph
from benchmarks.peers.common import MAX_BATCH, WORKERS, load_recognizer, recognize

# No postponed annotations in this module: Ray sends the class to another process, where FastAPI cannot resolve them.

app = FastAPI()


_CORES = (os.cpu_count() or 1) // WORKERS


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=1000, ray_actor_options={"num_cpus": _CORES})
@serve.ingress(app)
class Reader:
    """Runs in Ray's replica process; the HTTP proxy is a separate process."""

    def __init__(self) -> None:
        self.recognizer = load_recognizer()

    @app.get("/health")
    async def health(self) -> dict[str, str]:
        """Responds once the replica has its models."""
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(self, file: UploadFile) -> dict[str, Any]:
        """Read one image."""
        prediction: dict[str, Any] = await self.batch(read_glyph(await file.read()))
        return prediction

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.005)
    async def batch(self, glyphs: list[Glyph]) -> list[dict[str, Any]]:
        """Predictions for the glyphs of several requests, which Ray collects from single calls."""
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
