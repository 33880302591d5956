"""The one evaluation: what a recognizer predicts for a test part, as the service would, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from akshar.imaging.glyph import Glyphs
from akshar.model.classes import CATALOGUE, joint_index
from akshar.model.extractor import Features
from akshar.model.manifest import Manifest
from akshar.model.recognition import Recognition
from akshar.model.recognizer import AUTO, Recognizer
from akshar.model.svm import one_vs_rest
from training.data.dataset import Dataset
from training.evaluation.runs import COVERAGES, KEPT_PER_CLASS, Predictions, Run

Ints = npt.NDArray[np.int64]

_BATCH: Final = 256


def evaluate(recognizer: Recognizer, test: Dataset) -> dict[str, Predictions]:
    """Read every image of a test part twice: among the classes of its own family, and among those of all families.

    Returns:
        Predictions by family, without logits.
    """
    families = test.families
    return {family: _evaluate_family(recognizer, test[test.family == family], family, families) for family in families}


def recognize_all(recognizer: Recognizer, glyphs: Glyphs, families: Sequence[str]) -> list[Recognition]:
    """What `Recognizer.recognize` says of any number of glyphs, (n, 32, 32), in batches to bound the memory."""
    return [
        recognition
        for start in range(0, len(glyphs), _BATCH)
        for recognition in recognizer.recognize(
            glyphs[start : start + _BATCH], families[start : start + _BATCH]
        ).recognitions
    ]


def evaluate_artifacts(recognizer: Recognizer, manifest: Manifest, test: Dataset, protocol: str = "") -> Run:
    """The run of shipped artifacts on a test part, by default that of the manifest's split."""
    split = manifest.split
    predictions = evaluate(recognizer, test)
    return Run(
        protocol=protocol or split.protocol,
        part=str(split.seed),
        method="full",
        seed=split.seed,
        recipe=manifest.recipe,
        data={"dataset": manifest.data.model_dump(), "test": {"images": len(test), "digest": test.digest}},
        predictions=predictions,
        details={
            "model_version": manifest.model_version,
            "heads": {family: manifest.families[family].svc for family in predictions},
        },
        versions=manifest.versions,
    )


def labels_only(predictions: dict[str, Predictions]) -> dict[str, Predictions]:
    """Predictions of a run in which confidence and margins do not matter."""
    return {family: Predictions(p.name, p.truth, p.predicted) for family, p in predictions.items()}


def _evaluate_family(recognizer: Recognizer, test: Dataset, family: str, families: Sequence[str]) -> Predictions:
    kept = _first_of_each_class(test.class_id)
    batches = np.array_split(np.arange(len(test)), -(-len(test) // _BATCH))
    parts = [_evaluate_batch(recognizer, test[rows], np.isin(rows, kept), family, families) for rows in batches]
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    return Predictions(**{**arrays, "class_ids": recognizer.heads[family].class_ids, "kept": kept})


def _evaluate_batch(
    recognizer: Recognizer, images: Dataset, kept: npt.NDArray[np.bool_], family: str, families: Sequence[str]
) -> Predictions:
    """Predictions for images of one family, with the margins of those that are kept."""
    features = recognizer.extractor(images.glyphs)
    recognitions = recognizer.classify(features, [family] * len(images))
    joint = recognizer.classify(features, [AUTO] * len(images))
    sets = [[_class_ids(recognition, coverage) for coverage in COVERAGES] for recognition in recognitions]
    margins = recognizer.heads[family].margins(features)
    votes = np.sort(one_vs_rest(margins), axis=1)
    return Predictions(
        name=images.name,
        truth=images.class_id,
        predicted=np.array([recognition.best.entry.class_id for recognition in recognitions], np.int64),
        joint=np.array([_joint_index(recognition) for recognition in joint], np.int64),
        margins=margins[kept],
        vote_margin=votes[:, -1] - votes[:, -2],
        confidence=np.array([recognition.best.confidence for recognition in recognitions]),
        set_sizes=np.array([[len(ids) for ids in by_coverage] for by_coverage in sets], np.int64),
        covered=np.array(
            [
                [truth in ids for ids in by_coverage]
                for truth, by_coverage in zip(images.class_id.tolist(), sets, strict=True)
            ]
        ),
        lookalike_gaps=_lookalike_gaps(recognizer, features, families),
    )


def _first_of_each_class(class_id: Ints) -> Ints:
    rows = [np.flatnonzero(class_id == c)[:KEPT_PER_CLASS] for c in np.unique(class_id)]
    return np.sort(np.concatenate(rows))


def _joint_index(recognition: Recognition) -> int:
    """The joint index of the best class; -1 for a class of a family that was added later."""
    best = recognition.best
    return joint_index(best.family, best.entry.class_id) if best.family in CATALOGUE else -1


def _class_ids(recognition: Recognition, coverage: float) -> set[int]:
    return {candidate.entry.class_id for candidate in recognition.prediction_set(coverage)}


def _lookalike_gaps(recognizer: Recognizer, features: Features, families: Sequence[str]) -> npt.NDArray[np.float64]:
    """See `Predictions.lookalike_gaps`."""
    means = recognizer.class_means
    cosines = means.compare(features).cosines
    gaps = [
        np.where(means.other_families[family], cosines, -1).max(axis=1) - cosines[:, means.columns[family]].max(axis=1)
        for family in families
    ]
    return np.stack(gaps, axis=1)
