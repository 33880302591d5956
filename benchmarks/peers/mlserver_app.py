"""MLServer: a custom runtime behind the V2 protocol, with adaptive batching, by default on one worker process.

From docs.seldon.ai/mlserver/user-guide: "Custom Inference Runtimes", "Adaptive Batching" and "Parallel Inference",
whose default is one worker. An image travels as base64 in JSON and an answer as JSON in a string, as its codecs have
it. The settings lie in ``mlserver_model/``, where MLServer looks for them. Its worker fails on uvloop 0.22 and later
("There is no current event loop"), so its requirements hold an earlier one.
"""

from __future__ import annotations

import json

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from app.imaging import read_glyph
from benchmarks.peers.common import load_recognizer, recognize


class Reader(MLModel):
    """Runs in MLServer's worker process; its HTTP server is another."""

    async def load(self) -> bool:
        self.recognizer = load_recognizer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = Base64Codec.decode_input(payload.inputs[0])
        answers = recognize(self.recognizer, [read_glyph(image) for image in images])
        output = StringCodec.encode_output("answers", [json.dumps(answer) for answer in answers])
        return InferenceResponse(model_name=self.name, outputs=[output])
