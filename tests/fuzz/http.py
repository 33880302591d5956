"""Cases of damaged HTTP: request lines, headers, bodies in chunks, several requests at once, slow and gone clients."""

from __future__ import annotations

from random import Random
from typing import Final

from benchmarks.load import multipart
from tests.drawing import draw, encode
from tests.fuzz.exchange import Case
from tests.fuzz.mutate import mutate

_PA: Final = encode(draw("pa", 32))
_FORM: Final = multipart([("file", "a.png", _PA, "image/png")])

_METHODS: Final = (
    *(b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT", b"PRI", b"QUERY"),
    *(b"get", b"", b"G\0T", b"GET" * 5000, b"\xff"),
)
_TARGETS: Final = (
    *(b"/livez", b"/readyz", b"/health", b"/metrics", b"/families", b"/openapi.json", b"/docs", b"/redoc", b"/"),
    *(b"/predict/consonants", b"/predict/auto?explain=true", b"/predict/nothing", b"/predict/vowels/batch"),
    *(
        b"/static-offline-docs/swagger-ui.css",
        b"/static-offline-docs/..%2f..%2fetc/passwd",
        b"/static-offline-docs/%00",
    ),
    *(b"/readyz/", b"//evil.example/livez", b"http://evil.example/livez", b"evil.example:443", b"*", b"", b"livez"),
    *(b"/predict/%1b%5b2J", b"/predict/%ff%fe", b"/predict/%e0%a4%aa", b"/%2e%2e/%2e%2e/etc/passwd", b"/%", b"/%zz"),
    *(b"/livez?" + b"a" * 9000, b"/" + b"a" * 100_000, b"/livez?x=%00&&=&?#fragment", b"/predict/vowels?coverage=nan"),
    *(b"/predict/vowels?min_confidence=1e999", b"/predict/vowels?unknown=1", b"/\x01\x7f", b"/\xe0\xa4\xaa", b"/a b"),
)
_VERSIONS: Final = (
    b"HTTP/1.1",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.9",
    b"http/1.1",
    b"",
    b"X",
)
_HEADERS: Final = (
    *(b"Host: test", b"Host: evil.example", b"Host:", b"Host: a, b", b"Host: [::1", b"Host: \xff", b"Host : test"),
    *(b"Connection: close", b"Connection: keep-alive", b"Connection: upgrade", b"Connection: close, keep-alive, \xff"),
    *(
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: +5",
        b"Content-Length: 5, 5",
    ),
    *(b"Content-Length: 99999999999999999999999", b"Content-Length: 0x5", b"Content-Length: \xb2", b"Content-Length:"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, identity"),
    *(b"Transfer-Encoding : chunked", b"Transfer-Encoding: \x0bchunked", b"TE: trailers", b"Trailer: X"),
    *(
        b"Expect: 100-continue",
        b"Expect: nonsense",
        b"Upgrade: websocket",
        b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABk",
    ),
    *(b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13", b"Content-Encoding: gzip", b"Range: bytes=0-5,9-"),
    *(b"Range: bytes=99999999-", b"Range: bytes=-", b"If-None-Match: *", b"If-Modified-Since: nonsense"),
    *(b"X-Timeout-Ms: 1", b"X-Timeout-Ms: 0", b"X-Timeout-Ms: -1", b"X-Timeout-Ms: \xb2", b"X-Timeout-Ms: 9999999999"),
    *(b"X-Request-Id: mine", b"X-Request-Id: \x1b[2J", b"X-Request-Id: " + b"i" * 500, b"X-Forwarded-For: 1.2.3.4, x"),
    *(b"Forwarded: for=_x", b"X-Forwarded-Proto: javascript", b"Origin: null", b"Cookie: " + b"c=d; " * 100),
    *(b"Content-Type: multipart/form-data", b"Content-Type: image/png", b"Content-Type:", b"Content-Type: \xff\0"),
    *(
        b"No-Colon",
        b": nothing",
        b" folded",
        b"\tfolded: again",
        b"X\0Y: z",
        b"X: \0",
        b"X: \r y",
        b"\xff: y",
        b"X:y" * 50,
    ),
    *(b"Long: " + b"l" * 8000, b"Long: " + b"l" * 9000, b"Longer: " + b"l" * 40_000, b"\r\n".join([b"Many: m"] * 150)),
)
_SIZES: Final = (
    *(b"0", b"00", b"5", b"-1", b"+5", b"0x5", b"g", b"", b" 5", b"5 ", b"ffffffff", b"7fffffffffffffff", b"\xb2"),
    *(b"ffffffffffffffff", b"10000000000000000", b"5;x=y", b'5;x="\r\n"', b"5;" + b"e" * 9000, b"5\t;", b"0" * 5000),
)
_TRAILERS: Final = (
    b"",
    b"",
    b"X: y\r\n",
    b"Content-Length: 5\r\n",
    b"T: t\r\n" * 200,
    b"T: " + b"t" * 50_000,
    b"\0\r\n",
)


def make(rng: Random) -> Case:
    """One connection: a few requests, mostly damaged, sent in one of many ways."""
    requests = [_request(rng) for _ in range(rng.choice((1, 1, 1, 2, 3, 3, 20)))]
    sent = b"".join(requests)
    if rng.random() < 0.4:
        sent = mutate(rng, sent, requests)
    return Case(_chunks(rng, sent), pause=rng.choice((0, 0, 0, 0.001, 0.05, 0.4)), patience=_patience(rng))


def _patience(rng: Random) -> float | None:
    """Seconds until the client hangs up: at once, soon, or not before the server does."""
    return rng.choice((0.0, 0.001, 0.01, 0.2, 0.2, 0.2, 0.2, None))


def _chunks(rng: Random, sent: bytes) -> tuple[bytes, ...]:
    """All at once, cut in a few places, or a byte at a time to begin with."""
    if rng.random() < 0.6 or len(sent) < 2:
        return (sent,)
    if rng.random() < 0.2:
        return (*(sent[i : i + 1] for i in range(min(len(sent), 8))), sent[8:])
    ends = sorted(rng.randrange(1, len(sent)) for _ in range(rng.choice((1, 2, 5))))
    return tuple(sent[start:end] for start, end in zip([0, *ends], [*ends, len(sent)], strict=True))


def _request(rng: Random) -> bytes:
    """A request that is in order, or has an odd line, odd headers or an odd body."""
    if rng.random() < 0.3:
        return _plain(rng)
    method, target, version = rng.choice(_METHODS[:3]), rng.choice(_TARGETS[:13]), b"HTTP/1.1"
    match rng.randrange(6):
        case 0:
            method = rng.choice(_METHODS)
        case 1 | 2:
            target = rng.choice(_TARGETS)
        case 3:
            version = rng.choice(_VERSIONS)
    headers = [b"Host: test"] if rng.random() < 0.9 else []
    headers += rng.choices(_HEADERS, k=rng.choice((0, 1, 1, 2, 3)))
    body = b""
    match rng.randrange(4):
        case 0:
            body = rng.choice((_PA, _FORM.data, b"12345", b"GET /livez HTTP/1.1\r\n\r\n"))
            headers.append(b"Content-Length: %d" % max(len(body) + rng.choice((0, 0, 0, 0, -1, 1, 1000)), 0))
        case 1:
            body = _chunked(rng, rng.choice((_PA, _FORM.data, b"12345")))
            headers.append(b"Transfer-Encoding: chunked")
    rng.shuffle(headers)
    end = b"\r\n" if rng.random() < 0.95 else rng.choice((b"\n", b"\r", b"\r\n\r\n", b"\n\r"))
    line = rng.choice((b" ", b" ", b" ", b" ", b"  ", b"\t", b"")).join((method, target, version))
    return end.join([line, *headers, b"", b""]) + body


def _plain(rng: Random) -> bytes:
    if rng.random() < 0.4:
        return b"GET %s HTTP/1.1\r\nHost: test\r\n\r\n" % rng.choice(_TARGETS[:9])
    body, kind = rng.choice(((_PA, "image/png"), (_FORM.data, _FORM.content_type)))
    head = b"POST /predict/consonants HTTP/1.1\r\nHost: test\r\nContent-Type: %s\r\n" % kind.encode()
    if rng.random() < 0.5:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def _chunked(rng: Random, body: bytes) -> bytes:
    """A body in chunks of which one may be broken: its size, its end, or the trailers behind the last."""
    step = rng.choice((1, 7, 100, 1000))
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[i : i + step] for i in range(0, len(body), step))]
    i = rng.randrange(len(chunks))
    match rng.randrange(5):
        case 0:
            chunks[i] = rng.choice(_SIZES) + b"\r\n" + body[:5] + b"\r\n"
        case 1:
            chunks[i] = chunks[i][:-2] + rng.choice((b"", b"\n", b"\r", b"\r\n\r\n", b"x\r\n"))
        case 2:
            return b"".join(chunks) + b"0\r\n" + rng.choice(_TRAILERS) + b"\r\n"
        case 3:
            return b"".join(chunks)
    return b"".join(chunks) + b"0\r\n\r\n"
