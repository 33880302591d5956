"""The look at TIFF: the fields of its first page. Pillow reads no other page."""

from __future__ import annotations

import struct
from typing import Final

from akshar.imaging.formats import unsupported_kind
from akshar.imaging.look import Look

TIFF_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0")
"""Of little-endian, big-endian and little-endian big files; Pillow does not read the big ones of big-endian order."""

_SUBFILE: Final = 254
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _PLANAR = 273, 274, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _SUB_IFDS, _SAMPLE_FORMAT = 322, 323, 324, 330, 339
_DNG_VERSION: Final = 50706
_WANTED: Final = frozenset(
    {_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP}
    | {_PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _SUB_IFDS, _SAMPLE_FORMAT, _DNG_VERSION}
)

_TYPES: Final = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q", 6: "b", 7: "B", 8: "h", 9: "i", 10: "Q", 11: "f", 12: "d"} | {
    13: "I",
    16: "Q",
}
_BYTES: Final = frozenset("Bb")
_FRACTIONS: Final = frozenset("fd")
_NUMBER: Final = 16
"""What a number counts, in bytes: Pillow makes an object of each."""
_COMPRESSIONS: Final = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
"""None, CCITT, LZW, JPEG, Deflate and PackBits: what scanners and programs write."""
_MAX_BITS: Final = 16
_FLOAT: Final = 3
_LAB: Final = 8
_SEPARATE: Final = 2


def walk_tiff(data: bytes, look: Look) -> None:
    """Look at a TIFF file.

    Args:
        data: the file, or its beginning; the fields may be anywhere.
        look: what is found.

    Raises:
        ImageError: ``too_much_metadata``, or ``unsupported_image``: Pillow, or we, read no TIFF of this kind.
        struct.error, OverflowError: it ends in the middle of a field, or before the first.
    """
    look.parsed = True
    order = ">" if data.startswith(b"MM") else "<"
    big = data[2] == 43
    layout, count_layout, inline = ("HHQ", "Q", 8) if big else ("HHI", "H", 4)
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (fields,) = struct.unpack_from(order + count_layout, data, start)
    start += struct.calcsize(count_layout)
    values: dict[int, int] = {}
    counts: dict[int, int] = {}
    for _ in range(fields):
        look.add()
        tag, kind, count = struct.unpack_from(order + layout, data, start)
        at = start + struct.calcsize(order + layout)
        start = at + inline
        if tag in counts or kind not in _TYPES or not count:
            continue
        size = count * struct.calcsize(_TYPES[kind])
        if size > inline:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
            if at + size > len(data):
                continue
            look.add(size if _TYPES[kind] in _BYTES else _NUMBER * count)
        counts[tag] = count
        if tag in _WANTED and _TYPES[kind] not in _FRACTIONS:
            values[tag] = max(0, struct.unpack_from(order + _TYPES[kind], data, at)[0])
    _check_kind(values)
    _set_size(values, counts, look)


def _check_kind(values: dict[int, int]) -> None:
    """Raise ImageError ``unsupported_image`` for a TIFF of a rare kind, or a camera's."""
    if _DNG_VERSION in values or (_SUB_IFDS in values and values.get(_SUBFILE, 0) & 1):
        raise unsupported_kind("a camera raw file")
    if values.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise unsupported_kind(f"a TIFF of the rare compression {values[_COMPRESSION]}")
    if values.get(_BITS, 1) > _MAX_BITS or values.get(_SAMPLE_FORMAT) == _FLOAT:
        raise unsupported_kind("a TIFF of more than 16 bits")
    if values.get(_PHOTOMETRIC) == _LAB:
        raise unsupported_kind("a TIFF of CIE L*a*b* colours")


def _set_size(values: dict[int, int], counts: dict[int, int], look: Look) -> None:
    """Find the size of the first page as it is shown, and the pixels of all its strips or tiles."""
    width, height = values.get(_WIDTH, 0), values.get(_HEIGHT, 0)
    turned = values.get(_ORIENTATION, 1) in (5, 6, 7, 8)
    look.width, look.height = (height, width) if turned else (width, height)
    tiled = _TILE_WIDTH in values or _TILE_HEIGHT in values
    across = values.get(_TILE_WIDTH, width) if tiled else width
    down = values.get(_TILE_HEIGHT, height) if tiled else min(height, values.get(_ROWS_PER_STRIP, height))
    if across <= 0 or down <= 0:
        return
    planes = max(1, values.get(_SAMPLES, 1)) if values.get(_PLANAR) == _SEPARATE else 1
    parts = counts.get(_TILES, counts.get(_STRIPS, 1)) if tiled else counts.get(_STRIPS, 1)
    # A part may be larger than the image, and more may be listed than cover it.
    needed = planes * -(-width // across) * -(-height // down)
    held = max(across * down, across * down * parts // planes if parts > needed else 0)
    if held > width * height:
        look.held = held
