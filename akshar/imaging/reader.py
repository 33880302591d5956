"""From an encoded image to the canonical glyph: 32x32 float32, ink 1, paper 0.

The same function prepares training images and uploads, so the network is served what it was trained on. The steps:
decode within limits, turn upright, find the ink and normalize it.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from akshar.imaging.errors import ImageError
from akshar.imaging.finding import find_ink
from akshar.imaging.glyph import Glyph
from akshar.imaging.ink import Ink
from akshar.imaging.inspection import Inspection, inspect
from akshar.imaging.modes import to_plain_mode
from akshar.imaging.normalize import normalize

FORMATS: Final = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
}
"""The formats that are read, by Pillow's names, and the file endings of each. Everything else derives from this."""
SUFFIXES: Final = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
MEDIA_TYPES: Final = tuple(f"image/{name.lower()}" for name in FORMATS)
MAX_PIXELS: Final = 16_000_000
# JPEGs are decoded at an eighth, a quarter or half of their size if that leaves this much.
_DRAFT_SIDE: Final = 480
# Where an orientation may be stored. Most small images have none of these, and Pillow's search is not free.
_METADATA: Final = frozenset({"exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"})
# Decoded by libjpeg and libwebp, which take memory of their own.
_NATIVE_MEMORY: Final = frozenset({"JPEG", "MPO", "WEBP"})
_DECODER_BYTES: Final = 16
"""The most that these take for a pixel: the coefficients of a progressive JPEG, or the frames of a WebP."""


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
        """This reading with one of its `glyphs` in the place of its own, which becomes an alternative."""
        if not index:
            return self
        names = [field.name for field in fields(Alternative)]
        own = Alternative(*(getattr(self, name) for name in names))
        other = self.alternatives[index - 1]
        rest = [alternative for at, alternative in enumerate(self.alternatives, 1) if at != index]
        return replace(self, **{name: getattr(other, name) for name in names}, alternatives=(own, *rest))


def read_glyph(data: bytes, max_pixels: int = MAX_PIXELS) -> Glyph:
    """Decode an image file and make its canonical glyph.

    Args:
        data: the encoded file, in one of `FORMATS`; the first frame counts.
        max_pixels: the largest width x height that is decoded; the header is checked before any pixel is.

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
    return _open(data, _inspect(data), max_pixels)


def read_if_simple(data: bytes, max_pixels: int, small: int) -> Reading | Inspection:
    """Read a file at once if it is simple and declares at most ``small`` pixels; otherwise say what it declares.

    Raises as `read_glyph` does.
    """
    look = _inspect(data)
    if not look.simple or look.width * look.height > small:
        return look
    image = _open(data, look, max_pixels)
    return read(image) if image.width * image.height <= small else look


def _inspect(data: bytes) -> Inspection:
    if not data:
        raise ImageError("empty_file", "The file is empty.")
    return inspect(data)


def _open(data: bytes, look: Inspection, max_pixels: int) -> Image.Image:
    pixels = look.width * look.height
    if pixels > max_pixels:
        raise _too_many_pixels(max_pixels)
    failure: Callable[[int], ImageError]
    # Errors are raised behind the `try`: as the context of ours, Pillow's would keep its image in memory.
    try:
        # Pillow warns about broken metadata and many pixels. Simple files have neither; the service decodes only these
        # beside other threads, whose warnings would be ignored, too.
        with contextlib.nullcontext() if look.simple and pixels <= MAX_PIXELS else _no_warnings():
            image = Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except MemoryError:
        raise
    except Image.DecompressionBombError:  # So many pixels that Pillow refuses first.
        failure = _too_many_pixels
    except UnidentifiedImageError:
        failure = _unsupported
    except Exception:
        failure = _damaged
    else:
        check_pixels(image, max_pixels)
        return image
    if failure is _damaged:
        _check_memory(look.format, pixels)
    raise failure(max_pixels)


def check_pixels(image: Image.Image, max_pixels: int) -> None:
    """Raise ImageError ``too_many_pixels`` if the image has more than ``max_pixels``."""
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)


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
        image.draft(None, (_DRAFT_SIDE, _DRAFT_SIDE))
        image.load()
        turned = not _METADATA.isdisjoint(image.info) and _turn_upright(image)
        upright = to_plain_mode(image)
    except MemoryError:
        raise
    except Exception:  # As in `open_image`, raised behind the `try`.
        pass
    if upright is None:
        _check_memory(image.format, pixels)
        raise _damaged()
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


def _turn_upright(image: Image.Image) -> bool:
    """Turn a loaded image, in place, as its metadata ask; whether they did."""
    before = image.im
    try:
        with _no_warnings():
            ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:  # Broken metadata does not make the pixels unreadable.
        pass
    return image.im is not before


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings about a file from the user, whom the error or the prediction tells what matters.

    This is a setting of the whole process up to Python 3.13.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_memory(kind: str | None, pixels: int) -> None:
    """Tell want of memory from damage, as which the libraries behind some of Pillow's decoders report it.

    Args:
        kind: the format, by Pillow's name.
        pixels: width times height.

    Raises:
        MemoryError: there is less than decoding an image of this size may take.
    """
    if kind in _NATIVE_MEMORY:
        np.empty(_DECODER_BYTES * pixels, np.uint8)  # Not written to: this takes addresses only.


def _too_many_pixels(max_pixels: int) -> ImageError:
    return ImageError("too_many_pixels", f"The image has more than {max_pixels:,} pixels.")


def _unsupported(*_: int) -> ImageError:
    return ImageError("unsupported_image", f"The file is not an image in one of the formats {', '.join(FORMATS)}.")


def _damaged(*_: int) -> ImageError:
    """For whatever broken data makes decoders raise: OSError, SyntaxError, ValueError, struct.error, ..."""
    return ImageError("truncated_image", "The image is truncated or damaged.")
