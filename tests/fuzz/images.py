"""Cases of damaged images: one as the body or in a form, or many of them in a batch."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Final

import numpy as np
from PIL import Image

from akshar.imaging.formats import FORMATS, MEDIA_TYPES
from benchmarks import hostile as attacks
from benchmarks.load import multipart
from tests import containers
from tests.drawing import coloured, draw, encode, sixteen_bit, transparent
from tests.faults.client import request
from tests.fuzz.exchange import Case, Response
from tests.fuzz.mutate import mutate
from tests.fuzz.oracle import item_faults, prediction_faults, status_faults

FAMILIES: Final = ("numerals", "vowels", "consonants", "auto")
_QUERIES: Final = ("", "", "", "?explain=true", "?coverage=0.9", "?min_confidence=0", "?explain=1&coverage=0.99")
_MAX_BATCH: Final = 20


@cache
def images() -> dict[str, list[bytes]]:
    """Whole images of every format, in the forms that decoders treat differently."""
    grey, small, large = draw("pa"), draw("zero", 24), draw("tta", 300)
    colour, alpha = coloured(grey, (20, 30, 90), (250, 240, 220)), transparent(grey, (0, 0, 0))
    palette, pair = colour.quantize(16), [grey, draw("zero", 64)]
    frames = {"save_all": True, "append_images": pair, "duration": 50}
    exif = Image.Exif()
    exif[0x0112] = 6  # Turned by a quarter.
    return {
        "PNG": [
            *map(encode, (grey, small, large, colour, alpha, palette, grey.convert("1"), sixteen_bit(grey))),
            encode(palette, transparency=0),
            encode(grey, save_all=True, append_images=pair),
            encode(grey, exif=exif),
            attacks.truncated_png(200),
            attacks.text_chunks(3),
            attacks.text_chunks(12),
            attacks.text_chunks(2, behind=True),
            attacks.palettes(3),
            attacks.pixel_chunks(300),
        ],
        "JPEG": [
            *(encode(image, "JPEG") for image in (grey, small, large, colour, colour.convert("CMYK"))),
            encode(large, "JPEG", progressive=True, restart_marker_blocks=2),
            encode(grey, "JPEG", exif=exif, comment=b"x" * 300),
            attacks.many_scans(20),
            attacks.many_scans(120),
            attacks.exif_segments(50),
            attacks.junk_between_segments(5000),
            attacks.tables(50),
        ],
        "WEBP": [
            *(encode(image, "WEBP", lossless=lossless) for image in (grey, small, alpha) for lossless in (False, True)),
            encode(large, "WEBP", exif=exif),
            encode(grey, "WEBP", **frames),
            attacks.white_webp(700),
            attacks.frames(20),
        ],
        "BMP": [encode(image, "BMP") for image in (grey, small, large, colour, alpha, palette, grey.convert("1"))],
        "GIF": [
            *(encode(image, "GIF") for image in (grey, small, large, alpha)),
            encode(grey, "GIF", interlace=1),
            encode(grey, "GIF", **frames),
            attacks.comments(50),
            attacks.sub_blocks(300),
            encode(Image.fromarray(np.zeros((1, 3000), np.uint8)), "GIF"),
        ],
        **_containers(exif),
    }


def _containers(exif: Image.Exif) -> dict[str, list[bytes]]:
    """Images in formats that hold more than an image."""
    grey, small = draw("pa"), draw("zero", 24)
    colour, alpha = coloured(grey, (20, 30, 90), (250, 240, 220)), transparent(grey, (0, 0, 0))
    pages = {"save_all": True, "append_images": [grey]}
    return {
        "TIFF": [
            *(encode(image, "TIFF") for image in (grey, small, colour, alpha, colour.quantize(16), sixteen_bit(grey))),
            *(encode(grey.convert("1"), "TIFF", compression=f"group{i}") for i in (3, 4)),
            *(
                encode(colour, "TIFF", compression=kind)
                for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
            ),
            encode(colour.convert("CMYK"), "TIFF", big_tiff=True),
            encode(grey, "TIFF", tiffinfo={0x0112: 6}, **pages),
            *(containers.grey_tiff(grey, tile=16, order=order) for order in "<>"),
        ],
        "AVIF": [
            *(encode(image, "AVIF") for image in (grey, small, colour, alpha)),
            encode(grey, "AVIF", exif=exif),
            encode(grey, "AVIF", **pages),
        ],
        "HEIF": [
            *(encode(image, "HEIF") for image in (grey, small, colour, alpha)),
            encode(grey, "HEIF", exif=exif),
            containers.tiled_heic([grey.convert("RGB")] * 2, [0, 1, 1, 0], 2, containers.box(b"irot", b"\1")),
        ],
    }


def mutated_image(rng: Random) -> bytes:
    """One file, mostly damaged; parts of it may be of another file, or format."""
    kinds = images()
    kind = rng.choice(list(FORMATS))
    data = rng.choice(kinds[kind])
    if rng.random() < 0.05:
        return data
    return mutate(rng, data, kinds[kind if rng.random() < 0.8 else rng.choice(list(FORMATS))])


def make(rng: Random) -> Case:
    """A request with one image, or a batch."""
    path = f"/predict/{rng.choice(FAMILIES)}"
    query = rng.choice(_QUERIES)
    if rng.random() < 0.15:
        files = [mutated_image(rng) for _ in range(rng.randint(1, _MAX_BATCH))]
        body = multipart([("file", f"{i}.png", data, "image/png") for i, data in enumerate(files)])
        sent = request(f"{path}/batch{query}", body.data, body.content_type, Connection="close")

        def check_batch(response: Response) -> list[str]:
            return _batch_faults(response, len(files))

        return Case((sent,), responses=1, check=check_batch)
    data, content_type = mutated_image(rng), rng.choice(MEDIA_TYPES)
    if rng.random() < 0.3:
        body = multipart([("file", "x", data, content_type)])
        data, content_type = body.data, body.content_type
    return Case((request(path + query, data, content_type, Connection="close"),), responses=1, check=_faults)


def _faults(response: Response) -> list[str]:
    return prediction_faults(response.json()) if response.status == 200 else status_faults(response, batch=False)


def _batch_faults(response: Response, files: int) -> list[str]:
    if response.status != 200:
        return status_faults(response, batch=True)
    results = json.loads(response.body)["results"]
    faults = [] if len(results) == files else [f"{len(results)} results for {files} files"]
    for result in results:
        prediction, error = result["answer"], result["error"]
        if (prediction is None) == (error is None):
            faults.append(f"neither a prediction nor an error, or both: {result}")
        else:
            faults += prediction_faults(prediction) if error is None else item_faults(error)
    return faults
