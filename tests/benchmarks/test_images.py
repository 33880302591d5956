"""What the benchmark sends."""

import asyncio

from app.api.multipart import parse_form
from benchmarks.images import IMAGES
from benchmarks.load import multipart


def test_images_differ() -> None:
    assert len(set(IMAGES)) == len(IMAGES) == 64


def test_multipart_is_a_form_that_the_service_reads() -> None:
    body = multipart([("file", "a.png", IMAGES[0], "image/png"), ("file", "b.png", IMAGES[1], "image/png")])
    parts = asyncio.run(parse_form(body.data, body.content_type, 2))
    assert [part.content for part in parts] == list(IMAGES[:2])
