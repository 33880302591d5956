"""From an encoded image to the canonical glyph: 32x32 float32, ink 1, paper 0.

The same function prepares training images and uploads, so what the network sees in service is what it has learnt.
The steps: decode within limits, turn upright, find the ink (`app.ink`, `app.page`) and frame it (`app.framing`).
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from app.framing import Glyph, fit
from app.ink import by_levels
from app.luminance import luminance, plain
from app.page import by_parts

FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS: Final = 16_000_000
THUMBNAIL: Final = 40
"""Up to this side, in pixels, an image holds a glyph and little else, as data sets' do."""
# JPEGs are decoded at an eighth, a quarter or half of their size where that leaves this much.
_ENOUGH: Final = 480
# Where an orientation may stand. Most small images have none of these, and Pillow's search is not free.
_METADATA: Final = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A glyph, and what was done to an image for it.

    Attributes:
        glyph: shape (32, 32), float32, ink 1 and paper 0.
        size: width and height of the upright image, in pixels as sent.
        box: left, top, right, bottom of the character in it.
        turned: whether its metadata said that it lay on a side.
        light: whether the ink is lighter than its paper.
        contrast: levels, of 255, by which the ink stands out.
        specks: parts left out as dust.
        edges: parts left out as the form's or a neighbour's, at the image's edge.
        widened: glyph pixels by which thin strokes were widened.
    """

    glyph: Glyph
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    turned: bool
    light: bool
    contrast: int
    specks: int
    edges: int
    widened: float


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
    return read(open_image(data, max_pixels)).glyph


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


def read(image: Image.Image) -> Reading:
    """Decode an image from `open_image` and make its canonical glyph. See `read_glyph` for the errors."""
    longest = max(image.size)
    try:
        image.draft(None, (_ENOUGH, _ENOUGH))
        image.load()
        turned = not _METADATA.isdisjoint(image.info) and _turn_upright(image)
        upright = plain(image)
    except Exception as error:
        raise _damaged() from error
    ink = by_levels(luminance(upright)) if longest <= THUMBNAIL else by_parts(upright)
    framed = ink and fit(ink.strength)
    if not ink or not framed:
        raise ImageError("blank_image", "The image is blank: nothing stands out from the background.")
    glyph, widened = framed
    size, box = upright.size, ink.box
    if max(size) < longest:  # Decoded at a part of its size.
        scale = longest / max(size)
        size = round(scale * size[0]), round(scale * size[1])
        box = round(scale * box[0]), round(scale * box[1]), round(scale * box[2]), round(scale * box[3])
    return Reading(glyph, size, box, turned, ink.light, ink.contrast, ink.specks, ink.edges, widened)


def _turn_upright(image: Image.Image) -> bool:
    """Turn a loaded image, in place, as its metadata ask; whether they did."""
    lying = image.im
    with contextlib.suppress(Exception):  # Broken metadata say nothing of the pixels.
        ImageOps.exif_transpose(image, in_place=True)
    return image.im is not lying


def _too_many(max_pixels: int) -> ImageError:
    return ImageError("too_many_pixels", f"The image has more than {max_pixels:,} pixels.")


def _damaged() -> ImageError:
    """For whatever broken data makes decoders raise: OSError, SyntaxError, ValueError, struct.error, ..."""
    return ImageError("truncated_image", "The image is truncated or damaged.")
