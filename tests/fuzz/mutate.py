"""Mutations of bytes that need no knowledge of what the bytes mean, and a few that split them where it matters."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

MAX_BYTES: Final = 2 * 2**20
"""Mutated data are cut to this, so that a turn sends many cases rather than a few large ones."""

_EXTREMES: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES: Final = 64
"""Where most formats keep sizes and counts: half of all fields are set here."""


def mutate(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The data after one to four mutations.

    Args:
        rng: decides everything.
        data: what is mutated.
        others: what parts may be taken from.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        if not data:
            return data
        mutation = rng.choice(_MUTATIONS)
        data = mutation(rng, data, rng.choice(others))[:MAX_BYTES]
    if data.startswith(_PNG) and rng.random() < 0.8:
        data = with_checksums(data)
    return data


def flip_bits(rng: Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _i in range(rng.choice((1, 1, 2, 8, 32))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(rng: Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def set_field(rng: Random, data: bytes, _: bytes) -> bytes:
    """One integer, of 1 to 4 bytes in either order, becomes an extreme one."""
    size = rng.choice((1, 2, 2, 4, 4, 4))
    value = rng.choice(_EXTREMES) & ((1 << 8 * size) - 1)
    start = rng.randrange(min(len(data), _HEADER_BYTES) if rng.random() < 0.5 else len(data))
    return data[:start] + value.to_bytes(size, rng.choice(("big", "little"))) + data[start + size :]


def overwrite(rng: Random, data: bytes, _: bytes) -> bytes:
    start = rng.randrange(len(data))
    noise = rng.randbytes(rng.choice((1, 4, 16, 200)))
    return data[:start] + noise + data[start + len(noise) :]


def duplicate(rng: Random, data: bytes, _: bytes) -> bytes:
    blocks = split(data)
    i = rng.randrange(len(blocks))
    blocks[i:i] = [blocks[i]] * rng.choice((1, 1, 2, 10, 300))
    return b"".join(blocks)


def remove(rng: Random, data: bytes, _: bytes) -> bytes:
    blocks = split(data)
    del blocks[rng.randrange(len(blocks))]
    return b"".join(blocks)


def reorder(rng: Random, data: bytes, _: bytes) -> bytes:
    blocks = split(data)
    i, j = rng.randrange(len(blocks)), rng.randrange(len(blocks))
    blocks[i], blocks[j] = blocks[j], blocks[i]
    return b"".join(blocks)


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    """The start of one and the end of another, cut between blocks or anywhere."""
    if rng.random() < 0.5:
        first, second = split(data), split(other)
        return b"".join(first[: rng.randrange(len(first) + 1)] + second[rng.randrange(len(second)) :])
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


_MUTATIONS: Final[tuple[Callable[[Random, bytes, bytes], bytes], ...]] = (
    flip_bits,
    truncate,
    set_field,
    set_field,  # Twice as often: sizes and counts are what decoders trust.
    overwrite,
    duplicate,
    remove,
    reorder,
    splice,
)


def split(data: bytes) -> list[bytes]:
    """The blocks that the data consist of, by their format; of unknown data, lines or runs of 16 bytes."""
    ends: list[int]
    if data.startswith(_PNG):
        ends = _walk(data, 8, lambda i: 12 + int.from_bytes(data[i : i + 4], "big"))
    elif data.startswith(b"RIFF"):
        ends = _walk(data, 12, lambda i: 8 + (size := int.from_bytes(data[i + 4 : i + 8], "little")) + size % 2)
    elif data[4:8] == b"ftyp":
        return _boxes(data)
    elif data.startswith(b"\xff\xd8"):
        ends = [i for i in range(2, len(data) - 1) if data[i] == 0xFF and data[i + 1] not in (0, 0xFF)]
    elif b"\r\n" in data[:4096]:
        return [line + b"\r\n" for line in data.split(b"\r\n")]
    else:
        ends = list(range(16, len(data), 16))
    starts = [0, *ends]
    return [data[start:end] for start, end in zip(starts, [*ends, len(data)], strict=True) if start < end] or [data]


def _boxes(data: bytes) -> list[bytes]:
    """The boxes of an AVIF or HEIC file; those that hold others come apart into their header and these."""
    blocks: list[bytes] = []
    at = 0
    while at < len(data) and len(blocks) < 10_000:
        kind = data[at + 4 : at + 8]
        header = {b"meta": 12, b"iprp": 8, b"ipco": 8, b"iinf": 14}.get(kind)
        size = header or max(8, int.from_bytes(data[at : at + 4], "big"))
        blocks.append(data[at : at + size])
        at += size
    return [*blocks, data[at:]]


def _walk(data: bytes, start: int, size: Callable[[int], int]) -> list[int]:
    ends: list[int] = []
    while start < len(data) and len(ends) < 10_000:
        ends.append(start)
        start += size(start)
    return ends


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the right checksums: decoders look no further into others."""
    blocks = split(data)
    return b"".join(
        block[:-4] + zlib.crc32(block[4:-4]).to_bytes(4, "big") if i and len(block) >= 12 else block
        for i, block in enumerate(blocks)
    )
