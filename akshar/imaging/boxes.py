"""The look at AVIF and HEIC: boxes within boxes (ISO/IEC 14496-12 and 23008-12), of which one lists items.

The image is the primary item, coded itself or as a grid of tiles, which are items too. Sizes, turns and codecs are
properties, which items share. Nothing is followed from item to item: circles among them are the decoder's to refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from akshar.imaging.formats import unsupported_kind
from akshar.imaging.look import PIXEL_BYTES, Look, stored, too_much_metadata

MAX_ITEMS: Final = 1000
"""Most items of a file, as libheif has it: 200 megapixels in tiles of 512 pixels are 800."""
_MAX_EXTENTS: Final = 4 * MAX_ITEMS
"""Most pieces that the contents of all items are stored in; commonly each is one."""

_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_ANY_BRANDS: Final = frozenset({b"mif1", b"msf1"})
_CODED: Final = {"AVIF": b"av01", "HEIF": b"hvc1"}
_LARGEST: Final = 1
_REST: Final = 0
"""Sizes with a meaning of their own: a larger field follows, and up to the end of what the box is in."""


class _Property(NamedTuple):
    kind: bytes
    start: int
    end: int


def box_format(data: bytes) -> str | None:
    """``AVIF`` or ``HEIF`` by the brands of a file, None if it has none of theirs."""
    if data[4:8] != b"ftyp":
        return None
    brand = data[8:12]
    if brand in _HEIF_BRANDS:
        return "HEIF"
    end = min(int.from_bytes(data[:4], "big"), 256)
    compatible = {data[at : at + 4] for at in range(16, end - 3, 4)}
    if brand in _AVIF_BRANDS or (brand in _ANY_BRANDS and not compatible.isdisjoint(_AVIF_BRANDS)):
        return "AVIF"
    return "HEIF" if brand in _ANY_BRANDS else None


def walk_boxes(data: bytes, look: Look, kind: str) -> None:
    """Look at an AVIF or HEIC file.

    Args:
        data: the file, or its beginning.
        look: what is found.
        kind: from `box_format`.

    Raises:
        ImageError: ``too_much_metadata``, or ``unsupported_image``: the image is coded in another way.
        struct.error, IndexError: it ends in the middle of a box.
    """
    look.parsed = True
    for box, start, end in _boxes(data, 0, len(data), look):
        if box == b"meta":
            _walk_items(data, start + 4, end, look, kind)
            return


def _boxes(data: bytes, start: int, end: int, look: Look) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each box, and where its contents start and end."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == _LARGEST:
            (size,), header = struct.unpack_from(">Q", data, start + 8), 16
        elif size == _REST:
            size = end - start
        if size < header:
            return
        look.add()
        yield kind, start + header, min(start + size, end)
        start += size


def _walk_items(data: bytes, start: int, end: int, look: Look, kind: str) -> None:
    primary = None
    types: dict[int, bytes] = {}
    properties: list[_Property] = []
    owned: dict[int, list[int]] = {}
    for box, at, stop in _boxes(data, start, end, look):
        if box == b"pitm":
            (primary,) = struct.unpack_from(">I" if data[at] else ">H", data, at + 4)
        elif box == b"iinf":
            types = _types(data, at, stop)
        elif box == b"iloc":
            _check_extents(data, at)
        elif box == b"iprp":
            for inner, first, last in _boxes(data, at, stop, look):
                if inner == b"ipco":
                    properties = [_Property(*found) for found in _boxes(data, first, last, look)]
                elif inner == b"ipma":
                    owned.update(_owned(data, first))
    if primary is None:
        return
    if primary in types:
        _check_type(types[primary], types, kind)
    own = [properties[i - 1] for i in owned.get(primary, ()) if 0 < i <= len(properties)]
    whole = _set_size(data, own, look)
    if kind == "HEIF":
        _count(data, properties, look, whole)
    elif whole > look.width * look.height:
        look.held = whole


def _types(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """The types of all items, by their ids."""
    (count,) = struct.unpack_from(">I" if data[at] else ">H", data, at + 4)
    if count > MAX_ITEMS:
        raise too_much_metadata()
    types: dict[int, bytes] = {}
    at += 8 if data[at] else 6
    for _ in range(count):
        if at + 8 > end:
            break
        size, version = struct.unpack_from(">I4xB", data, at)
        layout = ">IH4s" if version > 2 else ">HH4s"
        item, _, kind = struct.unpack_from(layout, data, at + 12)
        types.setdefault(item, kind)
        at += max(size, 8)
    return types


def _check_type(primary: bytes, types: dict[int, bytes], kind: str) -> None:
    """Raise ImageError ``unsupported_image`` unless the image is coded in the one way of its format."""
    coded = _CODED[kind]
    if primary != coded and not (primary == b"grid" and coded in types.values()):
        raise unsupported_kind(f"a HEIF image that is not coded as {'AV1' if kind == 'AVIF' else 'HEVC'}")


def _owned(data: bytes, at: int) -> dict[int, list[int]]:
    """The properties of all items: their numbers, from 1."""
    version, flags, count = data[at], data[at + 3], struct.unpack_from(">I", data, at + 4)[0]
    if count > MAX_ITEMS:
        raise too_much_metadata()
    at += 8
    owned: dict[int, list[int]] = {}
    for _ in range(count):
        (item,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        numbers = data[at]
        at += 1
        width = 2 if flags & 1 else 1
        own = struct.unpack_from(f">{numbers}{'H' if width == 2 else 'B'}", data, at)
        owned.setdefault(item, [number & (0x7FFF if width == 2 else 0x7F) for number in own])
        at += width * numbers
    return owned


def _check_extents(data: bytes, at: int) -> None:
    """Raise ImageError ``too_much_metadata`` if items are more pieces, or far more bytes, than the file has."""
    version, sizes = data[at], struct.unpack_from(">H", data, at + 4)[0]
    offset_size, length_size, base_size, index_size = (sizes >> shift & 0xF for shift in (12, 8, 4, 0))
    wide = version == 2
    (count,) = struct.unpack_from(">I" if wide else ">H", data, at + 6)
    if count > MAX_ITEMS:
        raise too_much_metadata()
    at += 10 if wide else 8
    index_size = index_size if version else 0
    extents = total = 0
    for _ in range(count):
        at += (4 if wide else 2) + (4 if version else 2)
        base = int.from_bytes(data[at : at + base_size], "big")
        at += base_size
        (pieces,) = struct.unpack_from(">H", data, at)
        at += 2
        extents += pieces
        if extents > _MAX_EXTENTS:
            raise too_much_metadata()
        for _ in range(pieces):
            at += index_size
            offset = base + int.from_bytes(data[at : at + offset_size], "big")
            at += offset_size
            # Without a length it is the rest of the file.
            length = int.from_bytes(data[at : at + length_size], "big") or len(data)
            at += length_size
            total += stored(data, offset, length)
    if total > 2 * len(data):
        raise too_much_metadata()


def _set_size(data: bytes, own: list[_Property], look: Look) -> int:
    """Find the size of the image as it is shown; how many pixels it has before it is cropped."""
    whole = 0
    for kind, at, _ in own:
        if kind == b"ispe":
            look.width, look.height = struct.unpack_from(">II", data, at + 4)
            whole = look.width * look.height
        elif kind == b"clap":
            width, width_unit, height, height_unit = struct.unpack_from(">IIII", data, at)
            if width_unit and height_unit:
                look.width = min(look.width, width // width_unit)
                look.height = min(look.height, height // height_unit)
        elif kind == b"irot" and data[at] & 1:
            look.width, look.height = look.height, look.width
    return whole


def _count(data: bytes, properties: list[_Property], look: Look, whole: int) -> None:
    """Count what libheif keeps of a HEIC: the planes that it decodes, and those that it makes of them."""
    depth, chroma, alpha = 8, 1, False
    for kind, at, end in properties:
        if kind == b"hvcC":
            chroma = max(chroma, data[at + 16] & 3)
            depth = max(depth, 8 + (data[at + 17] & 7), 8 + (data[at + 18] & 7))
        elif kind == b"auxC":
            alpha |= b"alpha" in data[at:end] or b"auxid:1" in data[at:end]
    # Bytes of a pixel, as measured. What Pillow copies, and transparency, come on top.
    kept = (15 if depth > 8 else 9) / (1 if chroma > 1 else 2)
    held = int(whole * max(1, (kept + 5) / PIXEL_BYTES))
    if held > look.width * look.height:
        look.held = held
    if not alpha:
        look.reduce(int(whole * kept))
