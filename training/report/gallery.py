"""Pictures of single images for the report's page: errors, corrupted images and OOD inputs, with their predictions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from akshar.imaging.glyph import Glyph, from_png
from akshar.imaging.modes import to_plain_mode
from akshar.model.svm import one_vs_rest
from training.data.dataset import Dataset
from training.data.label_errors import LabelError
from training.evaluation.corruption_run import read_or_none
from training.evaluation.corruptions import corrupt
from training.evaluation.runs import Predictions, Run
from training.report.tables import CHARACTERS


@dataclass(frozen=True)
class Misread:
    """A wrong prediction: the glyph as a PNG in base64, the characters, and the name of the image."""

    picture: str
    truth: str
    predicted: str
    runner_up: str
    name: str


@dataclass(frozen=True)
class CorruptedImage:
    """A corrupted image and the glyph made of it, PNGs in base64 (no glyph: empty), and the characters."""

    sent: str
    glyph: str
    truth: str
    predicted: str
    kind: str


@dataclass(frozen=True)
class OodInput:
    """An OOD input: the glyph as a PNG in base64, its prediction, and the reasons for abstaining."""

    picture: str
    kind: str
    predicted: str
    reasons: str


def suspected_images(images: Dataset, errors: Sequence[LabelError]) -> list[Misread]:
    """Images whose labels are suspected to be wrong: the given label in the place of the true one."""
    row_of = _rows_by_name(images)
    return [
        Misread(
            picture=_glyph_png(images.glyphs[row := row_of[error.name]]),
            truth=CHARACTERS[str(images.family[row]), error.given],
            predicted=CHARACTERS[str(images.family[row]), error.suggested],
            runner_up="",
            name=error.name,
        )
        for error in errors
    ]


def misread_images(run: Run, dataset: Dataset) -> list[Misread]:
    """Every error of a run, with pictures from the data set that it was scored on."""
    row_of = _rows_by_name(dataset)
    return [
        Misread(
            picture=_glyph_png(dataset.glyphs[row_of[predictions.name[row]]]),
            truth=CHARACTERS[family, int(predictions.truth[row])],
            predicted=CHARACTERS[family, int(predictions.predicted[row])],
            runner_up=_runner_up(family, predictions, int(row)),
            name=str(predictions.name[row]),
        )
        for family, predictions in run.predictions.items()
        for row in np.flatnonzero(~predictions.correct)
    ]


def corrupted_images(run: Run, dataset: Dataset) -> list[CorruptedImage]:
    """The examples that a run on corrupted images kept: what was sent, the glyph, and the prediction."""
    row_of = _rows_by_name(dataset)
    examples = []
    for entry in run.details["corruptions"]:
        for name, predicted in entry["shown"]:
            row = row_of[name]
            family = str(dataset.family[row])
            file = corrupt(dataset.glyphs[row], entry["kind"], entry["strength"], name)
            glyph = read_or_none(file)
            examples.append(
                CorruptedImage(
                    sent=_thumbnail(file),
                    glyph="" if glyph is None else _glyph_png(glyph),
                    truth=CHARACTERS[family, int(dataset.class_id[row])],
                    predicted=CHARACTERS.get((family, predicted), "rejected"),
                    kind=f"{entry['kind']} {entry['strength']}",
                )
            )
    return examples


def ood_inputs(run: Run) -> list[OodInput]:
    """The examples that a run on OOD inputs kept."""
    return [
        OodInput(
            picture=_glyph_png(from_png(shown["glyph"])),
            kind=row["kind"],
            predicted=f"{shown['character']} {shown['confidence']:.2f}",
            reasons=", ".join(shown["reasons"]),
        )
        for row in run.details["ood"]
        for shown in row["shown"]
    ]


def _rows_by_name(dataset: Dataset) -> dict[str, int]:
    return {name: row for row, name in enumerate(dataset.name.tolist())}


def _runner_up(family: str, predictions: Predictions, row: int) -> str:
    """The best class besides the predicted one, by the margins; empty if those of the image were not kept."""
    index = np.flatnonzero(predictions.kept == row)
    if not len(index):
        return ""
    # Margins are stored to 0.01, so a near tie may rank the predicted class second.
    scores = one_vs_rest(predictions.margins[index])[0]
    others = np.where(predictions.class_ids == predictions.predicted[row], -np.inf, scores)
    return CHARACTERS[family, int(predictions.class_ids[others.argmax()])]


def _thumbnail(file: bytes) -> str:
    image = to_plain_mode(Image.open(io.BytesIO(file)))
    image.thumbnail((128, 128))
    return _png(image)


def _glyph_png(glyph: Glyph) -> str:
    """Black ink on white."""
    return _png(Image.fromarray(np.uint8(np.rint(255 * (1 - glyph)))))


def _png(image: Image.Image) -> str:
    """The image as a PNG in base64."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
