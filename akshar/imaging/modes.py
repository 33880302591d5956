"""From the many modes of Pillow's images to the few whose pixels may be averaged."""

from __future__ import annotations

import numpy as np
from PIL import Image


def to_plain_mode(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels may be averaged: ``L``, ``RGB``, ``LA`` or ``RGBA``."""
    if image.mode.startswith("I"):
        # 16-bit greyscale, which convert("L") would clip at 255; some files store 8 or 12 bits in the 16.
        values = np.asarray(image)
        white = next(white for white in (255, 4095, 65535) if values.max() <= white)
        return Image.fromarray((values * (255 / white)).astype(np.uint8))
    if "transparency" in image.info:  # A level or a palette entry that stands for no ink at all.
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "LA", "RGBA"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
