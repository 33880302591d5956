"""From an encoded image to the canonical glyph: 32x32 float32, ink 1, paper 0.

The same function prepares training images and uploads, so what the network sees in service is what it has learnt.
The steps: decode within limits, flatten colour and transparency to ink strength against the paper, stretch the
contrast, crop to the ink, resize the crop to 28x28 and set it in a border of 2.

The crop is stretched to fill its frame because the data set's own images are: its writers' aspect ratios are lost, so
a model trained on it must not be shown any.
"""

from __future__ import annotations

import contextlib
import io
import struct
from functools import lru_cache
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = npt.NDArray[np.uint8]
"""A greyscale image, shape (height, width)."""
Glyph = npt.NDArray[np.float32]
"""One canonical glyph, shape (32, 32), values in [0, 1]."""
SIZE: Final = 32
BORDER: Final = 2
INNER: Final = SIZE - 2 * BORDER

FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS: Final = 16_000_000

# Luminance steps (of 255) between paper and ink below which there is nothing to read.
_MIN_CONTRAST: Final = 20
# A crop is first brought to this size, so that the cost of what follows is bounded and strokes have pixels to grow in.
_WORK: Final = 4 * INNER
# Strokes thinner than this share of the frame (2 of 28 pixels) are thickened; the data set's are 2 to 5 pixels wide.
_MIN_STROKE: Final = 2 / INNER
# The narrower side of a crop counts as at least this share of the longer: a danda stays a bar and fills no square.
_MIN_ASPECT: Final = 1 / 3
_BLANK: Final = "The image is blank: nothing stands out from the background."
_LEVELS: Final = np.arange(256)
# Where an orientation may stand. Most small images have none of these, and Pillow's search is not free.
_METADATA: Final = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


class ImageError(Exception):
    """An upload that cannot become a glyph. ``code`` is stable and names the reason; the text is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_glyph(data: bytes, max_pixels: int = MAX_PIXELS) -> Glyph:
    """Decode an image file and make its canonical glyph.

    Args:
        data: the encoded file: PNG, JPEG, WebP, BMP or GIF (its first frame).
        max_pixels: the largest width x height that is decoded; the header is checked before any pixel is.

    Returns:
        The glyph, shape (32, 32), float32, ink 1 and paper 0.

    Raises:
        ImageError: with the code ``empty_file``, ``unsupported_image``, ``too_many_pixels``, ``truncated_image`` or
            ``blank_image``.
    """
    return glyph_of(open_image(data, max_pixels))


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the header of an image file: its size is known, no pixel is decoded. See `read_glyph` for the errors."""
    if not data:
        raise ImageError("empty_file", "The file is empty.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # So many that Pillow refuses first.
        raise _too_many(max_pixels) from None
    except UnidentifiedImageError:
        raise ImageError(
            "unsupported_image", f"The upload is not an image in one of the formats {', '.join(FORMATS)}."
        ) from None
    except Exception as error:
        raise _damaged() from error
    if image.width * image.height > max_pixels:
        raise _too_many(max_pixels)
    return image


def glyph_of(image: Image.Image) -> Glyph:
    """Decode an image from `open_image` and make its canonical glyph. See `read_glyph` for the errors."""
    try:
        image.load()
        if not _METADATA.isdisjoint(image.info):
            with contextlib.suppress(Exception):  # Broken metadata says nothing of the pixels.
                ImageOps.exif_transpose(image, in_place=True)
        luminance = _flatten(image)
    except Exception as error:
        raise _damaged() from error
    return canonical_glyph(luminance)


def _too_many(max_pixels: int) -> ImageError:
    return ImageError("too_many_pixels", f"The image has more than {max_pixels:,} pixels.")


def _damaged() -> ImageError:
    """For whatever broken data makes decoders raise: OSError, SyntaxError, ValueError, struct.error, ..."""
    return ImageError("truncated_image", "The image is truncated or damaged.")


def canonical_glyph(image: Image.Image) -> Glyph:
    """Make the canonical glyph of a luminance image (mode ``L``) of any size and either polarity.

    Raises:
        ImageError: ``blank_image``, where nothing stands out from the paper.
    """
    ink = _ink(image)
    # After the stretch, half strength parts ink from paper, and neither side is empty.
    solid = ink >= 128
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    return _fit(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _flatten(image: Image.Image) -> Image.Image:
    """Luminance of a decoded image of any mode; transparency lies on white, or on black where the ink is white."""
    if image.mode == "L" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        # 16-bit greyscale, which convert("L") would clip at 255; some files keep 8 or 12 bits in the 16.
        values = np.asarray(image)
        top = next(top for top in (255, 4095, 65535) if values.max() <= top)
        return Image.fromarray((values * (255 / top)).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        on_white = _on(rgba, "white")
        if (contrast := _contrast(on_white)) >= 2 * _MIN_CONTRAST:
            return on_white
        on_black = _on(rgba, "black")
        return on_white if contrast >= _contrast(on_black) else on_black
    return image.convert("L")


def _on(rgba: Image.Image, paper: str) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("L")


def _contrast(image: Image.Image) -> float:
    darkest, lightest = cast(tuple[int, int], image.getextrema())
    return lightest - darkest


def _ink(image: Image.Image) -> Pixels:
    """Ink strength of each pixel, 0 to 255, stretched between paper and ink, whichever of the two is the darker."""
    (width, height), raw = image.size, image.tobytes()
    counts = np.frombuffer(struct.pack("256q", *image.histogram()), np.int64)  # Half the cost of np.array.
    dark = counts.cumsum()
    threshold = _otsu(dark, (counts * _LEVELS).cumsum())
    below, size = int(dark[threshold]), len(raw)
    # The medians of the two sides; one side is empty where all pixels are of one level.
    low, high = dark.searchsorted((below / 2, (below + size) / 2)).tolist()
    if not 0 < below < size or high - low < _MIN_CONTRAST:
        raise ImageError("blank_image", _BLANK)
    # Paper is what fills most of the image and most of its edge.
    edge = raw[:width] + raw[-width:] + raw[::width] + raw[width - 1 :: width]
    dark_edge = len(edge) - len(edge.translate(None, bytes(range(threshold + 1))))
    light_is_ink = below / size + dark_edge / len(edge) > 1
    return np.ndarray((height, width), np.uint8, raw.translate(_stretch(low, high, light_is_ink)))


@lru_cache(maxsize=4096)
def _stretch(low: int, high: int, light_is_ink: bool) -> bytes:
    """The ink strength of each luminance. Few pairs of levels are ever met, and most come again."""
    strength = ((_LEVELS - low) / (high - low)).clip(0, 1)
    table: bytes = np.rint(255 * (strength if light_is_ink else 1 - strength)).astype(np.uint8).tobytes()
    return table


def _otsu(dark: npt.NDArray[np.int64], total: npt.NDArray[np.int64]) -> int:
    """The level up to which pixels count as dark, so that the variance between dark and light is greatest.

    Otsu, "A threshold selection method from gray-level histograms", 1979. Both sides hold a level where there are two.

    Args:
        dark: the number of pixels up to each level.
        total: the sum of their levels.
    """
    spread = np.maximum(dark * (dark[-1] - dark), 1)  # Where one side is empty there is no variance to divide either.
    between = (total[-1] * dark / dark[-1] - total) ** 2 / spread
    return int(between.argmax())


def _fit(ink: Pixels) -> Glyph:
    """Resize a crop to a glyph, keeping strokes that would fade."""
    short = round(max(ink.shape) * _MIN_ASPECT)
    if min(ink.shape) < short:
        ink = _centred(ink, max(ink.shape[0], short), max(ink.shape[1], short))
    if max(ink.shape) > _WORK:
        size = min(ink.shape[1], _WORK), min(ink.shape[0], _WORK)
        ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX))
    if min(ink.shape) > INNER:
        ink = _thicken(ink)
    crop = Image.frombuffer("L", ink.shape[::-1], ink.tobytes())
    fitted = crop.resize((INNER, INNER), Image.Resampling.BILINEAR).tobytes()
    glyph = np.zeros((SIZE, SIZE), np.float32)
    glyph[BORDER:-BORDER, BORDER:-BORDER] = np.ndarray((INNER, INNER), np.uint8, fitted)
    glyph /= glyph.max()
    return glyph


def _centred(ink: Pixels, height: int, width: int) -> Pixels:
    """Set a crop on a larger page of paper."""
    page = np.zeros((height, width), np.uint8)
    top, left = round((height - ink.shape[0]) / 2), round((width - ink.shape[1]) / 2)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def _thicken(ink: Pixels) -> Pixels:
    """Grow strokes thinner than `_MIN_STROKE` of the frame: they would vanish in the resize."""
    strongest = int(ink.max())
    if not strongest:  # Specks so far apart that nothing is left of them at this size.
        raise ImageError("blank_image", _BLANK)
    solid = ink > strongest // 2
    # Twice the area over the length of the outline is the mean width of a stroke.
    outline = int(np.count_nonzero(solid[1:] != solid[:-1]) + np.count_nonzero(solid[:, 1:] != solid[:, :-1]))
    missing = _MIN_STROKE * min(ink.shape) - 2 * np.count_nonzero(solid) / max(outline, 1)
    if missing < 1:
        return ink
    faintest = int(ink.min())
    scale = 255 / (strongest - faintest)
    stretched = (ink * scale - faintest * scale).astype(np.uint8)
    return _grown(stretched, round(missing / 2))


def _grown(ink: Pixels, radius: int) -> Pixels:
    """The strongest ink within ``radius`` pixels, first up and down, then left and right."""
    (height, width), steps = ink.shape, range(2 * radius + 1)
    page = _centred(ink, height + 2 * radius, width + 2 * radius)
    tall = np.maximum.reduce([page[step : step + height] for step in steps])
    grown: Pixels = np.maximum.reduce([tall[:, step : step + width] for step in steps])
    return grown
