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
from typing import Final, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

Glyph = npt.NDArray[np.float32]
"""One canonical glyph, shape (32, 32), values in [0, 1]."""
SIZE: Final = 32
BORDER: Final = 2
INNER: Final = SIZE - 2 * BORDER

FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS: Final = 16_000_000

# Luminance steps (of 255) between paper and ink below which there is nothing to read.
_MIN_CONTRAST: Final = 20.0
# A crop is first brought to this size, so that the cost of what follows is bounded and strokes have pixels to grow in.
_WORK: Final = 4 * INNER
# Strokes thinner than this share of the frame (2 of 28 pixels) are thickened; the data set's are 2 to 5 pixels wide.
_MIN_STROKE: Final = 2 / INNER
# The narrower side of a crop counts as at least this share of the longer: a danda stays a bar and fills no square.
_MIN_ASPECT: Final = 1 / 3
_BLANK: Final = "The image is blank: nothing stands out from the background."
_LEVELS: Final = np.arange(256)


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
    return canonical_glyph(decode(data, max_pixels))


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode an image file to 8-bit luminance (mode ``L``) on its paper. See `read_glyph` for arguments and errors."""
    if not data:
        raise ImageError("empty_file", "The file is empty.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > max_pixels:
            raise _too_many(max_pixels)
        image.load()
        with contextlib.suppress(Exception):  # Broken metadata says nothing of the pixels.
            ImageOps.exif_transpose(image, in_place=True)
        return _flatten(image)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # So many that Pillow refuses first.
        raise _too_many(max_pixels) from None
    except UnidentifiedImageError:
        raise ImageError(
            "unsupported_image", f"The upload is not an image in one of the formats {', '.join(FORMATS)}."
        ) from None
    except Exception as error:  # Broken data makes decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        raise ImageError("truncated_image", "The image is truncated or damaged.") from error


def _too_many(max_pixels: int) -> ImageError:
    return ImageError("too_many_pixels", f"The image has more than {max_pixels:,} pixels.")


def canonical_glyph(image: Image.Image) -> Glyph:
    """Make the canonical glyph of a luminance image (mode ``L``) of any size and either polarity.

    Raises:
        ImageError: ``blank_image``, where nothing stands out from the paper.
    """
    ink = _ink(image)
    # After the stretch, half strength (the highest bit) parts ink from paper, and neither side is empty.
    box = Image.fromarray(ink & 0x80).getbbox()
    glyph = np.zeros((SIZE, SIZE), np.float32)
    glyph[BORDER:-BORDER, BORDER:-BORDER] = _fit(Image.fromarray(ink).crop(box))
    return glyph


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
        rgba = image.convert("RGBA")
        on_white, on_black = _on(rgba, "white"), _on(rgba, "black")
        return on_white if _contrast(on_white) >= min(2 * _MIN_CONTRAST, _contrast(on_black)) else on_black
    return image.convert("L")


def _on(rgba: Image.Image, paper: str) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", rgba.size, paper), rgba).convert("L")


def _contrast(image: Image.Image) -> float:
    darkest, lightest = cast(tuple[int, int], image.getextrema())
    return lightest - darkest


def _ink(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Ink strength of each pixel, 0 to 255, stretched between paper and ink, whichever of the two is the darker."""
    if _contrast(image) < _MIN_CONTRAST:
        raise ImageError("blank_image", _BLANK)
    counts = np.array(image.histogram(), np.float64)
    threshold = _otsu(counts)
    low, high = _median(counts[: threshold + 1]), threshold + 1 + _median(counts[threshold + 1 :])
    if high - low < _MIN_CONTRAST:
        raise ImageError("blank_image", _BLANK)
    strength = np.clip((_LEVELS - low) / (high - low), 0, 1)
    # Paper is what fills most of the image and most of its edge.
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    light_is_ink = counts[: threshold + 1].sum() / counts.sum() + np.mean(edge <= threshold) > 1
    table = np.rint(255 * (strength if light_is_ink else 1 - strength)).astype(np.uint8)
    strengths: npt.NDArray[np.uint8] = table[pixels]
    return strengths


def _otsu(counts: npt.NDArray[np.float64]) -> int:
    """The level up to which pixels count as dark, so that the variance between dark and light is greatest.

    Otsu, "A threshold selection method from gray-level histograms", 1979. Both sides hold a level where there are two.
    """
    dark = np.cumsum(counts)
    total = np.cumsum(counts * _LEVELS)
    spread = dark * (dark[-1] - dark)
    between = (total[-1] * dark / dark[-1] - total) ** 2 / np.where(spread > 0, spread, np.inf)
    return int(between.argmax())


def _median(counts: npt.NDArray[np.float64]) -> int:
    """The median level of a histogram that is not empty."""
    total = np.cumsum(counts)
    return int(np.searchsorted(total, total[-1] / 2))


def _fit(crop: Image.Image) -> Glyph:
    """Resize a crop to 28x28, keeping strokes that would fade. Returns shape (28, 28), values in [0, 1]."""
    short = round(max(crop.size) * _MIN_ASPECT)
    if min(crop.size) < short:
        crop = ImageOps.pad(crop, (max(crop.width, short), max(crop.height, short)), color=0)
    if max(crop.size) > _WORK:
        crop = crop.resize((min(crop.width, _WORK), min(crop.height, _WORK)), Image.Resampling.BOX)
    if min(crop.size) > INNER:
        crop = _thicken(crop)
    fitted = np.asarray(crop.resize((INNER, INNER), Image.Resampling.BILINEAR), np.float32)
    peaked: Glyph = fitted / fitted.max()
    return peaked


def _thicken(crop: Image.Image) -> Image.Image:
    """Grow strokes thinner than `_MIN_STROKE` of the frame: they would vanish in the resize."""
    ink = np.asarray(crop)
    solid = ink > ink.max() // 2
    # Twice the area over the length of the outline is the mean width of a stroke.
    outline = int(np.count_nonzero(solid[1:] != solid[:-1]) + np.count_nonzero(solid[:, 1:] != solid[:, :-1]))
    missing = _MIN_STROKE * min(crop.size) - 2 * np.count_nonzero(solid) / max(outline, 1)
    if missing < 1:
        return crop
    return ImageOps.autocontrast(crop).filter(ImageFilter.MaxFilter(2 * round(missing / 2) + 1))
