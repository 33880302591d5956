"""What a look at an image file has found so far, and the limits on what is not pixels."""

from __future__ import annotations

from typing import Final, NamedTuple

from akshar.imaging.errors import ImageError

MAX_SCANS: Final = 100
"""Most scans of a JPEG, each of which goes over all pixels. Progressive JPEGs commonly have ten."""
MAX_FRAMES: Final = 1000
"""Most frames of a WebP or PNG animation. Only the first is read. In a GIF, nothing behind it is even looked at."""
MAX_METADATA_BLOCKS: Final = 256
"""Most blocks other than pixels: text, profiles, Exif, comments, but also tables, palettes and a TIFF's fields."""
MAX_METADATA_BYTES: Final = 4 * 2**20
"""Most bytes of these, as stored in the file."""
MAX_COMPRESSED_BLOCKS: Final = 8
"""Most compressed blocks of metadata: Pillow inflates each to as much as a megabyte."""
DRAFT_SIDE: Final = 480
"""JPEG and HEIC are decoded at an eighth, a quarter or half of their size if that leaves this much on both sides."""
PIXEL_BYTES: Final = 16
"""The most memory that decoders take for a pixel: the coefficients of a progressive JPEG, or the frames of a WebP."""

_SIMPLE_BLOCKS: Final = 16
_SIMPLE_SCANS: Final = 16


class Inspection(NamedTuple):
    """What a file declares.

    Attributes:
        format: by Pillow's name; None if it is none that we read.
        width: pixels; 0 if unknown.
        height: pixels; 0 if unknown.
        simple: whether the file holds one frame and little metadata, none of which Pillow inflates or parses: decoding
            takes time by its pixels alone and gives no warnings.
        held: pixels that decoding holds in memory, if these are not all; see `pixels`.
    """

    format: str | None
    width: int
    height: int
    simple: bool
    held: int | None = None

    @property
    def pixels(self) -> int:
        """Pixels that decoding holds in memory, for which limits are made.

        Fewer than the image has where it is decoded at a fraction of its size: those that are left, and one for every
        `PIXEL_BYTES` that the decoder keeps of the whole image. More, where parts of a TIFF overlap or stand out.
        """
        return self.width * self.height if self.held is None else self.held


class Look:
    """What is known of a file so far, with what is not pixels counted up to the limits."""

    __slots__ = ("blocks", "compressed", "ended", "frames", "height", "held", "parsed", "scans", "size", "width")

    def __init__(self) -> None:
        self.width = self.height = 0
        self.held: int | None = None
        self.blocks = self.size = self.compressed = self.frames = 0
        self.scans = 1
        self.parsed = self.ended = False

    def add(self, size: int = 0) -> None:
        """Count a block that is not pixels.

        Raises:
            ImageError: ``too_much_metadata``.
        """
        self.blocks += 1
        self.size += size
        if self.blocks > MAX_METADATA_BLOCKS or self.size > MAX_METADATA_BYTES:
            raise too_much_metadata()

    def add_compressed(self) -> None:
        """Count a block among the compressed ones.

        Raises:
            ImageError: ``too_much_metadata``.
        """
        self.compressed += 1
        if self.compressed > MAX_COMPRESSED_BLOCKS:
            raise too_much_metadata()

    def add_frames(self, count: int = 1) -> None:
        """Count frames.

        Raises:
            ImageError: ``too_many_frames``.
        """
        self.frames += count
        if self.frames > MAX_FRAMES:
            raise ImageError("too_many_frames", f"The animation has more than {MAX_FRAMES:,} frames.")

    def reduce(self, kept: int) -> None:
        """Count the pixels of an image that is decoded at a fraction of its size.

        Args:
            kept: bytes that the decoder keeps of the whole image.
        """
        factor = draft_factor(self.width, self.height)
        if factor > 1:
            self.held = -(-self.width // factor) * -(-self.height // factor) + kept // PIXEL_BYTES

    @property
    def simple(self) -> bool:
        return (
            self.ended
            and self.width > 0
            and self.height > 0
            and self.blocks <= _SIMPLE_BLOCKS
            and self.scans <= _SIMPLE_SCANS
            and not (self.compressed or self.frames or self.parsed)
        )


def draft_factor(width: int, height: int) -> int:
    """By how much an image is reduced while it is decoded, as Pillow's ``draft`` computes it: 1, 2, 4 or 8."""
    most = min(width, height) // DRAFT_SIDE
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)


def stored(data: bytes, start: int, length: int) -> int:
    """How much of a block is in the file, whatever length it declares, in bytes."""
    return min(length, max(0, len(data) - start))


def too_much_metadata() -> ImageError:
    """The error for a file with more than the limits allow."""
    return ImageError(
        "too_much_metadata",
        f"The file has more than {MAX_METADATA_BLOCKS} blocks of metadata, {MAX_COMPRESSED_BLOCKS} compressed ones, or "
        f"{MAX_METADATA_BYTES:,} bytes of them.",
    )
