"""How many connections there may be, and which must go for others."""

import math
import resource
import socket
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from app.connection import descriptors
from app.connection.refusals import EventLog
from app.connection.table import Table
from app.settings import Settings


@dataclass(eq=False)
class Fake:
    host: str
    table: Table
    deadline: float = math.inf
    closed: list[str] = field(default_factory=list)

    def expire(self) -> None:
        self.closed.append("expired")

    def make_way(self) -> None:
        self.closed.append("made way")

    def abort(self) -> None:
        self.closed.append("aborted")
        self.table.remove(self)


def filled(table: Table, *hosts: str) -> list[Fake]:
    connections = [Fake(host, table) for host in hosts]
    for connection in connections:
        assert table.add(connection)
    return connections


def table(**settings: object) -> Table:
    return Table(Settings(**{"max_connections": 4, "max_connections_per_client": 3, **settings}))  # type: ignore[arg-type]


def test_the_connection_that_has_rested_longest_makes_way() -> None:
    full = table()
    first, second, *others = filled(full, "a", "b", "c", "d")
    full.set_busy(first)
    full.set_resting(first)
    assert full.add(Fake("e", full))
    assert second.closed == ["made way"]
    assert not any(each.closed for each in [first, *others])
    assert len(full) == 4


def test_the_client_with_most_connections_makes_way_first() -> None:
    full = table()
    *_, few = filled(full, "few", "many", "many", "many")[:1]
    for _ in range(50):
        filled(full, "many")
    assert not few.closed


def test_busy_connections_stay_and_newcomers_are_refused() -> None:
    full = table()
    busy = filled(full, "a", "a", "b", "c")
    for connection in busy:
        full.set_busy(connection)
    assert not full.add(Fake("d", full))
    full.set_resting(busy[0])
    assert full.add(Fake("d", full))
    assert busy[0].closed == ["made way"]


def test_a_client_has_its_own_limit_within_which_its_own_make_way() -> None:
    full = table()
    mine = filled(full, "a", "a", "a")
    full.set_busy(mine[0])
    full.set_busy(mine[1])
    assert full.add(Fake("a", full))
    assert mine[2].closed == ["made way"]
    full.set_busy(next(iter(full._clients["a"].resting)))
    assert not full.add(Fake("a", full))
    assert full.add(Fake("b", full))


def test_trusted_proxies_are_exempt_and_make_way_last() -> None:
    full = table(max_connections=6, trusted_proxies="10.0.0.0/8")
    proxied = filled(full, *5 * ["10.1.2.3"])
    filled(full, "a")
    assert full.add(Fake("b", full))
    assert not any(each.closed for each in proxied)


def test_an_ipv6_network_is_one_client() -> None:
    full = table()
    mine = filled(full, "2001:db8::1", "2001:db8::2", "2001:db8::3")
    for connection in mine:
        full.set_busy(connection)
    assert not full.add(Fake("2001:db8::4", full))


def test_few_linger_at_once_and_the_oldest_goes() -> None:
    full = table()
    full._max_lingering = 2
    refused = [Fake("a", full) for _ in range(3)]
    for connection in refused:
        full.set_lingering(connection)
    assert [each.closed for each in refused] == [["aborted"], [], []]
    assert len(full) == 2
    for connection in refused:
        full.remove(connection)
    assert len(full) == 0


def test_descriptors_bound_connections_and_it_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 64)
    monkeypatch.setattr("os.listdir", lambda _: 31 * ["x"])
    with capture_logs() as lines:
        few = Table(Settings())
        assert few.max_connections + few._max_lingering == 64 - 30 - 16
        few._fit_descriptors()
    assert [line["event"] for line in lines] == ["few_descriptors"]
    assert lines[0]["max_connections"] == few.max_connections


def test_when_descriptors_run_out_it_is_logged_and_a_connection_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 64)
    few = Table(Settings())
    (connection,) = filled(few, "a")

    def fail(_: str) -> list[str]:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("os.listdir", fail)
    with capture_logs() as lines:
        few._fit_descriptors()
    assert connection.closed == ["made way"]
    assert "out_of_descriptors" in [line["event"] for line in lines]


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        assert descriptors.raise_limit() >= hard or hard == resource.RLIM_INFINITY
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_flood_of_refusals_is_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    events = EventLog()
    with capture_logs() as lines:
        for _ in range(1000):
            events.refused("header_timeout", "a", "1")
        events.refused("uri_too_long", "a", "2")
        now += 1.5
        events.refused("header_timeout", "b", "3")
    assert [(line["code"], line["client"], line["unlogged"]) for line in lines] == [
        ("header_timeout", "a", 0),
        ("uri_too_long", "a", 0),
        ("header_timeout", "b", 999),
    ]


@pytest.mark.parametrize(("limit", "number"), [(64, 1), (1024, 16), (2**20, 64)])
def test_listening_sockets_are_copied_where_descriptors_allow(
    limit: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: limit)
    with socket.create_server(("127.0.0.1", 0)) as one:
        sockets = descriptors.with_copies([one])
        assert sockets[0] is one
        assert len(sockets) == len({each.fileno() for each in sockets}) == number
        for each in sockets:
            each.close()
