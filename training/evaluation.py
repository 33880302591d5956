"""Answers of a bundle's heads on a test part, by the same extractor and heads that serve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.catalogue import CATALOGUE, joint_index
from app.extractor import Features
from app.heads import Head, Reals
from app.recognizer import AUTO, Recognizer
from training.data import Dataset
from training.runs import KEPT_PER_CLASS, Answers, Run

_BATCH = 256


def score_bundle(recognizer: Recognizer, test: Dataset, protocol: str = "") -> Run:
    """Each glyph of a test part, of the manifest's split unless named, read by the shipped head of its own family.

    And with no family given, as ``POST /predict/auto`` reads it.
    """
    manifest, glyphs = recognizer.manifest, test.glyphs
    features = np.concatenate([recognizer.extractor(glyphs[start : start + _BATCH]) for start in _starts(len(glyphs))])
    answers = {}
    for family in test.families:
        rows = np.flatnonzero(test.family == family)
        by_head = answer(test[rows], features[rows], recognizer.heads[family])
        answers[family] = replace(by_head, joint=_of_all(recognizer, features[rows]))
    return Run(
        protocol=protocol or manifest.split.protocol,
        part=str(manifest.split.seed),
        method="full",
        seed=manifest.split.seed,
        recipe=manifest.recipe,
        data={"learnt": manifest.data.model_dump(), "test": {"images": len(test), "digest": test.digest}},
        answers=answers,
        details={
            "model_version": manifest.model_version,
            "heads": {family: manifest.families[family].svc for family in answers},
        },
        versions=manifest.versions,
    )


def _of_all(recognizer: Recognizer, features: Features) -> npt.NDArray[np.int64]:
    """Joint indices of what all families' classes give, shape (n,); -1 for a class of a family added later."""
    found: list[int] = []
    for start in _starts(len(features)):
        batch = features[start : start + _BATCH]
        best = [recognition.best for recognition in recognizer.classify(batch, [AUTO] * len(batch))]
        found += [joint_index(b.family, b.entry.class_id) if b.family in CATALOGUE else -1 for b in best]
    return np.array(found, np.int64)


def answer(test: Dataset, features: Features, head: Head) -> Answers:
    """What a head says of the images of its family, with its margins for the first of each class."""
    kept = np.sort(
        np.concatenate([np.flatnonzero(test.class_id == c)[:KEPT_PER_CLASS] for c in np.unique(test.class_id)])
    )
    return Answers(
        name=test.name,
        truth=test.class_id,
        answer=predict(head, features),
        class_ids=head.class_ids,
        margins=margins(head, features[kept]),
        kept=kept,
    )


def margins(head: Head, features: Features) -> Reals:
    """One-against-one margins, shape (n, k (k - 1) / 2), in batches of a size that memory does not mind."""
    return np.concatenate([head.margins(features[start : start + _BATCH]) for start in _starts(len(features))])


def predict(head: Head, features: Features) -> npt.NDArray[np.int64]:
    """Class numbers, shape (n,), as ``SVC(break_ties=True).predict`` gives them."""
    return np.concatenate([head.predict(features[start : start + _BATCH]) for start in _starts(len(features))])


def _starts(n: int) -> range:
    return range(0, n, _BATCH)
