"""The committed results are complete, their page is up to date, and only ``--save`` replaces them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from benchmarks import ROOT, report
from benchmarks import __main__ as benchmark

ENDINGS = (".json", ".md", ".svg")
RESULTS = json.loads(report.COMMITTED.with_suffix(".json").read_text())


def _contents(path: Path) -> dict[str, bytes]:
    return {ending: path.with_suffix(ending).read_bytes() for ending in ENDINGS}


def test_every_target_was_measured() -> None:
    assert not RESULTS["quick"]
    assert list(RESULTS["ratios"]) == list(report.TARGETS)
    assert RESULTS["ratios"] == pytest.approx(report.ratios(RESULTS))


def test_page_shows_results() -> None:
    assert report.COMMITTED.with_suffix(".md").read_text() == report.markdown(RESULTS)


def test_page_explains_every_miss() -> None:
    page = report.markdown(RESULTS)
    missed = [name for name, value in RESULTS["ratios"].items() if not report.TARGETS[name].met_by(value)]
    assert page.count("**missed**") == len(missed) > 0
    for name in missed:
        assert f"`{name}` is missed: " in page


def test_target_is_met_at_its_limit() -> None:
    assert report.TARGETS["best_peer"].met_by(1.7)
    assert not report.TARGETS["best_peer"].met_by(1.69)
    assert not report.TARGETS["memory_growth"].met_by(0.05)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Results as a run measures them, which differ from the committed ones; what a run writes goes elsewhere."""
    results: dict[str, Any] = json.loads(json.dumps(RESULTS))
    results["machine"]["cpu"] = "another CPU"
    monkeypatch.setattr(benchmark, "measure", lambda quick: {**results, "quick": quick})
    monkeypatch.setattr(report, "MEASURED", tmp_path / "build/benchmark")
    return results


@pytest.mark.parametrize("quick", [False, True])
def test_run_leaves_committed_results_untouched(quick: bool, measured: dict[str, Any]) -> None:
    before = _contents(report.COMMITTED)
    benchmark.main(quick=quick, save=False)
    assert _contents(report.COMMITTED) == before
    assert b"another CPU" in _contents(report.MEASURED)[".md"]


def test_measured_figures_go_to_an_ignored_folder() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"{report.MEASURED.parent.relative_to(ROOT)}/" in ignored


def test_save_replaces_committed_results(
    measured: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(report, "COMMITTED", tmp_path / "results")
    benchmark.main(quick=False, save=True)
    assert json.loads(_contents(report.COMMITTED)[".json"]) == {**measured, "quick": False}
    assert not report.MEASURED.parent.exists()


def test_quick_run_cannot_be_saved(measured: dict[str, Any]) -> None:
    with pytest.raises(typer.BadParameter):
        benchmark.main(quick=True, save=True)
