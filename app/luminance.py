"""From an image of any mode to levels of grey, in which ink and paper differ as much as they do in the image."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from PIL import Image

# Grey levels between paper and ink from which no other reading of the colours is sought.
_CLEAR: Final = 100
_FAINT: Final = 40
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def plain(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels may be averaged: ``L``, ``RGB``, ``LA`` or ``RGBA``."""
    if image.mode.startswith("I"):
        # 16-bit greyscale, which convert("L") would clip at 255; some files keep 8 or 12 bits in the 16.
        values = np.asarray(image)
        top = next(top for top in (255, 4095, 65535) if values.max() <= top)
        return Image.fromarray((values * (255 / top)).astype(np.uint8))
    if "transparency" in image.info:  # A level or an entry of the palette that stands for no ink at all.
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "LA", "RGBA"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def luminance(image: Image.Image) -> Image.Image:
    """Mode ``L`` of an image from `plain`; transparency lies on white, or on black where the ink is white.

    Colours that hardly differ in brightness (yellow ink on white) are told apart along the axis on which those of
    this image vary most.
    """
    if image.mode == "L":
        return image
    if image.mode in ("LA", "RGBA"):
        on_white = _on(image, "white")
        if (contrast := _contrast(on_white)) >= _FAINT:
            return on_white
        on_black = _on(image, "black")
        return on_white if contrast >= _contrast(on_black) else on_black
    grey = image.convert("L")
    return grey if _contrast(grey) >= _CLEAR else _along_main_axis(image, grey)


def _on(image: Image.Image, paper: str) -> Image.Image:
    rgba = image.convert("RGBA")
    return luminance(Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("RGB"))


def _contrast(image: Image.Image) -> float:
    darkest, lightest = cast(tuple[int, int], image.getextrema())
    return lightest - darkest


def _along_main_axis(image: Image.Image, grey: Image.Image) -> Image.Image:
    colours = np.asarray(image, np.float32).reshape(-1, 3)
    colours = colours - colours.mean(0)
    covariance = (colours.T @ colours / len(colours)).astype(np.float64)
    spreads, axes = np.linalg.eigh(covariance)
    if spreads[-1] <= 2 * (_LUMA @ covariance @ _LUMA) / (_LUMA @ _LUMA):
        return grey
    along = colours @ axes[:, -1].astype(np.float32)
    least = along.min()
    levels = np.rint((along - least) * (255 / (along.max() - least)))
    return Image.fromarray(levels.astype(np.uint8).reshape(image.height, image.width))
