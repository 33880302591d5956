from pathlib import Path

from training.evaluation import runs
from training.evaluation.runs import Run
from training.report import documents, plots, tables
from training.report.write import write_report


def test_everything_is_written(shipped: Run, repository: Path, tmp_path: Path) -> None:
    results, readme, out = tmp_path / "results", tmp_path / "README.md", tmp_path / "build" / "page.html"
    artifacts, images, experiments = tmp_path / "artifacts", tmp_path / "images", tmp_path / "experiments"
    runs.save(shipped, results)
    artifacts.mkdir()
    (artifacts / "manifest.json").write_bytes((repository / "artifacts" / "manifest.json").read_bytes())
    for document in (readme, experiments.with_suffix(".md")):
        document.write_text(f"before\n{documents.MARKS[0]}\nyesterday\n{documents.MARKS[1]}\nafter\n")
    assert write_report(results, artifacts, images, readme, experiments, out) == 1
    assert out.read_text().startswith("<!doctype html>")
    for document in (readme, experiments.with_suffix(".md")):
        text = document.read_text()
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "yesterday" not in text
    score = shipped.scores["consonants"]
    assert tables.percent(score["accuracy"]) in readme.read_text()
    assert f"{score['correct']:,} of 1,111" in (results / "README.md").read_text()
    assert f"{score['correct']:,} of 1,111" in (artifacts / "MODEL_CARD.md").read_text()
    assert {path.name for path in images.iterdir()} == {f"{name}.svg" for name in plots.COMMITTED}
