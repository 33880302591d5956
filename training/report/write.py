"""Writes everything that ``make report`` makes."""

from __future__ import annotations

from pathlib import Path

from akshar.model.manifest import read_manifest
from training.data.dataset import Dataset
from training.evaluation import runs
from training.report import documents, plots
from training.report.page import page


def write_report(
    results: Path,
    artifacts: Path,
    images: Path,
    readme: Path,
    experiments: Path,
    out: Path,
    dataset: Dataset | None = None,
) -> int:
    """Write the page, the committed documents and their plots.

    Args:
        results: folder of the runs; its ``README.md`` is written.
        artifacts: folder of the shipped models; its ``MODEL_CARD.md`` is written.
        images: folder for the plots that documents show.
        readme: the README, whose generated part is replaced.
        experiments: folder of the ablations; the generated part of ``<folder>.md`` is replaced.
        out: the page. With a data set it holds images of it: do not commit it.
        dataset: NHCD, for pictures of its images.

    Returns:
        The number of runs.

    Raises:
        BundleError: the manifest cannot be read.
        RunError: there is no run of the shipped models.
    """
    loaded, manifest = runs.load_all(results), read_manifest(artifacts)
    ablations = runs.load_ablations(experiments)
    files = {
        out: page(loaded, manifest, dataset),
        results / "README.md": documents.results_page(loaded),
        artifacts / "MODEL_CARD.md": documents.model_card(loaded, manifest),
        **{images / f"{name}.svg": plots.svg(draw(loaded)) for name, draw in plots.COMMITTED.items()},
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    # Read last, so that what someone edits meanwhile is kept.
    document = experiments.with_suffix(".md")
    readme.write_text(documents.readme(readme.read_text(encoding="utf-8"), loaded), encoding="utf-8")
    document.write_text(documents.experiments(document.read_text(encoding="utf-8"), ablations), encoding="utf-8")
    return len(loaded)
