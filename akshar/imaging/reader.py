"""From an encoded image to the canonical glyph: 32x32 float32, ink 1, paper 0.

The same function prepares training images and uploads, so the network is served what it was trained on. The steps:
decode within limits, turn upright, find the ink and normalize it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps

from akshar.imaging.errors import ImageError
from akshar.imaging.finding import find_ink
from akshar.imaging.formats import MAX_PIXELS
from akshar.imaging.glyph import Glyph
from akshar.imaging.ink import Ink
from akshar.imaging.look import DRAFT_SIDE, Inspection
from akshar.imaging.modes import to_plain_mode
from akshar.imaging.normalize import normalize
from akshar.imaging.opening import check_memory, damaged, look_at, no_warnings, open_looked_at

# Where an orientation may be stored. Most small images have none of these, and Pillow's search is not free.
_METADATA: Final = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})


@dataclass(frozen=True, slots=True)
class Alternative:
    """A glyph, and what was done to the image to get it.

    Attributes:
        glyph: shape (32, 32), float32, ink 1 and paper 0.
        box: left, top, right, bottom of the character in the upright image, in pixels as sent.
        light: whether the ink is lighter than the paper.
        specks: parts removed as dust.
        edges: parts removed at the image's edge: form lines, neighbours.
        widened: glyph pixels by which thin strokes were widened.
    """

    glyph: Glyph
    box: tuple[int, int, int, int]
    light: bool
    specks: int
    edges: int
    widened: float


@dataclass(frozen=True, slots=True)
class Reading(Alternative):
    """The likeliest glyph of an image.

    Attributes:
        size: width and height of the upright image, in pixels as sent.
        turned: whether the image was turned upright, as its metadata asked.
        contrast: grey levels, of 255, between ink and paper.
        alternatives: other glyphs that it may show, where a line or part may be the character's or a form's, and where
            ink may be paper.
    """

    size: tuple[int, int]
    turned: bool
    contrast: int
    alternatives: tuple[Alternative, ...] = ()

    @property
    def glyphs(self) -> list[Glyph]:
        """Its own glyph, and those of the alternatives."""
        return [self.glyph, *(other.glyph for other in self.alternatives)]

    def chosen(self, index: int) -> Reading:
        """This reading with one of its `glyphs`, from 1 on, in the place of its own, which becomes an alternative."""
        names = [field.name for field in fields(Alternative)]
        own = Alternative(*(getattr(self, name) for name in names))
        other = self.alternatives[index - 1]
        rest = [alternative for at, alternative in enumerate(self.alternatives, 1) if at != index]
        return replace(self, **{name: getattr(other, name) for name in names}, alternatives=(own, *rest))


def read_glyph(data: bytes, max_pixels: int = MAX_PIXELS) -> Glyph:
    """Decode an image file and make its canonical glyph.

    Args:
        data: the encoded file, in one of `FORMATS`; the first frame counts.
        max_pixels: the most pixels that are decoded; the header is checked before any pixel is. JPEG and HEIC are
            decoded at a fraction of their size, so that the photographs of all phones are below.

    Returns:
        The glyph, shape (32, 32), float32, ink 1 and paper 0.

    Raises:
        ImageError: with the code ``empty_file``, ``unsupported_image``, ``too_many_pixels``, ``too_many_scans``,
            ``too_many_frames``, ``too_much_metadata``, ``truncated_image`` or ``blank_image``.
        MemoryError: there is not enough memory, for which the image need not be at fault.
    """
    return read(open_image(data, max_pixels)).glyph


def open_image(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the header of an image file; no pixel is decoded. Raises as `read_glyph` does."""
    return open_looked_at(data, look_at(data), max_pixels)


def read_if_simple(data: bytes, max_pixels: int, small: int) -> Reading | Inspection:
    """Read a file at once if it is simple and declares at most ``small`` pixels; otherwise say what it declares.

    Raises as `read_glyph` does.
    """
    look = look_at(data)
    if not look.simple or look.width * look.height > small:
        return look
    image = open_looked_at(data, look, max_pixels)
    return read(image) if image.width * image.height <= small else look


def from_array(array: npt.NDArray[Any]) -> Image.Image:
    """An array as an image.

    Args:
        array: shape (height, width), or (height, width, 3 or 4) for RGB and RGBA; bool, integers in 0 to 255, uint16
            (greyscale alone), or floats, in 0 to 1 or in 0 to 255.

    Raises:
        ImageError: ``unsupported_image``: another shape or type, or values outside of these ranges.
    """
    color = array.ndim == 3 and array.shape[2] in (3, 4)
    if not array.size or not (array.ndim == 2 or color):
        raise ImageError("unsupported_image", f"An array of shape {array.shape} is no image.")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype != np.uint16 or color:
        if array.dtype.kind not in "iuf" or not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 255):
            raise ImageError("unsupported_image", "An array must hold numbers in 0 to 255, or floats in 0 to 1.")
        unit = array.dtype.kind == "f" and array.max() <= 1
        array = np.rint(array * (255 if unit else 1)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(array))


def read(image: Image.Image) -> Reading:
    """Decode an image from `open_image` and make its canonical glyph. Raises as `read_glyph` does."""
    longest, pixels = max(image.size), image.width * image.height
    upright = None
    try:
        image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
        turned = _is_turned_by_decoder(image)
        image.load()
        turned |= not _METADATA.isdisjoint(image.info) and _turn_upright(image)
        upright = to_plain_mode(image)
    except MemoryError:
        raise
    except Exception:  # As in `open_looked_at`, raised behind the `try`.
        pass
    if upright is None:
        check_memory(image.format, min(pixels, MAX_PIXELS))
        raise damaged()
    found = find_ink(upright)
    scale = longest / max(upright.size)  # Above 1 for a JPEG that was decoded at a fraction of its size.
    made = [made for ink in found.inks if (made := _make_glyph(ink, scale))]
    if not made:
        raise _blank(found.lines)
    first, contrast = made[0], found.inks[0].contrast
    size = upright.size if scale == 1 else (round(scale * upright.width), round(scale * upright.height))
    return Reading(
        first.glyph,
        first.box,
        first.light,
        first.specks,
        first.edges,
        first.widened,
        size,
        turned,
        contrast,
        tuple(made[1:]),
    )


def _make_glyph(ink: Ink, scale: float) -> Alternative | None:
    """The glyph of ink in an image to be scaled; None if nothing is left of it at a glyph's size."""
    normalized = normalize(ink.strength)
    if normalized is None:
        return None
    glyph, widened = normalized
    box = ink.box
    if scale > 1:
        box = round(scale * box[0]), round(scale * box[1]), round(scale * box[2]), round(scale * box[3])
    return Alternative(glyph, box, ink.light, ink.specks, ink.edges, widened)


def _blank(lines: int) -> ImageError:
    if lines:
        return ImageError("blank_image", f"The image is blank: there are only the lines of a form, on {lines} sides.")
    return ImageError("blank_image", "The image is blank: nothing stands out from the background.")


def _is_turned_by_decoder(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet will be turned by its decoder."""
    if image.format == "TIFF":
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    return bool(getattr(image, "turned", False))  # HEIC's.


def _turn_upright(image: Image.Image) -> bool:
    """Turn a loaded image, in place, as its metadata ask; whether they did."""
    before = image.im
    try:
        with no_warnings():
            ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # Broken metadata does not make the pixels unreadable.
        pass
    return image.im is not before
