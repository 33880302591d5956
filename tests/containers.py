"""TIFF and HEIC files put together by hand: what no encoder writes, but people or attackers send."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image

from tests.drawing import encode

SHORT, LONG, RATIONAL, LONG8 = 3, 4, 5, 16
_SIZES: Final = {1: 1, 2: 1, SHORT: 2, LONG: 4, RATIONAL: 8, 9: 4, 11: 4, LONG8: 8}
_LETTERS: Final = {1: "B", SHORT: "H", LONG: "I", LONG8: "Q"}

Field = tuple[int, int, Sequence[int] | bytes]
"""A tag, a type, and numbers; or the bytes of any."""


def tiff(fields: Sequence[Field], pixels: bytes = b"", order: str = "<", pages: int = 1) -> bytes:
    """A TIFF file whose first page has these fields.

    Args:
        fields: by which ``pixels`` are found at `TIFF_PIXELS`.
        pixels: what the fields point to.
        order: of the bytes: ``<`` or ``>``.
        pages: in all; the next ones have no fields. With 0, the first page is followed by itself.
    """
    start = TIFF_PIXELS + len(pixels)
    later = start + 6 + 12 * len(fields)
    entries, stored = b"", b""
    for tag, kind, value in sorted(fields, key=lambda field: field[0]):
        count = len(value) // _SIZES[kind] if isinstance(value, bytes) else len(value)
        data = value if isinstance(value, bytes) else struct.pack(f"{order}{count}{_LETTERS[kind]}", *value)
        if len(data) > 4:
            at = struct.pack(order + "I", later + len(stored))
            stored += data
        else:
            at = data.ljust(4, b"\0")
        entries += struct.pack(order + "HHI", tag, kind, count) + at
    following = start if pages == 0 else later + len(stored) if pages > 1 else 0
    first = struct.pack(order + "H", len(fields)) + entries + struct.pack(order + "I", following) + stored
    others = b"".join(
        struct.pack(order + "HI", 0, later + len(stored) + 6 * (i + 1) if i + 2 < pages else 0)
        for i in range(pages - 1)
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", start) + pixels + first + others


TIFF_PIXELS: Final = 8


def grey_tiff(image: Image.Image, tile: int = 0, order: str = "<", **more: Sequence[int]) -> bytes:
    """An uncompressed TIFF of a greyscale image.

    Args:
        image: of mode ``L``.
        tile: the side of its tiles; 0 is one strip.
        order: of the bytes.
        more: numbers of further fields, or others in place of those that would be written, by ``t`` and the tag.
    """
    levels = np.asarray(image)
    height, width = levels.shape
    fields: dict[int, Field] = {}

    def put(tag: int, kind: int, *numbers: int) -> None:
        fields[tag] = tag, kind, numbers

    put(256, LONG, width)
    put(257, LONG, height)
    put(258, SHORT, 8)
    put(259, SHORT, 1)
    put(262, SHORT, 1)
    put(277, SHORT, 1)
    if tile:
        padded = np.pad(levels, ((0, -height % tile), (0, -width % tile)))
        across = padded.shape[1] // tile
        tiles = [
            padded[tile * row : tile * (row + 1), tile * column : tile * (column + 1)]
            for row in range(padded.shape[0] // tile)
            for column in range(across)
        ]
        pixels = b"".join(part.tobytes() for part in tiles)
        put(322, SHORT, tile)
        put(323, SHORT, tile)
        put(324, LONG, *(TIFF_PIXELS + tile * tile * i for i in range(len(tiles))))
        put(325, LONG, *([tile * tile] * len(tiles)))
    else:
        pixels = levels.tobytes()
        put(273, LONG, TIFF_PIXELS)
        put(278, LONG, height)
        put(279, LONG, len(pixels))
    for name, numbers in more.items():
        put(int(name[1:]), LONG, *numbers)
    return tiff(list(fields.values()), pixels, order)


def box(kind: bytes, *contents: bytes, size: int | None = None) -> bytes:
    """A box, with a size of its own if one is given."""
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content) if size is None else size, kind) + content


def full_box(kind: bytes, *contents: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *contents)


def size_property(width: int, height: int) -> bytes:
    """A property that tells a size."""
    return full_box(b"ispe", struct.pack(">II", width, height))


class Item:
    """An item of a HEIC file.

    Args:
        kind: ``hvc1``, ``grid`` and the like.
        data: its contents.
        properties: its own boxes.
        parts: the items that a grid consists of, by their numbers from 1.
        extents: where its contents are instead: offsets from the contents and lengths.
    """

    def __init__(
        self,
        kind: bytes,
        data: bytes,
        properties: Sequence[bytes],
        parts: Sequence[int] = (),
        extents: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        self.kind, self.data, self.properties, self.parts = kind, data, properties, parts
        self.extents = [(0, len(data))] if extents is None else extents


def heic(items: Sequence[Item], brand: bytes = b"heic", before: bytes = b"") -> bytes:
    """A HEIC file, whose first item is the image.

    Args:
        items: numbered from 1.
        brand: of the file.
        before: boxes in front of those that describe it.
    """
    start = box(b"ftyp", brand, bytes(4), b"mif1", brand) + before
    at = len(start) + len(_meta(items, 0))
    return start + _meta(items, at + 8) + box(b"mdat", *(item.data for item in items))


def _meta(items: Sequence[Item], start: int) -> bytes:
    infos, places, references, owned = [], [], [], []
    properties: list[bytes] = []
    for number, item in enumerate(items, 1):
        infos.append(full_box(b"infe", struct.pack(">HH4sB", number, 0, item.kind, 0), version=2, flags=number > 1))
        places.append(struct.pack(">HHH", number, 0, len(item.extents)))
        places += [struct.pack(">II", start + offset, length) for offset, length in item.extents]
        start += len(item.data)
        if item.parts:
            parts = struct.pack(f">HH{len(item.parts)}H", number, len(item.parts), *item.parts)
            references.append(box(b"dimg", parts))
        first = len(properties) + 1
        properties += item.properties
        owned.append(struct.pack(">HB", number, len(item.properties)) + bytes(range(first, len(properties) + 1)))
    count = struct.pack(">H", len(items))
    return full_box(
        b"meta",
        full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
        full_box(b"pitm", struct.pack(">H", 1)),
        full_box(b"iloc", b"\x44\x00", count, *places),
        full_box(b"iinf", count, *infos),
        full_box(b"iref", *references),
        box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", struct.pack(">I", len(items)), *owned)),
    )


def coded(image: Image.Image) -> tuple[bytes, bytes]:
    """An image as HEVC: the property that describes it, and its contents."""
    data = encode(image, "HEIF")
    at = data.index(b"hvcC") - 4
    described = data[at : at + int.from_bytes(data[at : at + 4], "big")]
    at = data.index(b"mdat") - 4
    return described, data[at + 8 : at + int.from_bytes(data[at : at + 4], "big")]


def tiled_heic(tiles: Sequence[Image.Image], places: Sequence[int], columns: int, *properties: bytes) -> bytes:
    """A photograph as phones store it: a grid of tiles, which may stand in several places.

    Args:
        tiles: images of one size.
        places: which of them stands where, row by row.
        columns: in each row.
        properties: further ones of the whole.
    """
    width, height = columns * tiles[0].width, len(places) // columns * tiles[0].height
    rows = len(places) // columns
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    parts = [2 + place for place in places]
    items = [Item(b"grid", grid, [size_property(width, height), *properties], parts)]
    for tile in tiles:
        described, data = coded(tile)
        items.append(Item(b"hvc1", data, [size_property(*tile.size), described]))
    return heic(items)
