"""What is sent: drawings of two consonants, all a little different, as small PNG files."""

from __future__ import annotations

from typing import Final

from benchmarks.load import Body, multipart
from tests.drawing import draw, encode

COUNT: Final = 64

IMAGES: Final = tuple(
    encode(draw(("pa", "tta")[i % 2], 32, stroke=0.07 + 0.016 * (i // 16), margin=0.04 + 0.008 * (i % 16)))
    for i in range(COUNT)
)


def single(image: bytes) -> Body:
    """One upload of one image."""
    return multipart([("file", "character.png", image, "image/png")])


def batch() -> Body:
    """One upload of all images."""
    return multipart([("file", f"{i}.png", image, "image/png") for i, image in enumerate(IMAGES)])
