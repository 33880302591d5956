"""What is sent: drawings of two consonants, all a little different, as small PNG files."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from benchmarks.load import Body, multipart
from tests.drawing import draw, encode

COUNT: Final = 64

IMAGES: Final = tuple(
    encode(draw(("pa", "tta")[i % 2], 32, stroke=0.07 + 0.016 * (i // 16), margin=0.04 + 0.008 * (i % 16)))
    for i in range(COUNT)
)


def photo() -> bytes:
    """A photograph of 1000x1000 pixels: grey ink on grey paper in uneven light, with a sensor's noise."""
    page = Image.new("L", (1000, 1000), 255)
    page.paste(draw("pa", 400), (350, 250))
    light = np.linspace(0.9, 0.6, 1000)[:, None, None] * np.ones(3)
    levels = (60 + 0.45 * np.asarray(page, float)[..., None]) * light
    noisy = levels + np.random.default_rng(0).normal(0, 4, (1000, 1000, 3))
    return encode(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)


def single(image: bytes) -> Body:
    """One upload of one image."""
    return multipart([("file", "character.png", image, "image/png")])


def batch() -> Body:
    """One upload of all images."""
    return multipart([("file", f"{i}.png", image, "image/png") for i, image in enumerate(IMAGES)])
