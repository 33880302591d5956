"""The report: tables, plots and every error as a picture, from the runs in ``docs/results/``; ``make report``.

The page holds glyphs of the data set and is not committed. What is committed holds tables and plots alone:
``docs/results/README.md``, the README's plots in ``docs/images/`` and ``artifacts/MODEL_CARD.md``.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
from PIL import Image

from app.bundle import ONNX, Manifest
from app.catalogue import CATALOGUE
from app.framing import unpack
from app.heads import one_vs_rest
from app.luminance import plain
from training import plots, refusals, robustness, tables
from training.data import Dataset
from training.degradations import degrade
from training.runs import Answers, Run
from training.tables import Table


@dataclass(frozen=True)
class Misread:
    """One error of the test part: its glyph as a PNG in base64, and characters."""

    picture: str
    truth: str
    answer: str
    runner_up: str
    name: str


@dataclass(frozen=True)
class Sample:
    """A degraded image as it was sent and the glyph made of it, PNGs in base64, and characters."""

    sent: str
    glyph: str
    truth: str
    answer: str
    kind: str


@dataclass(frozen=True)
class Stranger:
    """What is no character: its glyph as a PNG in base64, what it was read as, and why that was abstained from."""

    picture: str
    kind: str
    answer: str
    reasons: str


@dataclass(frozen=True)
class Section:
    """A part of the page; ``plots`` are SVG."""

    id: str
    title: str
    texts: Sequence[str] = ()
    table: Table | None = None
    plots: Sequence[str] = ()
    errors: Sequence[Misread] = field(default_factory=tuple)
    samples: Sequence[Sample] = field(default_factory=tuple)
    strangers: Sequence[Stranger] = field(default_factory=tuple)


MARKS: Final = ("<!-- Written by `make report`. -->", "<!-- Up to here. -->")
LABEL_BUG: Final = (
    "Theirs are not on the same images: the articles encode class i as column i - 1, so numeral zero fell together "
    "with ज्ञ, and their test part had 387 numerals of nine classes, 396 vowels, and 1,154 consonants with zero among "
    "them. Here 58 classes are apart in every row: 430, 396 and 1,111 images."
)
PROTOCOLS_TEXTS: Final = (
    (
        "published: the articles' split, one seed a part; the parts share images, so the pooled interval is too "
        "narrow. hcr-net: the first 20 % of each class's file names held out, nearly new writers; HCR-Net's authors "
        "report {:.2f}, {:.2f} and {:.2f} there, with 9.8 M parameters, as the mean of five runs. writers: five folds, "
        "no writer on both sides, so every answer is about a writer that the models never saw. cross: learnt from one "
        "data set, asked another, images of people, pens and scanners that the models never saw."
    ).format(*tables.HCR_NET),
    (
        "first learns from the protocol's own images alone; quick and full (training/recipe.py) learn from other "
        "writers, too (never from the side that is asked). full is what ships; its run of published, seed 1, is of the "
        "shipped models. joint: no family given; one SVC over all 58 classes, of the shipped models what "
        "POST /predict/auto answers. macro-F1 is the mean of the parts."
    ),
)
DEGRADED_TEXT: Final = (
    "Images of the test part, made worse as happens on the way to a service: the glyph is drawn anew at the size that "
    "the medium has and spoilt in three strengths. Nothing here was used to train. Accuracy over all families, each "
    "image read by the head of its own, of {n} images."
)
CONFIDENCE_TEXT: Final = (
    "What is promised and what is kept, over all families, the calibration of each training from its validation part "
    "alone. Calibration error: mean distance of confidence and accuracy over 15 bins of as many images each. ROC area: "
    "of right against wrong answers, by confidence and by the SVC's votes. Error at 97 %: among the answers accepted, "
    "in percent, where the 3 % least sure are left out. Sets: the share that held the truth, and how many characters "
    "they had. Other family noticed: images asked as another family's, at 1 % false alarms."
)
REFUSALS_TEXT: Final = (
    "Glyphs that are none of the 58 characters, rendered from fonts and bent, or drawn, against the {n:,} characters "
    "of the test part. The threshold of `not_a_character` leaves 99 % of the validation images as characters; what is "
    "abstained from has that reason or `low_confidence`. Latin O, 0 and 3, whose shapes ० and ३ have, are left out. "
    "`python -m training refuse`."
)
FEWSHOT_TEXT: Final = (
    "The twelve vowels were left out of an extractor's training, then learnt from a few images each, of the training "
    "part, five draws each; hyperparameters are cross-validated on these few alone. Scored on the vowels' 396 test "
    "images. The bars span the draws. `python -m training specialise` does this for any new family."
)


def sections(runs: Sequence[Run], dataset: Dataset | None) -> list[Section]:
    """The page's parts.

    Args:
        runs: all that there are; a part whose runs are missing is left out.
        dataset: NHCD, for the pictures of errors; None leaves them out.
    """
    shipped = next((run for run in runs if (run.protocol, run.part, run.method) == tables.SHIPPED), None)
    parts = [
        Section(
            "theirs-and-ours",
            "Theirs and ours",
            (LABEL_BUG,),
            tables.theirs_and_ours(runs),
            [plots.svg(plots.theirs_and_ours(runs))],
        ),
        Section("protocols", "Protocols", PROTOCOLS_TEXTS, tables.protocols(runs)),
        Section("classes", "Worst classes and commonest confusions", (), tables.errors(runs)),
    ]
    if shipped is not None:
        matrices = [plots.svg(plots.confusion(shipped, family)) for family in shipped.answers]
        text = "The shipped models on the test part of the published split, seed 1. Rows are the truth."
        parts.append(Section("confusions", "Confusion matrices", (text,), plots=matrices))
    if shipped is not None and dataset is not None:
        errors = misread(shipped, dataset)
        text = f"All {len(errors)} images of that test part that the shipped models misread, as the model saw them."
        parts.append(Section("errors", "Every error", (text,), errors=errors))
    if (confidence := tables.confidence(runs)).rows:
        shown = [plots.svg(plots.confidence(runs))]
        parts.append(Section("confidence", "Confidence", (CONFIDENCE_TEXT,), confidence, shown))
    if (refused := _of_method(runs, refusals.METHOD)) is not None:
        text = REFUSALS_TEXT.format(n=refused.details["characters"]["n"])
        parts.append(
            Section("refusals", "What is no character", (text,), tables.refusals(refused), strangers=strangers(refused))
        )
    if (degraded := _of_method(runs, robustness.METHOD)) is not None:
        samples = gallery(degraded, dataset) if dataset is not None else ()
        text = DEGRADED_TEXT.format(n=degraded.details["degraded"][0]["n"])
        parts.append(Section("degraded", "Images made worse", (text,), tables.degraded(degraded), samples=samples))
    if tables.few_images(runs):
        plot = plots.svg(plots.fewshot(runs))
        parts.append(
            Section("fewshot", "A new family from a few images", (FEWSHOT_TEXT,), tables.fewshot(runs), [plot])
        )
    if any(run.method.startswith("bottleneck") for run in runs):
        text = (
            "The test images in the two numbers of a network whose last but one layer has two units, learnt from all "
            "classes and from the vowels alone, as the articles drew them."
        )
        parts.append(Section("planes", "In two dimensions", (text,), plots=[plots.svg(plots.planes(runs))]))
    if len(found := tables.by_images_per_class(runs)) > 1:
        text = f"The first recipe, learnt from {', '.join(map(str, found))} images of each class."
        plot = plots.svg(plots.images_per_class(runs))
        parts.append(Section("images", "Accuracy against images per class", (text,), plots=[plot]))
    if any(len(run.history) > 1 for run in runs):
        parts.append(Section("learning", "Learning curves", plots=[plots.svg(plots.learning_curves(runs))]))
    return parts


def misread(run: Run, dataset: Dataset) -> list[Misread]:
    """Every error of a run, with pictures from the data set that it was scored on."""
    row_of = {name: row for row, name in enumerate(dataset.name.tolist())}
    return [
        Misread(
            picture=_png(dataset.glyphs[row_of[answers.name[row]]]),
            truth=tables.CHARACTERS[family, int(answers.truth[row])],
            answer=tables.CHARACTERS[family, int(answers.answer[row])],
            runner_up=_runner_up(family, answers, int(row)),
            name=str(answers.name[row]),
        )
        for family, answers in run.answers.items()
        for row in np.flatnonzero(answers.truth != answers.answer)
    ]


def _of_method(runs: Sequence[Run], method: str) -> Run | None:
    return next((run for run in runs if run.method == method), None)


def strangers(run: Run) -> list[Stranger]:
    """What a run of `training.refusals` has kept to be looked at."""
    return [
        Stranger(
            picture=_png(unpack(shown["glyph"])),
            kind=row["kind"],
            answer=f"{shown['character']} {shown['confidence']:.2f}",
            reasons=", ".join(shown["reasons"]),
        )
        for row in run.details["refusals"]
        for shown in row["shown"]
    ]


def gallery(run: Run, dataset: Dataset) -> list[Sample]:
    """What was sent, the glyph, and the answer, for the images of which a run of `training.robustness` kept it."""
    row_of = {name: row for row, name in enumerate(dataset.name.tolist())}
    samples = []
    for entry in run.details["degraded"]:
        for name, answer in entry["shown"]:
            row = row_of[name]
            family = str(dataset.family[row])
            sent = degrade(dataset.glyphs[row], entry["kind"], entry["strength"], name)
            glyph = robustness.read_file(sent)
            samples.append(
                Sample(
                    sent=_thumbnail(sent),
                    glyph="" if glyph is None else _png(glyph),
                    truth=tables.CHARACTERS[family, int(dataset.class_id[row])],
                    answer=tables.CHARACTERS.get((family, answer), "refused"),
                    kind=f"{entry['kind']} {entry['strength']}",
                )
            )
    return samples


def page(runs: Sequence[Run], manifest: Manifest | None, dataset: Dataset | None) -> str:
    """The report as one HTML page that needs no other file."""
    return _render("report.html", sections=sections(runs, dataset), manifest=manifest)


def results_page(runs: Sequence[Run]) -> str:
    """``docs/results/README.md``."""
    degraded, refused = (_of_method(runs, method) for method in (robustness.METHOD, refusals.METHOD))
    confidence = tables.confidence(runs)
    return _render(
        "results.md",
        label_bug=LABEL_BUG,
        protocols_texts=PROTOCOLS_TEXTS,
        fewshot_text=FEWSHOT_TEXT,
        theirs_and_ours=tables.theirs_and_ours(runs).markdown(),
        protocols=tables.protocols(runs).markdown(),
        errors=tables.errors(runs).markdown(),
        degraded=tables.degraded(degraded).markdown() if degraded else "",
        degraded_text=DEGRADED_TEXT.format(n=degraded.details["degraded"][0]["n"]) if degraded else "",
        fewshot=tables.fewshot(runs).markdown() if tables.few_images(runs) else "",
        confidence=confidence.markdown() if confidence.rows else "",
        confidence_text=CONFIDENCE_TEXT,
        refusals=tables.refusals(refused).markdown() if refused else "",
        refusals_text=REFUSALS_TEXT.format(n=refused.details["characters"]["n"]) if refused else "",
    )


def readme(text: str, runs: Sequence[Run]) -> str:
    """The README with what stands between its marks replaced by what the runs say."""
    section = _render(
        "readme.md",
        label_bug=LABEL_BUG,
        readers=tables.readers(runs).markdown(),
        protocols=tables.short_protocols(runs).markdown(),
        trainings=sum(run.method in tables.SERVE_PROTOCOLS and run.protocol != "dhcd" for run in runs),
        hcr_net=" / ".join(f"{value:.2f}" for value in tables.HCR_NET),
        planes=any(run.method == "bottleneck" for run in runs),
        shots=", ".join(map(str, tables.few_images(runs))),
    )
    return _between_marks(text, section)


def experiments(text: str, trials: Sequence[dict[str, Any]]) -> str:
    """``docs/experiments.md`` with what stands between its marks replaced by the table of the trials."""
    return _between_marks(text, tables.trials(trials).markdown())


def _between_marks(text: str, section: str) -> str:
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n\n{section}\n{MARKS[1]}{after}"


def model_card(runs: Sequence[Run], manifest: Manifest) -> str:
    """``artifacts/MODEL_CARD.md``."""
    shipped = next(run for run in runs if (run.protocol, run.part, run.method) == tables.SHIPPED)
    scores = [
        (family, tables.of_counts(score), tables.percent(score["macro_f1"])) for family, score in shipped.scores.items()
    ]
    return _render(
        "model_card.md",
        manifest=manifest,
        scores=Table(("family", "accuracy (right of all; 95 % interval)", "macro-F1"), scores).markdown(),
        protocols=tables.protocols(runs).markdown(),
        families={family: " ".join(c.character for c in classes) for family, classes in CATALOGUE.items()},
        numbers=manifest.files[ONNX].bytes / 4e6,
        megabytes=sum(entry.bytes for entry in manifest.files.values()) / 1e6,
    )


def _render(template: str, **values: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=template.endswith(".html"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(values).rstrip("\n") + "\n"


def _runner_up(family: str, answers: Answers, row: int) -> str:
    """The best class beside the answer, by the margins; empty where the image's were not kept."""
    place = np.flatnonzero(answers.kept == row)
    if not len(place):
        return ""
    # The margins are kept to 0.01: where two classes are as close, the answer may be either.
    others = np.where(answers.class_ids == answers.answer[row], -np.inf, one_vs_rest(answers.margins[place])[0])
    return tables.CHARACTERS[family, int(answers.class_ids[others.argmax()])]


def _thumbnail(file: bytes) -> str:
    image = plain(Image.open(io.BytesIO(file)))
    image.thumbnail((128, 128))
    return _inlined(image)


def _png(glyph: np.ndarray) -> str:
    return _inlined(Image.fromarray(np.uint8(np.rint(255 * (1 - glyph)))))


def _inlined(image: Image.Image) -> str:
    """The image as a PNG in base64."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
