"""`akshar serve` with an extractor and a decoder that some images make fail: the same processes, faults on demand."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[2]))

from akshar import cli
from akshar.imaging import reader
from akshar.imaging.reader import read_glyph
from akshar.model import extractor
from app.serving import decode_worker, decoder
from tests.drawing import encode

HOLD_SECONDS = 1.5
DECODER = "decoder"
SLOW_SIZE = (400, 77)


def marker(name: str) -> bytes:
    """An image that makes the extractor fail in the way that its shape stands for."""
    image = Image.new("L", SLOW_SIZE if name == "slow" else (64, 64), 255)
    pen = ImageDraw.Draw(image)
    match name:
        case "poison":  # raises
            pen.ellipse([8, 8, 56, 56], 0)
        case "hold":  # takes long
            pen.polygon([(8, 56), (56, 56), (32, 8)], 0)
        case "death":  # ends the worker's thread
            pen.rectangle([8, 8, 56, 56], 0)
            pen.rectangle([24, 24, 40, 40], 255)
    return encode(image)


def install() -> None:
    """Put the faults in front of the real extractor."""
    glyphs = {name: read_glyph(marker(name)) for name in ("poison", "hold", "death")}

    def holds(batch: np.ndarray, name: str) -> bool:
        return bool((batch == glyphs[name]).all(axis=(1, 2)).any())

    def faulty(call: Any) -> Any:
        def wrapped(self: object, batch: np.ndarray) -> np.ndarray:
            if holds(batch, "death"):
                raise SystemExit
            if holds(batch, "poison"):
                raise RuntimeError("what nobody outside may read")
            if holds(batch, "hold"):
                time.sleep(HOLD_SECONDS)
            return np.asarray(call(self, batch))

        return wrapped

    def slow(image: Image.Image) -> reader.Reading:
        if image.size == SLOW_SIZE:
            sum(range(10**12))  # For hours, in native code.
        return reader.read(image)

    decode_worker.read = slow  # type: ignore[attr-defined]
    decoder.COMMAND[:] = [sys.executable, __file__, DECODER]
    for kind in (extractor.OnnxExtractor, extractor.TensorFlowExtractor):
        kind.__call__ = faulty(kind.__call__)  # type: ignore[method-assign]


# Worker processes import this file under another name, and get the faults, too.
if __name__ in ("__main__", "__mp_main__"):
    install()
if __name__ == "__main__" and sys.argv[1] == DECODER:
    del sys.argv[1]
    decode_worker.serve()
elif __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    cli.main()
