"""From colours to grey levels in which ink and paper differ as much as they do in the image."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from PIL import Image

# With this much contrast in plain luminance, no other projection of the colours is tried.
_CLEAR_CONTRAST: Final = 100
_FAINT_CONTRAST: Final = 40
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def luminance(image: Image.Image) -> Image.Image:
    """An image in a mode of `to_plain_mode` as mode ``L``; transparency is laid on white, or on black under white ink.

    Colours that hardly differ in brightness (yellow ink on white) are told apart along the axis on which the colours of
    this image vary most.
    """
    if image.mode == "L":
        return image
    if image.mode in ("LA", "RGBA"):
        on_white = _composite(image, "white")
        if (contrast := _contrast(on_white)) >= _FAINT_CONTRAST:
            return on_white
        on_black = _composite(image, "black")
        return on_white if contrast >= _contrast(on_black) else on_black
    gray = image.convert("L")
    return gray if _contrast(gray) >= _CLEAR_CONTRAST else _along_main_axis(image, gray)


def _composite(image: Image.Image, paper: str) -> Image.Image:
    rgba = image.convert("RGBA")
    return luminance(Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("RGB"))


def _contrast(image: Image.Image) -> float:
    darkest, lightest = cast(tuple[int, int], image.getextrema())
    return lightest - darkest


def _along_main_axis(image: Image.Image, gray: Image.Image) -> Image.Image:
    colors = np.asarray(image, np.float32).reshape(-1, 3)
    colors = colors - colors.mean(0)
    covariance = (colors.T @ colors / len(colors)).astype(np.float64)
    variances, axes = np.linalg.eigh(covariance)
    if variances[-1] <= 2 * (_LUMA @ covariance @ _LUMA) / (_LUMA @ _LUMA):
        return gray
    along = colors @ axes[:, -1].astype(np.float32)
    lowest = along.min()
    levels = np.rint((along - lowest) * (255 / (along.max() - lowest)))
    return Image.fromarray(levels.astype(np.uint8).reshape(image.height, image.width))
