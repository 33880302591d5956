"""Image files that ask more of a decoder than they look like."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def white_webp(side: int) -> bytes:
    """A lossless WebP of white pixels: 32 bytes, however large the image (up to a side of 16,384)."""
    header = (side - 1) | (side - 1) << 14  # No alpha.
    # No transform, no cache, one group of codes. Four codes (green, red, blue, alpha) of the one symbol 255, and one
    # (distances) of the symbol 0: a pixel takes no bits at all.
    bits, length = 0, 3
    for value, size in [(0b101 | 255 << 3, 11)] * 4 + [(0b0001, 4)]:
        bits |= value << length
        length += size
    pixels = b"\x2f" + struct.pack("<I", header) + bits.to_bytes(7, "little")
    return b"RIFF" + struct.pack("<I", 12 + len(pixels)) + b"WEBPVP8L" + struct.pack("<I", len(pixels)) + pixels


def truncated_png(side: int) -> bytes:
    """A white PNG that ends in the middle of its pixels."""
    data = _saved(Image.new("L", (side, side), 255), "PNG")
    return data[: len(data) * 2 // 3]


def many_scans(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG, one scan of which is repeated: a decoder goes over all pixels each time.

    Args:
        scans: how many in all, about.
        side: width and height in pixels.
    """
    image = Image.fromarray(np.tile(np.arange(0, 256, 2, dtype=np.uint8), (side, side // 128 + 1))[:, :side])
    data = _saved(image, "JPEG", progressive=True)
    starts = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\xff\xda"]
    # The second scan: the first one of details; decoders accept it again.
    scan = data[starts[1] : _end_of_scan(data, starts[1])]
    return data[: starts[1]] + scan * (scans - len(starts)) + data[starts[1] :]


def _end_of_scan(data: bytes, start: int) -> int:
    offset = start + 2
    while not (data[offset] == 0xFF and data[offset + 1] not in (0, *range(0xD0, 0xD8))):
        offset += 1
    return offset


def exif_segments(count: int) -> bytes:
    """A JPEG of 32x32 with so many tiny segments of Exif: 20 bytes each."""
    data = _saved(Image.new("L", (32, 32), 255), "JPEG")
    content = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0"
    return data[:2] + (b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content) * count + data[2:]


def junk_between_segments(size: int) -> bytes:
    """A JPEG of 32x32 with so many bytes that are nothing behind its first segment."""
    data = _saved(Image.new("L", (32, 32), 255), "JPEG")
    return data[:20] + bytes(size) + data[20:]


def tables(count: int) -> bytes:
    """A JPEG of 32x32 with so many empty tables."""
    data = _saved(Image.new("L", (32, 32), 255), "JPEG")
    return data[:2] + b"\xff\xc4\0\2" * count + data[2:]


def text_chunks(count: int, megabytes: int = 1, behind: bool = False) -> bytes:
    """A PNG of 32x32 with compressed text, a thousandth of its size in the file.

    Args:
        count: how many chunks of text.
        megabytes: that each inflates to.
        behind: whether they stand behind the pixels.
    """
    data = _saved(Image.new("L", (32, 32), 255), "PNG")
    text = b"comment\0\0" + zlib.compress(bytes(megabytes * 2**20), 9)
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    offset = len(data) - 12 if behind else 33
    return data[:offset] + chunk * count + data[offset:]


def palettes(count: int) -> bytes:
    """A PNG of 32x32 with so many palettes."""
    data = _saved(Image.new("L", (32, 32), 255), "PNG")
    return data[:33] + (bytes(4) + b"PLTE" + struct.pack(">I", zlib.crc32(b"PLTE"))) * count + data[33:]


def pixel_chunks(count: int) -> bytes:
    """A PNG of 32x32 with so many empty chunks of pixels."""
    data = _saved(Image.new("L", (32, 32), 255), "PNG")
    return data[:33] + (bytes(4) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))) * count + data[33:]


def frames(count: int) -> bytes:
    """An animated WebP of 8x8 with so many frames."""
    images = [Image.new("L", (8, 8), 255 * (i % 2)) for i in range(2)]
    data = _saved(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True)
    start = data.index(b"ANMF")
    length = 8 + struct.unpack_from("<I", data, start + 4)[0]
    body = data[8:start] + data[start : start + length] * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def comments(count: int) -> bytes:
    """A GIF of 8x8 with so many comments."""
    data = _saved(Image.new("L", (8, 8), 255), "GIF")
    start = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)  # Behind the table of colours.
    return data[:start] + b"\x21\xfe\x01x\0" * count + data[start:]


def sub_blocks(count: int) -> bytes:
    """A GIF of 8x8 with a comment of so many parts, of a byte each."""
    return comments(1).replace(b"\x21\xfe\x01x\0", b"\x21\xfe" + b"\x01x" * count + b"\0")


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
