"""MLServer: a custom runtime behind the V2 protocol, with adaptive batching, by default on one worker process.

It follows "Custom Inference Runtimes", "Adaptive Batching" and "Parallel Inference" (one worker by default) of
docs.seldon.ai/mlserver/user-guide. Its codecs carry an image as base64 in JSON and a prediction as JSON in a string.
MLServer looks for its settings in ``mlserver_model/``. Its worker fails on uvloop 0.22 and later ("There is no current
event loop"), so its requirements pin an earlier release.
"""

from __future__ import annotations

import json

from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from akshar.imaging.reader import read_glyph
from benchmarks.peers.common import load_recognizer, recognize


class Reader(MLModel):
    """Runs in MLServer's worker process; the HTTP server is a separate process."""

    async def load(self) -> bool:
        self.recognizer = load_recognizer()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        images = Base64Codec.decode_input(payload.inputs[0])
        predictions = recognize(self.recognizer, [read_glyph(image) for image in images])
        output = StringCodec.encode_output("predictions", [json.dumps(prediction) for prediction in predictions])
        return InferenceResponse(model_name=self.name, outputs=[output])
