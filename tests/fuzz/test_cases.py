"""What the fuzzers send: reproducible, of every format, and mostly damaged."""

import zlib
from random import Random

import pytest

from akshar.imaging.formats import FORMATS
from akshar.imaging.reader import open_image
from tests.drawing import draw, encode
from tests.fuzz import forms, http, images
from tests.fuzz.mutate import MAX_BYTES, mutate, split, with_checksums
from tests.fuzz.session import Make, make_case


@pytest.mark.parametrize("make", [images.make, forms.make, http.make])
def test_a_case_follows_from_its_seed_and_number(make: Make) -> None:
    first, again, other, seeded = (
        make_case(make, "test", seed, number).chunks for seed, number in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert first == again
    assert len({first, other, seeded}) == 3


def test_images_of_every_format_are_mutated() -> None:
    assert set(images.images()) == set(FORMATS)
    for kind, whole in images.images().items():
        assert open_image(whole[0]).format == kind
    drawn = [images.mutated_image(Random(i)) for i in range(300)]
    seeds = {data for whole in images.images().values() for data in whole}
    assert sum(data in seeds for data in drawn) < 60
    assert len(set(drawn)) > 250


def test_a_png_keeps_right_checksums_and_its_blocks() -> None:
    data = encode(draw("pa"))
    blocks = split(data)
    assert b"".join(blocks) == data
    assert [block[4:8] for block in blocks[1:]] == [b"IHDR", b"IDAT", b"IEND"]
    damaged = data.replace(b"IHDR\0\0\0", b"IHDR\0\0\1")
    header = split(with_checksums(damaged))[1]
    assert int.from_bytes(header[-4:], "big") == zlib.crc32(header[4:-4])


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_boxes_come_apart_down_to_the_properties(kind: str) -> None:
    data = encode(draw("pa"), kind)
    blocks = split(data)
    assert b"".join(blocks) == data
    assert {b"ftyp", b"pitm", b"infe", b"ispe", b"ipma", b"mdat"} <= {block[4:8] for block in blocks}


@pytest.mark.parametrize("data", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"RIFF", b"\xff\xd8", b"a\r\nb\r\n", b" " * 20])
def test_whatever_is_mutated_stays_within_its_size(data: bytes) -> None:
    for i in range(50):
        assert len(mutate(Random(i), data, [b"other", bytes(MAX_BYTES)])) <= MAX_BYTES
