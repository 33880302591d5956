"""The images that are sent: drawings of two consonants, each slightly different, as small PNG files."""

from __future__ import annotations

import io
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.load import Body, multipart
from training.data.drawings import GLYPHS, draw

COUNT: Final = 64


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The image as a file; ``kind`` and ``options`` are those of Pillow."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


IMAGES: Final = tuple(
    encode(draw(GLYPHS[("pa", "tta")[i % 2]], 32, stroke=0.07 + 0.016 * (i // 16), margin=0.04 + 0.008 * (i % 16)))
    for i in range(COUNT)
)


def photo(side: int = 1000) -> bytes:
    """A square photograph: gray ink on gray paper in uneven light, with the noise of a sensor."""
    page = Image.new("L", (side, side), 255)
    page.paste(draw(GLYPHS["pa"], 2 * side // 5), (7 * side // 20, side // 4))
    light = np.linspace(0.9, 0.6, side)[:, None, None] * np.ones(3)
    levels = (60 + 0.45 * np.asarray(page, float)[..., None]) * light
    noisy = levels + np.random.default_rng(0).normal(0, 4, (side, side, 3))
    return encode(Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), "JPEG", quality=85)


PICTURES: Final = {
    "32": IMAGES[0],
    "64": encode(draw(GLYPHS["pa"], 64)),
    "160": encode(draw(GLYPHS["pa"], 160)),
    "280": encode(draw(GLYPHS["pa"], 280).convert("RGBA")),
    "300": photo(300),
    "1000": photo(1000),
}
"""Pictures by their side in pixels: grey drawings up to 160, a canvas as browsers save it (RGBA), two photographs."""


def single(image: bytes) -> Body:
    """A form with one image."""
    return multipart([("file", "character.png", image, "image/png")])


def batch() -> Body:
    """A form with all images."""
    return multipart([("file", f"{i}.png", image, "image/png") for i, image in enumerate(IMAGES)])
