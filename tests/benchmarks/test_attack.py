"""The mixed attack and the flood, shrunk to seconds: what they send is what they should, and all outputs are there."""

import asyncio
import json
import math
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.attack import __main__ as command
from benchmarks.attack import report, summary
from benchmarks.attack.attacks import KINDS, Attack, turns
from benchmarks.attack.normal import Exchange
from benchmarks.attack.sampling import Sample
from benchmarks.attack.summary import Phase

PHASES = [Phase("quiet", 0, 2), Phase("attack", 2, 4), Phase("recovery", 4, 6)]
STREAMS = ("/livez", "/livez, probe port", "280 px", "32 px")


@pytest.mark.parametrize("seconds", [1, 60, 600])
def test_each_attack_is_on_a_third_of_the_time(seconds: float) -> None:
    plan = turns(seconds)
    assert plan == turns(seconds)
    assert {len(set(each)) for each in plan} == {3}
    assert Counter(name for each in plan for name in each) == dict.fromkeys(KINDS, len(plan) // 3)


def test_a_long_attack_has_short_turns() -> None:
    assert [len(turns(seconds)) for seconds in (1, 60, 600)] == [9, 9, 36]


def test_percentiles_are_of_ranks() -> None:
    assert summary.percentiles([i / 1000 for i in range(1, 101)]) == {"p50_ms": 50, "p99_ms": 99, "max_ms": 100}
    assert summary.percentiles([0.25]) == {"p50_ms": 250, "p99_ms": 250, "max_ms": 250}


def test_requests_belong_to_the_phase_in_which_they_were_sent() -> None:
    sent = [("32 px", 99, 0.5, 200), ("32 px", 101, 0.01, 200), ("32 px", 103.9, 3, 0), ("32 px", 102, 0.02, 200)]
    streams = summary.by_phase([Exchange(*each) for each in sent], 100, PHASES)
    assert streams["32 px"]["quiet"] == {
        "requests": 1,
        "p50_ms": 10,
        "p99_ms": 10,
        "max_ms": 10,
        "served": 1,
        "statuses": {"200": 1},
    }
    attacked = streams["32 px"]["attack"]
    assert (attacked["p99_ms"], attacked["served"], attacked["statuses"]) == (3000, 0.5, {"200": 1, "lost": 1})
    assert summary.by_second([Exchange(*each) for each in sent], 100, 6)["32 px"]["second"] == [1, 2, 3]


def test_memory_and_cores_by_phase() -> None:
    used = ("server", "normal", "attackers")
    samples = [Sample(100 + i, 200 + 10 * (i == 3), {**dict.fromkeys(used, i / 4), "all": i * 1.5}) for i in range(6)]
    memory = summary.memory(samples, 100, PHASES)
    assert (memory["rest_mb"], memory["peak_mb"]) == (200, {"quiet": 200, "attack": 210, "recovery": 200})
    assert summary.cpu(samples, 100, PHASES)["attack"] == {**dict.fromkeys(used, 0.25), "others": 0.75}


def test_log_of_the_server_is_read(tmp_path: Path) -> None:
    log = tmp_path / "akshar.log"
    lines = [
        {"path": "/predict", "event": "request", "level": "info"},
        {"event": "slow", "level": "warning"},
        {"exception": "Traceback (most recent call last):\n", "event": "crash", "level": "error"},
    ]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    log.write_text("not JSON\n" + text + '{"event":"cut off","level":"error"')
    assert command._read_log(log) == {"errors": 1, "tracebacks": 1, "events": {"slow": 1, "crash": 1}}


@pytest.mark.slow
def test_every_attack_gets_the_response_that_it_is_known_for() -> None:
    expected = {
        "bombs": {"200", "504"},
        "photos": {"200"},
        "slow uploads": {"429"},
        "idle connections": {"408", "closed"},
        "large headers": {"431"},
        "slow forms": {"400", "413"},
        "costly images": {"413", "504"},
        "hang-ups": {"hung up"},
        "pipelines": {"200", "hung up"},
    }

    async def attack(port: int, name: str) -> set[str]:
        outcomes: Counter[str] = Counter()
        attacking = asyncio.create_task(KINDS[name].run(Attack(port, outcomes)))
        for _ in range(600):
            await asyncio.wait([attacking], timeout=0.05)
            if attacking.done() or outcomes.keys() & expected[name]:
                break
        attacking.cancel()
        with suppress(asyncio.CancelledError):
            await attacking
        return set(outcomes)

    with command._serving() as target:
        for name in KINDS:
            outcomes = asyncio.run(attack(target.port, name))
            assert outcomes & expected[name], name
            assert outcomes <= expected[name] | {"429", "503", "closed"}, name


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(command, "MEASURED", tmp_path / "build")
    monkeypatch.setattr(command, "COMMITTED", tmp_path / "benchmarks")
    return tmp_path


@pytest.mark.slow
def test_a_mixed_attack_of_seconds_has_all_outputs(outputs: Path) -> None:
    command.main(minutes=4.5 / 60, quiet_minutes=2 / 60, only_flood=False, save=False)
    assert not (outputs / "benchmarks").exists()
    path = outputs / "build/attack"
    results = json.loads(path.with_suffix(".json").read_text())
    assert path.with_suffix(".md").read_text() == report.markdown(results)
    first = path.with_suffix(".svg").read_text()
    report.plot(results, path.with_suffix(".svg"))
    assert [line.split(" id=")[0] for line in path.with_suffix(".svg").read_text().splitlines() if "<!--" in line] == [
        line.split(" id=")[0] for line in first.splitlines() if "<!--" in line
    ]  # All texts; the ids of marks and clips differ.
    _assert_complete(results)


def _assert_complete(results: dict[str, Any]) -> None:
    assert list(results["ratios"]) == list(summary.TARGETS)
    assert all(math.isfinite(value) for value in results["ratios"].values())
    assert tuple(results["streams"]) == tuple(results["series"]) == STREAMS
    assert [phase["name"] for phase in results["phases"]] == list(summary.PHASES)
    rates = {"32 px": 20, "280 px": 5, "/livez": 10, "/livez, probe port": 10}
    for stream, phases in results["streams"].items():
        assert list(phases) == list(summary.PHASES)
        for phase in ("quiet", "recovery"):
            # At its rate, which no response holds up, but for what a busy machine sends late.
            assert rates[stream] <= phases[phase]["requests"] <= 4 * rates[stream]
        assert phases["quiet"]["statuses"] == {"200": phases["quiet"]["requests"]}
    assert [turn["attacks"] for turn in results["turns"]] == list(map(list, turns(4.5)))
    assert list(results["attacks"]) == list(KINDS)
    assert all(set(attack["p99_ms"]) == set(STREAMS) for attack in results["attacks"].values())
    assert results["attacks"]["hang-ups"]["outcomes"]["hung up"] > 0
    assert results["memory"]["rest_mb"] > 50
    assert set(results["cpu"]["attack"]) == {"server", "normal", "attackers", "others"}
    assert results["cpu"]["attack"]["attackers"] > 0


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_a_flood_of_seconds_has_all_outputs(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FLOOD_ROUNDS", 1)
    monkeypatch.setattr(command, "FLOOD_SECONDS", 1)
    command.main(only_flood=True, save=True)
    assert not (outputs / "build").exists()
    path = outputs / "benchmarks/flood"
    results = json.loads(path.with_suffix(".json").read_text())
    assert path.with_suffix(".md").read_text() == report.flood_markdown(results)
    assert [(cell["connections"], cell["side"]) for cell in results["cells"]] == [
        (1, 300),
        (1, 1000),
        (8, 300),
        (8, 1000),
    ]
    for cell in results["cells"]:
        assert cell["quiet"]["served"] == 1
        assert cell["flood"]["200"] > 0
        assert cell["ratio"] == pytest.approx(cell["beside"]["p99_ms"] / cell["quiet"]["p99_ms"])
        assert cell["flood_cores"] > 0
        assert cell["quiet"]["client_cores"] > 0
