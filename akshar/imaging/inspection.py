"""Looks at an image file before any decoder does: what it declares, and whether that is more than an image needs.

Decoders take time and memory by what a file declares, not by its size: a file of 34 bytes can hold 16 million pixels,
and one of 40 kB can make a JPEG decoder run over its pixels a thousand times. The walk over a file's blocks ends at the
first limit, so that it takes no more than a few milliseconds itself, and a few microseconds for an ordinary file. It
follows the steps of Pillow and of the libraries behind it: what they skip is skipped, what they refuse is left to them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Final

from akshar.imaging.boxes import box_format, walk_boxes
from akshar.imaging.errors import ImageError
from akshar.imaging.look import MAX_METADATA_BYTES, MAX_SCANS, Inspection, Look, stored, too_much_metadata
from akshar.imaging.tiff import TIFF_MAGIC, walk_tiff

_MAX_PIXEL_CHUNKS: Final = 2048
"""Most chunks of pixels of a PNG that are walked in search of metadata behind them."""
_MIN_PIXEL_CHUNK: Final = 256
"""Encoders write 2 kB and more into each. Pillow takes microseconds for one, however small."""
_JUNK: Final = 64
"""What a byte between the blocks counts, in bytes: Pillow reads these one by one."""
_SUB_BLOCK: Final = 1024
"""What a sub-block of a GIF counts, which has up to 255: Pillow reads these one by one as well."""
_SIMPLE_PIXEL_CHUNKS: Final = 64


def inspect(data: bytes) -> Inspection:
    """Look at an image file without decoding it.

    Args:
        data: the file. Of a large one the beginning will do to learn its size, and to refuse most of what is refused.

    Returns:
        What the file declares. Whether it is valid is left to the decoder.

    Raises:
        ImageError: ``too_many_scans``, ``too_many_frames``, ``too_much_metadata``, or ``unsupported_image``: a format
            that we read in a form that we do not.
    """
    found = _walk_of(data)
    if found is None:
        return Inspection(None, 0, 0, False)
    kind, walk = found
    look = Look()
    try:
        walk(data, look)
    except (struct.error, IndexError, OverflowError):  # It ends in the middle of a block, or before one begins.
        look.ended = False
    return Inspection(kind, look.width, look.height, look.simple, look.held)


def _walk_of(data: bytes) -> tuple[str, Callable[[bytes, Look], None]] | None:
    """The format of a file by how it begins, and what walks over it."""
    for kind, magic, walk in _WALKS:
        if data.startswith(magic) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind, walk
    boxes = box_format(data)
    return None if boxes is None else (boxes, partial(walk_boxes, kind=boxes))


def _png(data: bytes, look: Look) -> None:
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
                    raise too_much_metadata()
                return
            continue
        if kind == b"IEND":
            look.ended = 0 < pixels <= _SIMPLE_PIXEL_CHUNKS
            return
        look.add(stored(data, body, length))
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


def _jpeg(data: bytes, look: Look) -> None:
    offset, single_scan, components, frame = 2, False, 0, 0
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
            single_scan, frame = marker in (0xC0, 0xC1), offset + 10
        elif marker in (0xE1, 0xE2):
            look.parsed |= data.startswith((b"Exif\0\0", b"MPF\0"), offset + 4)
        look.add(stored(data, offset, length))  # Tables count, too: an image needs no more than a dozen.
        offset += 2 + length
    look.ended = True
    # A baseline JPEG with all components in its first scan ends there. Of any other, all scans are decoded. Within
    # them, this pair of bytes is always a marker.
    if single_scan and data[offset + 4] == components:
        look.reduce(0)
        return
    look.reduce(_coefficients(look.width * look.height, data[frame : frame + 3 * components]))
    while (offset := data.find(b"\xff\xda", offset + 2)) > 0:
        look.scans += 1
        if look.scans > MAX_SCANS:
            raise ImageError("too_many_scans", f"The JPEG has more than {MAX_SCANS} scans.")


def _coefficients(pixels: int, components: bytes) -> int:
    """Bytes of all coefficients, which libjpeg keeps up to the last scan: two for each sample of each component.

    Args:
        pixels: of the image.
        components: three bytes each: its id, by how much it is sampled across and down, and a table.
    """
    across, down = [factors >> 4 for factors in components[1::3]], [factors & 0xF for factors in components[1::3]]
    samples = sum(a * d for a, d in zip(across, down, strict=True))
    return 2 * pixels * samples // max(1, max(across, default=1) * max(down, default=1))


def _webp(data: bytes, look: Look) -> None:
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
        look.add(0 if pixels else stored(data, body, length))
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


def _gif(data: bytes, look: Look) -> None:
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


def _bmp(data: bytes, look: Look) -> None:
    header = struct.unpack_from("<I", data, 14)[0]
    if header == 12:
        look.width, look.height = struct.unpack_from("<HH", data, 18)
    elif header in (40, 52, 56, 64, 108, 124):
        look.width, look.height = struct.unpack_from("<II", data, 18)
        if data[25] == 0xFF:  # A negative height: the rows are stored from top to bottom.
            look.height = 2**32 - look.height
    look.ended = True


_WALKS: Final[tuple[tuple[str, bytes | tuple[bytes, ...], Callable[[bytes, Look], None]], ...]] = (
    ("PNG", b"\x89PNG\r\n\x1a\n", _png),
    ("JPEG", b"\xff\xd8\xff", _jpeg),
    ("WEBP", b"RIFF", _webp),
    ("GIF", (b"GIF87a", b"GIF89a"), _gif),
    ("BMP", b"BM", _bmp),
    ("TIFF", TIFF_MAGIC, walk_tiff),
)
"""Formats by Pillow's name, how their files begin, and what walks over them."""
