"""Pages and photographs for the tests of imaging."""

from typing import Any

import numpy as np
from PIL import Image

from akshar.imaging.reader import Reading, open_image, read
from tests.drawing import encode


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two glyphs, at most 1."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def reading(image: Image.Image, kind: str = "PNG", **options: Any) -> Reading:
    return read(open_image(encode(image, kind, **options)))


def photographed(drawn: Image.Image, light: np.ndarray, noise: float = 4) -> Image.Image:
    """Grey ink on grey paper, in uneven light (a factor for each pixel), as a noisy sensor sees it."""
    levels = (70 + np.asarray(drawn) * 0.4) * light + np.random.default_rng(0).normal(0, noise, light.shape)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def set_on_page(drawn: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    page = Image.new("L", size, 255)
    page.paste(drawn, at)
    return page


def ramp(size: int, dark: float) -> np.ndarray:
    return np.linspace(1, dark, size)[:, None] * np.linspace(1, dark, size)[None]


def shadow(size: int, dark: float) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    return np.where(2 * rows + columns > 1.6 * size, dark, 1.0)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: show it rotated by 90 degrees clockwise.
    return exif
