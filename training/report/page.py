"""The report as one HTML page: tables, plots, and a picture of every error, from the runs in ``docs/results/``.

The page holds glyphs of the data set, so it is not committed; `documents` makes what is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jinja2

from akshar.model.manifest import Manifest
from training.data.dataset import Dataset
from training.data.label_errors import LabelError
from training.evaluation import corruption_run, ood
from training.evaluation.runs import Run
from training.report import gallery, plots, reliability_tables, tables, texts
from training.report.tables import Table

CORRUPTED: Final = ("published", "1", corruption_run.METHOD)
OOD: Final = ("published", "1", ood.METHOD)
"""Protocol, part and method of these two runs."""


@dataclass(frozen=True)
class Section:
    """A part of the page; ``plots`` are SVG."""

    id: str
    title: str
    texts: Sequence[str] = ()
    table: Table | None = None
    plots: Sequence[str] = ()
    errors: Sequence[gallery.Misread] = ()
    corrupted_images: Sequence[gallery.CorruptedImage] = ()
    ood_inputs: Sequence[gallery.OodInput] = ()


def page(runs: Sequence[Run], manifest: Manifest | None, dataset: Dataset | None) -> str:
    """The page, which needs no other file; see `sections`."""
    return render("report.html", sections=sections(runs, dataset), manifest=manifest)


def label_errors(images: Dataset, errors: Sequence[LabelError]) -> str:
    """A page of images whose labels are suspected to be wrong, with the given and the suggested character."""
    shown = gallery.suspected_images(images, errors)
    text = "Under each image: the label that was given, the likelier one, and the name of the image."
    return render("report.html", sections=[Section("labels", "Suspected labels", [text], errors=shown)], manifest=None)


def sections(runs: Sequence[Run], dataset: Dataset | None) -> list[Section]:
    """The parts of the page.

    Args:
        runs: all that there are; a section without runs is left out.
        dataset: NHCD, for pictures of its images; None leaves them out.
    """
    return [
        Section(
            "published",
            "Published figures and ours",
            (texts.PUBLISHED, texts.LABEL_BUG),
            tables.published_and_ours(runs),
            [plots.svg(plots.published_and_ours(runs))],
        ),
        Section("protocols", "Protocols", (*texts.PROTOCOLS, texts.RECIPES, texts.JOINT), tables.protocols(runs)),
        Section("classes", "Worst classes and most frequent confusions", (), tables.errors(runs)),
        *_shipped_sections(tables.find_run(runs, *tables.SHIPPED), dataset),
        *_reliability_sections(runs, dataset),
        *_plot_sections(runs),
    ]


def _shipped_sections(run: Run | None, dataset: Dataset | None) -> list[Section]:
    if run is None:
        return []
    matrices = [plots.svg(plots.confusion(run, family)) for family in run.predictions]
    text = "The shipped models on the test part of the published split, seed 1. Rows are the true classes."
    result = [Section("confusions", "Confusion matrices", (text,), plots=matrices)]
    if dataset is not None:
        errors = gallery.misread_images(run, dataset)
        text = f"All {len(errors)} images of that test part that the shipped models misread, as the model saw them."
        result.append(Section("errors", "Every error", (text,), errors=errors))
    return result


def _reliability_sections(runs: Sequence[Run], dataset: Dataset | None) -> list[Section]:
    result = []
    if (confidence := reliability_tables.confidence(runs)).rows:
        plot = plots.svg(plots.confidence(runs))
        shown = (texts.CONFIDENCE, texts.CONFIDENCE_PLOT)
        result.append(Section("confidence", "Confidence", shown, confidence, [plot]))
    if (unknown := tables.find_run(runs, *OOD)) is not None:
        table, inputs = reliability_tables.ood_inputs(unknown), gallery.ood_inputs(unknown)
        result.append(Section("ood", "OOD inputs", (texts.ood_inputs(unknown),), table, ood_inputs=inputs))
    if (corrupted := tables.find_run(runs, *CORRUPTED)) is not None:
        images = gallery.corrupted_images(corrupted, dataset) if dataset is not None else ()
        table, text = reliability_tables.corrupted_images(corrupted), texts.corrupted_images(corrupted)
        result.append(Section("corrupted", "Corrupted images", (text,), table, corrupted_images=images))
    return result


def _plot_sections(runs: Sequence[Run]) -> list[Section]:
    result = []
    if tables.few_shot_draws(runs):
        plot, table = plots.svg(plots.few_shot(runs)), tables.few_shot(runs)
        result.append(Section("few-shot", "A new family from a few images", (texts.FEW_SHOT,), table, [plot]))
    if any(run.method.startswith("bottleneck") for run in runs):
        plot = plots.svg(plots.planes(runs))
        result.append(Section("planes", "Test images in two dimensions", (texts.PLANES,), plots=[plot]))
    if len(scores := tables.scores_by_training_images(runs)) > 1:
        text = f"The first recipe, trained on {', '.join(map(str, scores))} images of each class."
        plot = plots.svg(plots.images_per_class(runs))
        result.append(Section("images", "Accuracy against images per class", (text,), plots=[plot]))
    if any(len(run.history) > 1 for run in runs):
        result.append(Section("learning", "Learning curves", plots=[plots.svg(plots.learning_curves(runs))]))
    return result


def render(template: str, **values: object) -> str:
    """A template of this package, filled in; HTML is escaped. Ends with one newline."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=template.endswith(".html"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(values).rstrip("\n") + "\n"
