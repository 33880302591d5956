"""The committed documents: the results, the model card, and the generated parts of README and experiments.

They hold tables and plots, and no image of a data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from akshar.model.bundle import ONNX
from akshar.model.classes import CATALOGUE
from akshar.model.manifest import Manifest
from training.evaluation.runs import Run
from training.models.history import RunError
from training.recipe import RECIPES
from training.report import reliability_tables, tables, texts
from training.report.page import CORRUPTED, OOD, render
from training.report.tables import Table

MARKS: Final = ("<!-- Written by `make report`. -->", "<!-- Up to here. -->")
"""What a document has before and after its generated part."""


def results_page(runs: Sequence[Run]) -> str:
    """``docs/results/README.md``."""
    corrupted, ood = tables.find_run(runs, *CORRUPTED), tables.find_run(runs, *OOD)
    confidence = reliability_tables.confidence(runs)
    return render(
        "results.md",
        texts=texts,
        links=tables.LINKS,
        trainings=sum(run.method in RECIPES and run.protocol != "dhcd" for run in runs),
        published_and_ours=tables.published_and_ours(runs).markdown(),
        protocol_summary=tables.protocol_summary(runs).markdown(),
        protocols=tables.protocols(runs).markdown(),
        errors=tables.errors(runs).markdown(),
        confidence=confidence.markdown() if confidence.rows else "",
        ood_inputs=reliability_tables.ood_inputs(ood).markdown() if ood else "",
        ood_text=texts.ood_inputs(ood) if ood else "",
        corrupted_images=reliability_tables.corrupted_images(corrupted).markdown() if corrupted else "",
        corrupted_text=texts.corrupted_images(corrupted) if corrupted else "",
        few_shot=tables.few_shot(runs).markdown() if tables.few_shot_draws(runs) else "",
        planes=any(run.method == "bottleneck" for run in runs),
    )


def readme(text: str, runs: Sequence[Run]) -> str:
    """The README with its generated part, the table of accuracies, made anew."""
    return _between_marks(text, render("readme.md", accuracy=tables.accuracy(runs).markdown()))


def experiments(text: str, results: Sequence[dict[str, Any]]) -> str:
    """``docs/experiments.md`` with its generated part, the table of ablations, made anew."""
    return _between_marks(text, tables.ablations(results).markdown())


def model_card(runs: Sequence[Run], manifest: Manifest) -> str:
    """``artifacts/MODEL_CARD.md``.

    Raises:
        RunError: there is no run of the shipped models.
    """
    shipped = tables.find_run(runs, *tables.SHIPPED)
    if shipped is None:
        raise RunError("there is no run of the shipped models; make it by: python -m training evaluate --save")
    scores = [
        (family, tables.accuracy_with_counts(score), tables.percent(score["macro_f1"]))
        for family, score in shipped.scores.items()
    ]
    return render(
        "model_card.md",
        manifest=manifest,
        texts=texts,
        scores=Table(("family", "accuracy (correct of all; 95 % interval)", "macro-F1"), scores).markdown(),
        protocols=tables.protocol_summary(runs).markdown(),
        families={family: " ".join(c.character for c in classes) for family, classes in CATALOGUE.items()},
        weights=manifest.files[ONNX].bytes / 4,
        megabytes=sum(entry.bytes for entry in manifest.files.values()) / 1e6,
    )


def _between_marks(text: str, section: str) -> str:
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n\n{section}\n{MARKS[1]}{after}"
