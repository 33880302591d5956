import re
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from app.settings import REPOSITORY
from training import plots, refusals, report, runs, tables
from training.__main__ import main
from training.data import Dataset

FOUND = runs.load_all(REPOSITORY / "docs" / "results")
SHIPPED = next(run for run in FOUND if (run.protocol, run.part, run.method) == tables.SHIPPED)


def test_the_page_stands_alone_and_shows_every_error(nhcd: Dataset) -> None:
    page = report.page(FOUND, None, nhcd)
    wrong = [name for a in SHIPPED.answers.values() for name in a.name[a.truth != a.answer]]
    assert len(re.findall(r'<img src="data:image/png;base64,[^"]+" alt="\S+ read as \S+">', page)) == len(wrong) > 0
    (refused,) = [run for run in FOUND if run.method == refusals.METHOD]
    for row in refused.details["refusals"]:
        assert page.count(f'alt="{row["kind"]}">') == len(row["shown"])
    assert all(name in page for name in wrong)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\((?!["']?#)""", page)
    ids = re.findall(r'<h2 id="([^"]+)"', page)
    assert {"theirs-and-ours", "protocols", "classes", "confusions", "errors", "learning"} <= set(ids)
    assert re.findall(r"<nav>.*?</nav>", page)[0].count("href=") == len(ids)


def test_a_runner_up_is_another_class_that_the_margins_rank_second(nhcd: Dataset) -> None:
    for error in report.misread(SHIPPED, nhcd):
        assert error.runner_up
        assert error.runner_up != error.answer != error.truth
    # Most errors are near misses.
    assert np.mean([error.runner_up == error.truth for error in report.misread(SHIPPED, nhcd)]) > 0.5


def test_a_plot_is_the_same_every_time() -> None:
    assert plots.svg(plots.theirs_and_ours(FOUND)) == plots.svg(plots.theirs_and_ours(FOUND))


def test_the_command_writes_the_page_and_the_documents(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((REPOSITORY / "artifacts/manifest.json").read_bytes())
    results = tmp_path / "results"
    runs.save(SHIPPED, results)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.MARKS[0]}\nyesterday\n{report.MARKS[1]}\nafter\n")
    options = ["--artifacts", str(tmp_path), "--results", str(results), "--images", str(tmp_path / "images")]
    options += ["--readme", str(readme), "--trials", str(tmp_path / "experiments")]
    (tmp_path / "experiments.md").write_text(readme.read_text())
    run = CliRunner().invoke(main, ["report", *options, "--out", str(tmp_path / "build" / "page.html")])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "build" / "page.html").read_text().startswith("<!doctype html>")
    score = SHIPPED.scores["consonants"]
    assert tables.percent(score["accuracy"]) in readme.read_text()
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("after\n")
    assert "yesterday" not in readme.read_text()
    assert f"{score['correct']:,} of 1,111" in (results / "README.md").read_text()
    assert f"{score['correct']:,} of 1,111" in (tmp_path / "MODEL_CARD.md").read_text()
    assert {path.name for path in (tmp_path / "images").iterdir()} == {f"{name}.svg" for name in plots.COMMITTED}
