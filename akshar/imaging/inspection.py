"""Looks at an image file before any decoder does: what it declares, and whether that is more than an image needs.

Decoders take time and memory by what a file declares, not by its size: a file of 34 bytes can hold 16 million pixels,
and one of 40 kB can make a JPEG decoder run over its pixels a thousand times. The walk over a file's blocks ends at the
first limit, so that it takes no more than a few milliseconds itself, and a few microseconds for an ordinary file. It
follows the steps of Pillow and of the libraries behind it: what they skip is skipped, what they refuse is left to them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from akshar.imaging.errors import ImageError

MAX_SCANS: Final = 100
"""Most scans of a JPEG, each of which goes over all pixels. Progressive JPEGs commonly have ten."""
MAX_FRAMES: Final = 1000
"""Most frames of a WebP or PNG animation. Only the first is read. In a GIF, nothing behind it is even looked at."""
MAX_METADATA_BLOCKS: Final = 256
"""Most blocks other than pixels: text, profiles, Exif, comments, but also tables and palettes."""
MAX_METADATA_BYTES: Final = 4 * 2**20
"""Most bytes of these, as stored in the file."""
MAX_COMPRESSED_BLOCKS: Final = 8
"""Most compressed blocks of metadata: Pillow inflates each to as much as a megabyte."""

_MAX_PIXEL_CHUNKS: Final = 2048
"""Most chunks of pixels of a PNG that are walked in search of metadata behind them."""
_MIN_PIXEL_CHUNK: Final = 256
"""Encoders write 2 kB and more into each. Pillow takes microseconds for one, however small."""
_JUNK: Final = 64
"""What a byte between the blocks counts, in bytes: Pillow reads these one by one."""
_SUB_BLOCK: Final = 1024
"""What a sub-block of a GIF counts, which has up to 255: Pillow reads these one by one as well."""
_SIMPLE_BLOCKS: Final = 16
_SIMPLE_SCANS: Final = 16
_SIMPLE_PIXEL_CHUNKS: Final = 64


class Inspection(NamedTuple):
    """What a file declares.

    Attributes:
        format: by Pillow's name; None if it is none that we read.
        width: pixels; 0 if unknown.
        height: pixels; 0 if unknown.
        simple: whether the file holds one frame and little metadata, none of which Pillow inflates or parses: decoding
            takes time by its pixels alone and gives no warnings.
    """

    format: str | None
    width: int
    height: int
    simple: bool


class _Look:
    """What is known of a file so far, with what is not pixels counted up to the limits."""

    __slots__ = ("blocks", "compressed", "ended", "frames", "height", "parsed", "scans", "size", "width")

    def __init__(self) -> None:
        self.width = self.height = 0
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
            raise _too_much_metadata()

    def add_compressed(self) -> None:
        """Count a block among the compressed ones.

        Raises:
            ImageError: ``too_much_metadata``.
        """
        self.compressed += 1
        if self.compressed > MAX_COMPRESSED_BLOCKS:
            raise _too_much_metadata()

    def add_frames(self, count: int = 1) -> None:
        """Count frames.

        Raises:
            ImageError: ``too_many_frames``.
        """
        self.frames += count
        if self.frames > MAX_FRAMES:
            raise ImageError("too_many_frames", f"The animation has more than {MAX_FRAMES:,} frames.")

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


def inspect(data: bytes) -> Inspection:
    """Look at an image file without decoding it.

    Args:
        data: the file. Of a large one the beginning will do to learn its size, and to refuse most of what is refused.

    Returns:
        What the file declares. Whether it is valid is left to the decoder.

    Raises:
        ImageError: ``too_many_scans``, ``too_many_frames`` or ``too_much_metadata``.
    """
    for kind, magic, walk in _WALKS:
        if data.startswith(magic) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            look = _Look()
            try:
                walk(data, look)
            except (struct.error, IndexError):  # It ends in the middle of a block.
                look.ended = False
            return Inspection(kind, look.width, look.height, look.simple)
    return Inspection(None, 0, 0, False)


def _png(data: bytes, look: _Look) -> None:
    """Walks behind the pixels, too, where Pillow reads metadata as well."""
    offset, pixels, pixels_start = 8, 0, 0
    while True:
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = offset + 8
        offset = body + length + 4
        if kind in (b"IDAT", b"fdAT", b"fcTL"):
            pixels_start = pixels_start or body
            pixels += 1
            if pixels >= _MAX_PIXEL_CHUNKS:
                if body - pixels_start < pixels * _MIN_PIXEL_CHUNK:
                    raise _too_much_metadata()
                return
            continue
        if kind == b"IEND":
            look.ended = 0 < pixels <= _SIMPLE_PIXEL_CHUNKS
            return
        look.add(_stored(data, body, length))
        if kind == b"IHDR":
            if not pixels:
                look.width, look.height = struct.unpack_from(">II", data, body)
        elif kind == b"acTL":
            look.add_frames(struct.unpack_from(">I", data, body)[0])
            look.parsed = True
        elif kind in (b"zTXt", b"iCCP") or (kind == b"iTXt" and _is_compressed(data, body)):
            look.add_compressed()
        elif kind == b"eXIf" or (kind == b"tEXt" and data.startswith(b"Raw profile", body)):
            look.parsed = True


def _is_compressed(data: bytes, start: int) -> bool:
    """Whether an international text is: a flag behind its keyword, which has up to 79 bytes, says so."""
    end = data.find(b"\0", start, start + 80)
    return end < 0 or data[end + 1] != 0


def _jpeg(data: bytes, look: _Look) -> None:
    offset, single_scan, components = 2, False, 0
    while True:
        if data[offset] != 0xFF:
            end = data.find(b"\xff", offset)
            end = len(data) if end < 0 else end
            look.add(_JUNK * (end - offset))
            offset = end
        marker = data[offset + 1]
        if 0 < marker < 0xC0:  # Pillow gives up.
            return
        if marker in (0x00, 0xC8, 0xFF) or 0xD0 <= marker <= 0xD9 or 0xF0 <= marker <= 0xFD:  # It has no length.
            look.add()
            offset += 1 if marker == 0xFF else 2
            continue
        length = max(2, struct.unpack_from(">H", data, offset + 2)[0])
        if marker == 0xDA:
            break
        if marker not in (0xC4, 0xCC) and (marker <= 0xCF or marker == 0xDE):
            look.height, look.width, components = struct.unpack_from(">HHB", data, offset + 5)
            single_scan = marker in (0xC0, 0xC1)
        elif marker in (0xE1, 0xE2):
            look.parsed |= data.startswith((b"Exif\0\0", b"MPF\0"), offset + 4)
        look.add(_stored(data, offset, length))  # Tables count, too: an image needs no more than a dozen.
        offset += 2 + length
    look.ended = True
    # A baseline JPEG with all components in its first scan ends there. Of any other, all scans are decoded. Within
    # them, this pair of bytes is always a marker.
    if single_scan and data[offset + 4] == components:
        return
    while (offset := data.find(b"\xff\xda", offset + 2)) > 0:
        look.scans += 1
        if look.scans > MAX_SCANS:
            raise ImageError("too_many_scans", f"The JPEG has more than {MAX_SCANS} scans.")


def _webp(data: bytes, look: _Look) -> None:
    end = struct.unpack_from("<I", data, 4)[0] + 8
    offset = 12
    while offset < end:
        kind, length = struct.unpack_from("<4sI", data, offset)
        body = offset + 8
        offset = body + length + (length & 1)
        if kind == b"ANMF":
            look.add_frames()
            continue
        pixels = kind in (b"VP8 ", b"VP8L", b"ALPH")
        look.add(0 if pixels else _stored(data, body, length))
        look.parsed |= kind == b"EXIF"
        if look.width:
            continue
        if kind == b"VP8X":
            look.width = 1 + int.from_bytes(data[body + 4 : body + 7], "little")
            look.height = 1 + int.from_bytes(data[body + 7 : body + 10], "little")
        elif kind == b"VP8L" and data[body] == 0x2F:
            bits = struct.unpack_from("<I", data, body + 1)[0]
            look.width, look.height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"VP8 " and data.startswith(b"\x9d\x01\x2a", body + 3):
            look.width, look.height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, body + 6))
    look.ended = len(data) >= end


def _gif(data: bytes, look: _Look) -> None:
    """Walks up to the first frame, as Pillow does."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    offset = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)  # Behind the table of colours.
    while data[offset] != 0x2C:
        introducer = data[offset]
        offset += 1
        if introducer == 0x3B:
            return
        if introducer != 0x21:
            look.add(_JUNK)
            continue
        label = data[offset]
        offset += 1
        if label != 0xFE:  # Except in comments, Pillow reads on behind an empty first part.
            repeats = label == 0xFF and data.startswith(b"NETSCAPE2.0", offset + 1)
            for _ in range(1 + repeats):
                offset += data[offset] + 1
        size = 0
        while data[offset] and size <= MAX_METADATA_BYTES:
            offset += data[offset] + 1
            size += _SUB_BLOCK
        look.add(size)
        offset += 1
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, offset + 1)
    # Pillow enlarges the image if its first frame stands out.
    look.width, look.height = max(width, left + frame_width), max(height, top + frame_height)
    look.ended = True


def _bmp(data: bytes, look: _Look) -> None:
    header = struct.unpack_from("<I", data, 14)[0]
    if header == 12:
        look.width, look.height = struct.unpack_from("<HH", data, 18)
    elif header in (40, 52, 56, 64, 108, 124):
        look.width, look.height = struct.unpack_from("<II", data, 18)
        if data[25] == 0xFF:  # A negative height: the rows are stored from top to bottom.
            look.height = 2**32 - look.height
    look.ended = True


def _stored(data: bytes, start: int, length: int) -> int:
    """How much of a block is in the file, whatever length it declares, in bytes."""
    return min(length, max(0, len(data) - start))


def _too_much_metadata() -> ImageError:
    return ImageError(
        "too_much_metadata",
        f"The file has more than {MAX_METADATA_BLOCKS} blocks of metadata, {MAX_COMPRESSED_BLOCKS} compressed ones, or "
        f"{MAX_METADATA_BYTES:,} bytes of them.",
    )


_WALKS: Final[tuple[tuple[str, bytes | tuple[bytes, ...], Callable[[bytes, _Look], None]], ...]] = (
    ("PNG", b"\x89PNG\r\n\x1a\n", _png),
    ("JPEG", b"\xff\xd8\xff", _jpeg),
    ("WEBP", b"RIFF", _webp),
    ("GIF", (b"GIF87a", b"GIF89a"), _gif),
    ("BMP", b"BM", _bmp),
)
"""Formats by Pillow's name, how their files begin, and what walks over them."""
