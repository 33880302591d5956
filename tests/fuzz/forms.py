"""Cases of damaged multipart forms, under every kind of Content-Type."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Final

from benchmarks.hostile_forms import SLOW_FORMS, Form
from benchmarks.load import multipart
from tests.drawing import draw, encode
from tests.faults.client import request
from tests.fuzz.exchange import Case, Response
from tests.fuzz.images import FAMILIES
from tests.fuzz.mutate import mutate
from tests.fuzz.oracle import prediction_faults, status_faults

_SLOW_MEGABYTES: Final = (0.001, 0.02, 0.3, 1.5)

_HEADERS: Final = (
    b"Content-Disposition: form-data",
    b'Content-Disposition: form-data; name="file"; filename="a.png"',
    b"content-disposition:form-data;name=file;filename=x",
    b'Content-Disposition: form-data; name="file"; filename="a\\"b.png"',
    b"Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''%e2%82%ac.png",
    b"Content-Disposition: form-data; name=\"file\"; filename*=nonsense''%ff%fe%zz",
    b"Content-Disposition: form-data; name*0=fi; name*1=le; filename*0*=utf-8''a; filename*1=b",
    b'Content-Disposition: attachment; name="file"; filename="\xff\xfe\x00.png"',
    b'Content-Disposition: form-data; name="file"; filename="..\\..\\etc\\passwd"',
    b'Content-Disposition: form-data; name="' + b"n" * 5000 + b'"',
    b"Content-Disposition: form-data" + b"; a=b" * 500,
    b"Content-Type: image/png",
    b"Content-Type: multipart/mixed; boundary=inner",
    b"Content-Transfer-Encoding: base64",
    b"Content-Length: 99999999999",
    b": no name",
    b"no colon",
    b" folded: line",
    b"X: " + b"\xe0\xa4\xaa" * 40,
)
_BYTES: Final = (b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"--", b"\0", b'"', b";", b"\r\n--", b"--\r\n", b" \t")


@cache
def _forms() -> tuple[Form, ...]:
    pa = encode(draw("pa", 32))
    file, field = ("file", "a.png", pa, "image/png"), ("other", "b.png", b"text", "text/plain")
    forms = [multipart(files) for files in ([file], [file] * 3, [field, file], [field], [], [file] * 66, [file] * 20)]
    return tuple((form.data, form.content_type) for form in forms)


@cache
def _slow_form(number: int) -> Form:
    make_form = SLOW_FORMS[number % len(SLOW_FORMS)]
    return make_form(_SLOW_MEGABYTES[number // len(SLOW_FORMS)])


def content_types(boundary: str) -> tuple[str, ...]:
    """Every kind of Content-Type: with this boundary, with another, with none, or malformed."""
    start = "multipart/form-data"
    return (
        f"{start}; boundary={boundary}",
        f'{start}; boundary="{boundary}"',
        f"MultiPart/Form-Data;BOUNDARY={boundary}",
        f"{start} ;\t boundary = {boundary} ",
        f"{start}; charset=utf-8; boundary={boundary}",
        f"{start}; charset=utf-16; boundary={boundary}; x=y",
        f"{start}; boundary={boundary}; boundary=other",
        f"{start}; boundary=other; boundary={boundary}",
        f"{start}; boundary={boundary},",
        f"{start}, {start}; boundary={boundary}",
        f"{start}; boundary*=utf-8''{boundary}",
        f"{start}; boundary*0={boundary[:3]}; boundary*1={boundary[3:]}",
        f'{start}; boundary="{boundary}',
        f'{start}; boundary="\\{boundary}\\"',
        f"{start}; boundary={boundary.upper()}",
        f"{start}; boundary={boundary[:-1]}",
        f"{start}; boundary={boundary}x",
        f"{start}; boundary=-",
        f"{start}; boundary=--",
        f"{start}; boundary=' '",
        f"{start}; boundary=",
        f'{start}; boundary=""',
        f"{start}; boundary",
        f"{start};",
        start,
        f"{start}x; boundary={boundary}",
        f"{start}; boundary={'y' * 70}",
        f"{start}; boundary={'y' * 71}",
        f"{start}; boundary={'y' * 4000}",
        f"{start}; boundary=\xff\xe9{boundary}",
        f"{start}; boundary={boundary}\t",
        start + ";a=b" * 1000 + f"; boundary={boundary}",
        start + ";" * 4000,
        f"multipart/mixed; boundary={boundary}",
        f"multipart/; boundary={boundary}",
        "application/x-www-form-urlencoded",
        "application/json",
        "image/png",
        "text/plain; charset=nonsense",
        "/",
        ";",
        "",
    )


def mutated_form(rng: Random) -> Form:
    """A body, mostly damaged, and the Content-Type that it had before."""
    slow = rng.random() < 0.2
    body, content_type = (
        _slow_form(rng.randrange(len(SLOW_FORMS) * len(_SLOW_MEGABYTES))) if slow else rng.choice(_forms())
    )
    boundary = content_type.partition("boundary=")[2].encode()
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        body = _inserted(rng, body, boundary)
    if rng.random() < 0.5:
        body = mutate(rng, body, [other for other, _ in _forms()])
    return body, content_type


def _inserted(rng: Random, body: bytes, boundary: bytes) -> bytes:
    """With a header, a boundary or a few bytes somewhere, mostly where a line ends."""
    what = rng.choice(
        (
            b"\r\n" + rng.choice(_HEADERS) + b"\r\n",
            b"\r\n--" + boundary + rng.choice((b"\r\n", b"--", b"--\r\n", b"  \r\n", b"", b"x")),
            rng.choice(_BYTES) * rng.choice((1, 1, 2, 100)),
        )
    )
    place = rng.randrange(len(body) + 1)
    if rng.random() < 0.7:
        place = max(body.find(b"\r\n", place), 0)
    return body[:place] + what + body[place:]


def make(rng: Random) -> Case:
    """A request with a form, to either path."""
    body, content_type = mutated_form(rng)
    if rng.random() < 0.5:
        content_type = rng.choice(content_types(content_type.partition("boundary=")[2]))
    batch = rng.random() < 0.5
    path = f"/predict/{rng.choice(FAMILIES)}{'/batch' if batch else ''}"
    sent = request(path, body, content_type, Connection="close")
    return Case((sent,), responses=1, check=lambda response: _faults(response, batch))


def _faults(response: Response, batch: bool) -> list[str]:
    if response.status != 200:
        return status_faults(response, batch)
    content = response.json()
    predictions = [result["answer"] for result in content["results"]] if batch else [content]
    return [fault for prediction in predictions if prediction for fault in prediction_faults(prediction)]
