"""Opens image files within limits, before any pixel is decoded, and tells what is wrong with those that are refused."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import MAX_PIXELS, unsupported
from akshar.imaging.inspection import inspect
from akshar.imaging.look import PIXEL_BYTES, Inspection

HEAD_BYTES: Final = 64 * 2**10
"""Where a file declares its size, unless a lot of metadata stands in front of it."""
# Decoded by libraries that take memory of their own, and report want of it as damage.
_NATIVE_MEMORY: Final = frozenset({"JPEG", "MPO", "WEBP", "TIFF", "AVIF", "HEIF"})
# What they declare may stand at their end.
_CONTAINERS: Final = frozenset({"TIFF", "AVIF", "HEIF"})


def look_at(data: bytes) -> Inspection:
    """What a file declares.

    Raises:
        ImageError: ``empty_file``, ``unsupported_image``, or what `inspect` raises.
    """
    if not data:
        raise ImageError("empty_file", "The file is empty.")
    look = inspect(data)
    if look.format is None:
        raise unsupported(data)
    return look


def look_at_head(data: bytes | bytearray | memoryview) -> Inspection:
    """What a file declares, by its beginning if that will do. Raises as `look_at` does, but refuses less."""
    look = look_at(bytes(data[:HEAD_BYTES]))
    return look_at(bytes(data)) if look.format in _CONTAINERS and not look.width else look


def open_looked_at(data: bytes, look: Inspection, max_pixels: int) -> Image.Image:
    """Open a file, of which no pixel is decoded.

    Args:
        data: the file.
        look: from `look_at`.
        max_pixels: the most `Inspection.pixels` that are decoded.

    Raises:
        ImageError: ``unsupported_image``, ``too_many_pixels`` or ``truncated_image``.
        MemoryError: there is not enough memory.
    """
    if look.pixels > max_pixels:
        raise _too_many_pixels(max_pixels)
    failure: Callable[[bytes], ImageError]
    # Errors are raised behind the `try`: as the context of ours, Pillow's would keep its image in memory.
    try:
        # Pillow warns about broken metadata and many pixels. Simple files have neither; the service decodes only these
        # beside other threads, whose warnings would be ignored, too.
        with contextlib.nullcontext() if look.simple and look.width * look.height <= MAX_PIXELS else no_warnings():
            image = _open(data, look)
    except MemoryError:
        raise
    except Image.DecompressionBombError:  # So many pixels that Pillow refuses first.
        failure = partial(_too_many_pixels, max_pixels)
    except UnidentifiedImageError:
        # Two bytes make no bitmap.
        failure = damaged if look.width or look.format != "BMP" else unsupported
    except Exception:
        failure = damaged
    else:
        # An image that is decoded at a fraction of its size was counted so, if it is what it declares to be.
        if image.size != (look.width, look.height) or (look.held is not None and "A" in image.mode.upper()):
            check_pixels(image, max_pixels)
        return image
    if failure is damaged:
        check_memory(look.format, look.pixels)
    raise failure(data)


def _open(data: bytes, look: Inspection) -> Image.Image:
    if look.format == "HEIF":
        from akshar.imaging.heif import HeifImage  # Few need it, and libheif takes 20 MB.

        return HeifImage(io.BytesIO(data))
    return Image.open(io.BytesIO(data), formats=(str(look.format),))


def check_pixels(image: Image.Image, max_pixels: int) -> None:
    """Raise ImageError ``too_many_pixels`` if the image has more than ``max_pixels``."""
    if image.width * image.height > max_pixels:
        raise _too_many_pixels(max_pixels)


def check_memory(kind: str | None, pixels: int) -> None:
    """Tell want of memory from damage, as which the libraries behind some of Pillow's decoders report it.

    Args:
        kind: the format, by Pillow's name.
        pixels: that decoding holds in memory.

    Raises:
        MemoryError: there is less than decoding an image of this size may take.
    """
    if kind in _NATIVE_MEMORY:
        np.empty(PIXEL_BYTES * pixels, np.uint8)  # Not written to: this takes addresses only.


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """Keep Pillow's warnings about a file from the user, whom the error or the prediction tells what matters.

    This is a setting of the whole process up to Python 3.13.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _too_many_pixels(max_pixels: int, *_: bytes) -> ImageError:
    return ImageError("too_many_pixels", f"The image has more than {max_pixels:,} pixels to decode.")


def damaged(*_: bytes) -> ImageError:
    """For whatever broken data makes decoders raise: OSError, SyntaxError, ValueError, struct.error, ..."""
    return ImageError("truncated_image", "The image is truncated or damaged.")
