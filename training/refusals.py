"""How well the artifacts tell characters from what is none: `training.strangers` against held-out images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sklearn.metrics import roc_auc_score

from app.extractor import Glyphs
from app.framing import pack
from app.recognizer import AUTO, Recognition, Recognizer
from training.data import Dataset
from training.evaluation import score_bundle
from training.runs import Answers, Run

METHOD: Final = "refusals"
_SHOWN: Final = 8
"""Glyphs of each kind that are kept for the gallery; all are drawn, none is of a data set."""
_BATCH: Final = 256


def measure(
    recognizer: Recognizer,
    images: Dataset,
    kinds: Mapping[str, Glyphs],
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Characters against strangers, none of them learnt.

    Args:
        recognizer: of the artifacts.
        images: held-out characters.
        kinds: glyphs of strangers by kind.
        say: takes a line of progress.

    Returns:
        A run of the characters' answers, whose details have a row for each kind: area under the ROC of its familiarity
        against the characters', and the shares that are called no character, and abstained from for any reason.
    """
    characters = _asked(recognizer, images.glyphs, images.family.tolist())
    known = np.array([recognition.familiarity for recognition in characters])
    rows: list[dict[str, Any]] = []
    strange: list[np.ndarray] = []
    for kind, glyphs in kinds.items():
        found = _asked(recognizer, glyphs, [AUTO] * len(glyphs))
        strange.append(np.array([recognition.familiarity for recognition in found]))
        rows.append({"kind": kind, **_row(recognizer, known, found), "shown": _shown(recognizer, glyphs, found)})
        say(f"{kind}: {rows[-1]['area']:.4f}")
    clean = score_bundle(recognizer, images)
    details = {
        **clean.details,
        "refusals": rows,
        "area": _area(known, np.concatenate(strange)),
        "characters": {"n": len(known), "not_a_character": int((known < 0).sum())},
    }
    plain = {family: Answers(a.name, a.truth, a.answer) for family, a in clean.answers.items()}
    return replace(clean, method=METHOD, answers=plain, details=details)


def _asked(recognizer: Recognizer, glyphs: Glyphs, families: list[str]) -> list[Recognition]:
    starts = range(0, len(glyphs), _BATCH)
    parts = [recognizer.recognize(glyphs[start : start + _BATCH], families[start : start + _BATCH]) for start in starts]
    return [recognition for part in parts for recognition in part]


def _row(recognizer: Recognizer, known: np.ndarray, found: list[Recognition]) -> dict[str, Any]:
    reasons = [_reasons(recognizer, recognition) for recognition in found]
    return {
        "n": len(found),
        "area": _area(known, np.array([recognition.familiarity for recognition in found])),
        "not_a_character": sum("not_a_character" in why for why in reasons),
        "abstained": sum(map(bool, reasons)),
    }


def _reasons(recognizer: Recognizer, recognition: Recognition) -> list[str]:
    """Those of `app.decision.reasons` that concern the glyph, whatever image it came from."""
    found = {
        "low_confidence": recognition.best.confidence < recognizer.min_confidence,
        "not_a_character": recognition.familiarity < 0,
    }
    return [reason for reason, holds in found.items() if holds]


def _area(known: np.ndarray, strange: np.ndarray) -> float:
    truth = np.repeat([1, 0], [len(known), len(strange)])
    return float(roc_auc_score(truth, np.concatenate([known, strange])))


def _shown(recognizer: Recognizer, glyphs: Glyphs, found: list[Recognition]) -> list[dict[str, Any]]:
    return [
        {
            "glyph": pack(glyph),
            "character": recognition.best.entry.character,
            "confidence": round(recognition.best.confidence, 3),
            "reasons": _reasons(recognizer, recognition),
        }
        for glyph, recognition in zip(glyphs[:_SHOWN], found[:_SHOWN], strict=True)
    ]
