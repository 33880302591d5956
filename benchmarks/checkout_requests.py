"""The requests that `benchmarks.compare_checkouts` sends: images of data sets, drawn cases, and odd requests."""

from __future__ import annotations

import csv
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from PIL import Image

from benchmarks.images import encode
from benchmarks.load import Body, multipart
from training.data.drawings import GLYPHS, draw

BATCH: Final = 64
FAMILIES: Final = ("numerals", "vowels", "consonants")
DATA_SETS: Final = {"NHCD": "nhcd.zip", "DHCD": "dhcd-train.zip"}


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        group: which images or requests it belongs to, for the table of counts.
        name: what it is, for a report of a difference.
        path: path and query.
        body: content and media type; None for a request without a body.
        headers: further headers.
        method: the HTTP method.
    """

    group: str
    name: str
    path: str
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"


def data_set_requests(data: Path, limit: int | None) -> Iterator[Request]:
    """Batches of 64 files of one family, over all images of NHCD and DHCD.

    Args:
        data: the folder of ``nhcd.zip`` and ``dhcd-train.zip``.
        limit: the number of images per data set, evenly spaced; None for all.
    """
    for group, file in DATA_SETS.items():
        with zipfile.ZipFile(data / file) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith((".jpg", ".png")))
            if limit is not None and limit < len(names):
                names = [names[i * len(names) // limit] for i in range(limit)]
            for family, members in itertools.groupby(sorted(names, key=_family), _family):
                for number, batch in enumerate(_batches(list(members))):
                    files = [("file", Path(name).name, archive.read(name), "image/png") for name in batch]
                    name = f"{family}, batch {number} from {batch[0]}"
                    yield Request(group, name, f"/predict/{family}/batch", multipart(files))


def _family(name: str) -> str:
    """The family of an archive member, ``nhcd/<family>/<class>/*`` or ``.../character_<n>|digit_<n>/*``."""
    parts = PurePosixPath(name).parts
    family = next((part for part in parts if part in FAMILIES), None)
    return family or {"digit": "numerals", "character": "consonants"}[parts[-2].partition("_")[0]]


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), BATCH):
        yield names[start : start + BATCH]


def case_requests(cases: Path) -> Iterator[Request]:
    """Each picture of ``cases.tsv`` in a folder, read as its family and as ``auto``, with an explanation."""
    with (cases / "cases.tsv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            body = Body((cases / row["file"]).read_bytes(), "image/png")
            for family in (row["family"], "auto"):
                path = f"/predict/{family}?explain=true&coverage=0.95"
                yield Request("cases", f"{row['file']} as {family}", path, body)


def odd_requests() -> Iterator[Request]:
    """Bad images, bodies, parameters, paths and methods, the probes, and every option."""
    for name, body in _bodies().items():
        yield Request("odd", name, "/predict/consonants", body)
    for name, form in _forms().items():
        yield Request("odd", f"{name}, one", "/predict/vowels", form)
        yield Request("odd", f"{name}, batch", "/predict/vowels/batch", form)
    drawing = Body(_drawing("pa"), "image/png")
    for query in (
        *("explain=true", "explain=1", "explain=FALSE", "explain=maybe", "explain=", "unknown=1"),
        *("min_confidence=0", "min_confidence=1", "min_confidence=2", "min_confidence=-0.1", "min_confidence=nan"),
        *("coverage=0.9", "coverage=0.999999", "coverage=0", "coverage=1", "coverage=much", "min_confidence=high"),
    ):
        yield Request("odd", query, f"/predict/consonants?{query}", drawing)
    for value in ("0", "-5", "soon", "1.5", "", "9" * 12, "60000"):
        yield Request("odd", f"X-Timeout-Ms {value!r}", "/predict/consonants", drawing, {"X-Timeout-Ms": value})
    for family in ("auto", "numerals", "vowels", "runes", "Vowels", "%20"):
        yield Request("odd", f"pa as {family}", f"/predict/{family}?coverage=0.9", drawing)
    probes = ("/livez", "/readyz", "/health", "/families")
    for path in (*probes, "/predict/consonants", "/predict/runes/batch", "/nothing"):
        yield Request("odd", f"GET {path}", path, method="GET")
    for method, path in (("POST", "/livez"), ("POST", "/"), ("DELETE", "/families"), ("PUT", "/predict/vowels")):
        yield Request("odd", f"{method} {path}", path, method=method)


def _bodies() -> dict[str, Body | None]:
    """Bodies of single predictions."""
    pa = _drawing("pa")
    blank = Image.new("L", (64, 64), 255)
    return {
        "no body": None,
        "empty image": Body(b"", "image/png"),
        "text": Body(b"not an image", "image/png"),
        "truncated PNG": Body(pa[: len(pa) // 2], "image/png"),
        "only a PNG signature": Body(pa[:8], "image/png"),
        "blank": Body(encode(blank), "image/png"),
        "black": Body(encode(Image.new("L", (64, 64), 0)), "image/png"),
        "one pixel": Body(encode(Image.new("L", (1, 1), 0)), "image/png"),
        "TIFF": Body(encode(draw(GLYPHS["pa"]), "TIFF"), "image/tiff"),
        "too many pixels": Body(encode(Image.new("1", (8000, 8000), 1)), "image/png"),
        "too many bytes": Body(bytes(11 * 2**20), "image/png"),
        "JPEG sent as PNG": Body(encode(draw(GLYPHS["pa"]), "JPEG"), "image/png"),
        "faint": Body(encode(draw(GLYPHS["pa"]).point(lambda level: 225 + level // 10)), "image/png"),
        "tiny": Body(encode(draw(GLYPHS["pa"], 8)), "image/png"),
        "large": Body(encode(draw(GLYPHS["tta"], 700)), "image/png"),
        "JSON": Body(b'{"file": "x"}', "application/json"),
    }


def _forms() -> dict[str, Body]:
    """Forms, for single predictions and for batches."""
    u = _drawing("u")
    file = ("file", "u.png", u, "image/png")
    good = multipart([file])
    boundary = good.content_type
    return {
        "good form": good,
        "form with another field": multipart([("image", "u.png", u, "image/png")]),
        "form with an empty file": multipart([("file", "u.png", b"", "image/png")]),
        "form without parts": Body(b"", boundary),
        "form that ends early": Body(good.data[: len(good.data) // 2], boundary),
        "form without a boundary": Body(good.data, "multipart/form-data"),
        "form with good and bad files": multipart(
            [file, ("file", "a.txt", b"text", "text/plain"), ("file", "", b"", "image/png")]
        ),
        "form with 65 files": multipart([file] * 65),
        "form with a value instead of a file": Body(good.data.replace(b'; filename="u.png"', b""), boundary),
    }


def _drawing(name: str) -> bytes:
    return encode(draw(GLYPHS[name]))
