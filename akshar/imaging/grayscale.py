"""From colours to grey levels in which ink and paper differ as much as they do in the image."""

from __future__ import annotations

from typing import Final, cast

import cv2
import numpy as np
from PIL import Image

# With this much contrast in plain luminance, no other projection of the colours is tried.
_CLEAR_CONTRAST: Final = 100
_FAINT_CONTRAST: Final = 40
# The variance of one colour, in grey levels, by rounding.
_ROUNDING: Final = 0.5
# Pixels of the longer side from which the main axis is estimated.
_SAMPLE: Final = 100
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def luminance(image: Image.Image) -> Image.Image:
    """An image in a mode of `to_plain_mode` as mode ``L``; transparency is laid on white, or on black under white ink.

    Colours that hardly differ in brightness (yellow ink on white) are told apart along the axis on which the colours of
    this image vary most.
    """
    if image.mode == "L":
        return image
    if image.mode in ("LA", "RGBA"):
        return _on_paper(image)
    gray = image.convert("L")
    return gray if _contrast(gray) >= _CLEAR_CONTRAST else _along_main_axis(image, gray)


def _on_paper(image: Image.Image) -> Image.Image:
    """A translucent image on white or black paper, whichever shows more."""
    opaque = Image.new("L", image.size, 255)
    opaque.paste(image.convert("L"), mask=image.getchannel("A"))
    if _contrast(opaque) >= _CLEAR_CONTRAST:
        return opaque
    on_white = _composite(image, "white")
    if (contrast := _contrast(on_white)) >= _FAINT_CONTRAST:
        return on_white
    on_black = _composite(image, "black")
    return on_white if contrast >= _contrast(on_black) else on_black


def _composite(image: Image.Image, paper: str) -> Image.Image:
    rgba = image.convert("RGBA")
    return luminance(Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("RGB"))


def _contrast(image: Image.Image) -> float:
    darkest, lightest = cast(tuple[int, int], image.getextrema())
    return lightest - darkest


def _along_main_axis(image: Image.Image, gray: Image.Image) -> Image.Image:
    colors = np.asarray(image).astype(np.float32)
    step = -(-max(image.size) // _SAMPLE)
    sample = colors[::step, ::step].reshape(-1, 3)
    covariance = np.atleast_2d(np.cov(sample, rowvar=False, bias=True))
    variances, axes = np.linalg.eigh(covariance)
    if variances[-1] <= max(2 * (_LUMA @ covariance @ _LUMA) / (_LUMA @ _LUMA), _ROUNDING):
        return gray
    along = cv2.transform(colors, axes[None, :, -1]).reshape(colors.shape[:2])
    return Image.fromarray(cv2.normalize(along, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U))
