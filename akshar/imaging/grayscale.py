"""From colours to grey levels in which ink and paper differ as much as they do in the image."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from akshar.imaging.glyph import Pixels

# With this much contrast in plain luminance, no other projection of the colours is tried.
_CLEAR_CONTRAST: Final = 100
_FAINT_CONTRAST: Final = 40
# The variance of one colour, in grey levels, by rounding.
_ROUNDING: Final = 0.5
# Pixels of the longer side from which the main axis is estimated.
_SAMPLE: Final = 100
# Up to so many pixels NumPy counts as quickly as OpenCV.
_FEW: Final = 5_000
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def pixels(image: Image.Image) -> Pixels:
    """The pixels of an image of mode ``L``: quicker than `np.asarray`, which tells in small ones."""
    return np.ndarray(image.size[::-1], np.uint8, image.tobytes())


def histogram(level: Pixels) -> npt.NDArray[Any]:
    """The number of pixels of each grey level, shape (256,)."""
    if level.size <= _FEW:
        return np.bincount(level.ravel(), minlength=256)
    return cv2.calcHist([level], [0], None, [256], [0, 256]).ravel()


def luminance(image: Image.Image) -> Pixels:
    """The grey levels of an image in a mode of `to_plain_mode`.

    Transparency is laid on white, or on black under white ink.

    Colours that hardly differ in brightness (yellow ink on white) are told apart along the axis on which the colours of
    this image vary most.
    """
    if image.mode == "L":
        return pixels(image)
    if image.mode in ("LA", "RGBA"):
        return _on_paper(image)
    level = pixels(image.convert("L"))
    return level if is_clear(level) else _along_main_axis(image, level)


def is_clear(level: Pixels) -> bool:
    """Whether these grey levels, of all or part of an image, are what `luminance` makes of it."""
    return _contrast(level) >= _CLEAR_CONTRAST


def _on_paper(image: Image.Image) -> Pixels:
    """A translucent image on white or black paper, whichever shows more."""
    opaque = Image.new("L", image.size, 255)
    opaque.paste(image.convert("L"), mask=image.getchannel("A"))
    level = pixels(opaque)
    if is_clear(level):
        return level
    on_white = _composite(image, "white")
    if (contrast := _contrast(on_white)) >= _FAINT_CONTRAST:
        return on_white
    on_black = _composite(image, "black")
    return on_white if contrast >= _contrast(on_black) else on_black


def _composite(image: Image.Image, paper: str) -> Pixels:
    rgba = image.convert("RGBA")
    return luminance(Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("RGB"))


def _contrast(level: Pixels) -> float:
    darkest, lightest, *_ = cv2.minMaxLoc(level)
    return lightest - darkest


def _along_main_axis(image: Image.Image, level: Pixels) -> Pixels:
    colors = np.asarray(image).astype(np.float32)
    step = -(-max(image.size) // _SAMPLE)
    sample = colors[::step, ::step].reshape(-1, 3)
    covariance = np.atleast_2d(np.cov(sample, rowvar=False, bias=True))
    variances, axes = np.linalg.eigh(covariance)
    if variances[-1] <= max(2 * (_LUMA @ covariance @ _LUMA) / (_LUMA @ _LUMA), _ROUNDING):
        return level
    along = cv2.transform(colors, axes[None, :, -1]).reshape(colors.shape[:2])
    return cv2.normalize(along, None, 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
