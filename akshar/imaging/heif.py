"""HEIC by libheif, through pillow-heif: its decoder alone, so that Pillow is left as it is."""

from __future__ import annotations

from typing import Any, Final

import _pillow_heif
import cv2
import numpy as np
from PIL import Image, ImageFile

from akshar.imaging.look import draft_factor

_NO_DECODER_NAME: Final = ""
_TURNS: Final = frozenset({"irot", "imir"})


class HeifImage(ImageFile.ImageFile):
    """The primary image of a file.

    ``pillow_heif.HeifFile`` would copy the metadata of all images in the file, as often as each names them. Nothing in
    them is needed: libheif turns the image, and the orientation in its Exif does not count.

    Attributes:
        turned: whether the image is stored in another orientation than it is shown in.
    """

    format = "HEIF"
    turned = False

    def _open(self) -> None:
        assert self.fp is not None
        images, _ = _pillow_heif.load_file(
            self.fp.read(),
            1,  # Thread.
            True,  # More than 8 bits become 8, unless the image is grey.
            False,  # RGB, not BGR.
            False,  # Rows stay padded: removing that would copy them.
            True,  # Grey of more than 8 bits becomes 16.
            _NO_DECODER_NAME,
            False,  # libheif's own limits stay.
        )
        self._coded: Any = next(image for image in images if image is not None and image.primary)
        self._size, self._mode = self._coded.size_mode
        self._factor = 1
        self.turned = any(kind in _TURNS for kind, *_ in self._coded.transformations)

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> None:
        """Reduce the image as soon as it is decoded, before Pillow makes a copy, by `draft_factor`."""
        if "a" not in self.mode.lower():
            self._factor = draft_factor(*self.size)

    def load(self) -> Any:
        if self._coded is not None:
            image = self._decode()
            self.im, self._mode, self._size = image.im, image.mode, image.size
            self._coded = self.fp = None
        return super().load()

    def _decode(self) -> Image.Image:
        declared = self.width * self.height
        data, stride = self._coded.data, self._coded.stride
        (width, height), mode = self._coded.size_mode
        if width * height > declared:
            raise OSError("the image is larger than declared")
        if self._factor == 1:
            return Image.frombytes(mode, (width, height), data, "raw", mode, stride)
        rows = np.frombuffer(data, np.uint16 if mode == "I;16" else np.uint8).reshape(height, -1)
        channels = 3 if mode == "RGB" else 1
        pixels = rows[:, : width * channels].reshape(height, width, channels)
        size = -(-width // self._factor), -(-height // self._factor)
        return Image.fromarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
