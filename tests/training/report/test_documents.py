"""The committed documents are what the committed runs give."""

import re
from pathlib import Path

import pytest

from akshar.model.bundle import Bundle
from training.evaluation import runs
from training.evaluation.runs import Run
from training.models.history import RunError
from training.report import documents, plots, tables


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_results_page_is_up_to_date(all_runs: list[Run], repository: Path) -> None:
    """`make report` was run after the last run."""
    assert read(repository / "docs" / "results" / "README.md") == documents.results_page(all_runs)


def test_the_readmes_table_is_up_to_date(all_runs: list[Run], repository: Path) -> None:
    readme = read(repository / "README.md")
    assert all(readme.count(mark) == 1 for mark in documents.MARKS)
    assert readme == documents.readme(readme, all_runs)


def test_the_table_of_ablations_is_up_to_date(repository: Path) -> None:
    page = read(repository / "docs" / "experiments.md")
    assert all(page.count(mark) == 1 for mark in documents.MARKS)
    assert page == documents.experiments(page, runs.load_ablations(repository / "docs" / "experiments"))


def test_the_model_card_is_up_to_date(all_runs: list[Run], bundle: Bundle, repository: Path) -> None:
    """`make report` was run after the last training."""
    assert read(repository / "artifacts" / "MODEL_CARD.md") == documents.model_card(all_runs, bundle.manifest)


def test_a_model_card_needs_the_run_of_the_shipped_models(bundle: Bundle) -> None:
    with pytest.raises(RunError, match="evaluate --save"):
        documents.model_card([], bundle.manifest)


def test_the_readmes_part_is_one_table_of_four_rows_and_a_link(all_runs: list[Run]) -> None:
    text = documents.readme("before\n{}\nyesterday\n{}\nafter\n".format(*documents.MARKS), all_runs)
    assert text.startswith(f"before\n{documents.MARKS[0]}\n")
    assert text.endswith(f"{documents.MARKS[1]}\nafter\n")
    assert "yesterday" not in text
    assert len(re.findall(r"^\|", text, re.MULTILINE)) == 2 + 4
    assert "](docs/results/README.md)" in text
    assert len(re.sub(r"<!--.*?-->|\]\(\S+\)|[|]|---", " ", text).split()) <= 95


def test_the_results_page_names_its_sources_and_shows_every_committed_plot(repository: Path) -> None:
    page = read(repository / "docs" / "results" / "README.md")
    assert all(f"]({address})" in page for address in tables.LINKS.values())
    assert {f"../images/{name}.svg" for name in plots.COMMITTED} == set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page))
    for section in ("Confidence", "OOD inputs", "Corrupted images", "A new family from a few images"):
        assert f"\n## {section}\n" in page


def test_without_special_runs_their_sections_are_left_out(shipped: Run) -> None:
    page = documents.results_page([shipped])
    assert re.findall(r"^## (.*)$", page, re.MULTILINE)[-1] == "Worst classes and most frequent confusions"
    assert "few-shot.svg" not in page
    assert "planes.svg" not in page
