"""LitServe with batching, as lightning.ai/docs/litserve/features/batching describes it, by default on one worker.

The reference of ``LitServer`` advises ``fast_queue`` beyond 100 requests per second, but in this release it has no
effect (Lightning-AI/LitServe issue 751), so it is off. It also advises one worker per core on a CPU.
"""

import sys
from typing import Any

import litserve
from fastapi import Request

from akshar.imaging.glyph import Glyph
from akshar.imaging.reader import read_glyph
from benchmarks.peers.common import MAX_BATCH, WORKERS, load_recognizer, recognize

# No postponed annotations in this module: LitServe looks at the type of `request` itself.


class Reader(litserve.LitAPI):
    """Runs in LitServe's worker process; the HTTP server is a separate process."""

    def setup(self, device: str) -> None:
        self.recognizer = load_recognizer()

    def decode_request(self, request: Request) -> Glyph:
        return read_glyph(request["file"].file.read())

    def batch(self, inputs: list[Glyph]) -> list[Glyph]:
        return inputs

    def predict(self, glyphs: list[Glyph]) -> list[dict[str, Any]]:
        return recognize(self.recognizer, glyphs)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    # A worker waits this long for a batch to fill, and a lone request waits all of it, so it is short.
    server = litserve.LitServer(
        Reader(max_batch_size=MAX_BATCH, batch_timeout=0.005), accelerator="cpu", workers_per_device=WORKERS
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
