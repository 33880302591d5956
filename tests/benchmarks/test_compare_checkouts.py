"""Responses of two checkouts are compared field by field."""

import copy
from typing import Any

import pytest

from benchmarks.compare_checkouts import Comparison, Response, compare

JSON = "application/json"


def _character(class_id: int, character: str, confidence: float) -> dict[str, Any]:
    return {"family": "consonants", "class_id": class_id, "character": character, "confidence": confidence}


PREDICTION: dict[str, Any] = {
    **_character(21, "प", 0.9),
    "decision": "abstained",
    "reasons": ["low_confidence"],
    "familiarity": 12.5,
    "alternatives": [_character(21, "प", 0.9), _character(26, "य", 0.04)],
    "likely": [_character(21, "प", 0.9)],
    "model_version": "1",
}


def _compare(old: Any, new: Any, path: str = "/predict/consonants") -> Comparison:
    return compare(Response(200, JSON, old), Response(200, JSON, new), path)


def _kinds(comparison: Comparison) -> list[str]:
    return [difference.kind for difference in comparison.differences]


def _changed(*path: str | int, to: Any) -> dict[str, Any]:
    body = copy.deepcopy(PREDICTION)
    *parents, last = path
    target: Any = body
    for part in parents:
        target = target[part]
    target[last] = to
    return body


def _renamed() -> dict[str, Any]:
    body = {**PREDICTION, "typicality": 0.31, "prediction_set": PREDICTION["likely"]}
    return {name: value for name, value in body.items() if name not in ("familiarity", "likely")}


def test_equal_predictions() -> None:
    comparison = _compare(PREDICTION, PREDICTION)
    assert comparison == Comparison(images=1)


def test_renamed_fields_are_equal_although_the_typicality_has_another_scale() -> None:
    assert not _compare(PREDICTION, _renamed()).differences


def test_renamed_prediction_set_is_compared() -> None:
    assert _kinds(_compare(PREDICTION, {**_renamed(), "prediction_set": []})) == ["prediction_set"]


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        (("class_id",), 22, "class_id"),
        (("character",), "फ", "character"),
        (("decision",), "accepted", "decision"),
        (("reasons",), ["not_a_character"], "reasons"),
        (("reasons",), [], "reasons"),
        (("reasons", 0), "too_small", "reasons"),
        (("alternatives", 1, "character"), "च", "alternatives"),
        (("confidence",), 0.90001, "confidence"),
        (("alternatives", 1, "confidence"), 0.04001, "confidence"),
        (("likely",), [], "prediction_set"),
        (("familiarity",), 12.6, "typicality"),
        (("looks_like",), {}, "looks_like"),
    ],
)
def test_change_is_detected(path: tuple[str | int, ...], value: Any, kind: str) -> None:
    changed = _changed(*path, to=value)
    assert _kinds(_compare(PREDICTION, changed)) == [kind]
    assert _kinds(_compare(changed, PREDICTION)) == [kind]


def test_swapped_alternatives_are_detected() -> None:
    swapped = _changed("alternatives", to=PREDICTION["alternatives"][::-1])
    assert "alternatives" in _kinds(_compare(PREDICTION, swapped))


def test_confidences_may_differ_by_one_millionth() -> None:
    comparison = _compare(PREDICTION, _changed("confidence", to=0.900001))
    assert not comparison.differences
    assert comparison.max_confidence_difference == pytest.approx(1e-6)


def test_missing_field_is_detected() -> None:
    without = {name: value for name, value in PREDICTION.items() if name != "decision"}
    assert _kinds(_compare(PREDICTION, without)) == ["decision"]
    assert _kinds(_compare(without, PREDICTION)) == ["decision"]


def test_model_version_and_texts_may_differ() -> None:
    assert not _compare(PREDICTION, {**PREDICTION, "model_version": "2"}).differences
    problem = {"code": "blank_image", "title": "Blank", "detail": "Blank.", "request_id": "a", "status": 422}
    assert not _compare(problem, {**problem, "title": "T", "detail": "D", "request_id": "b"}).differences


def test_code_status_and_content_type_are_compared() -> None:
    old = Response(422, "application/problem+json", {"code": "blank_image"})
    new = Response(415, JSON, {"code": "unsupported_image"})
    assert _kinds(compare(old, new)) == ["status", "content_type", "code"]


def test_batch_is_compared_file_by_file() -> None:
    item = {"index": 0, "filename": "a.png", "answer": PREDICTION, "error": None}
    failed = {"index": 1, "filename": "b", "answer": None, "error": {"code": "empty_file", "status": 422}}
    batch = {"family": "consonants", "results": [item, failed]}
    other = copy.deepcopy(batch)
    assert _compare(batch, other) == Comparison(images=2)
    other["results"] = [{**item, "answer": _changed("class_id", to=22)}, {**failed, "error": {"code": "blank_image"}}]
    comparison = _compare(batch, other)
    assert _kinds(comparison) == ["class_id", "status", "code"]
    assert comparison.differences[0].path == "results.0.answer.class_id"


def test_only_classes_of_families_are_compared() -> None:
    old = {"families": {"vowels": {"classes": [{"class_id": 1}], "likeness_weight": 2}}}
    new = {"families": {"vowels": {"classes": [{"class_id": 1}], "cosine_weight": 2}}}
    assert not _compare(old, new, "/families").differences
    assert _compare(old, {"families": {"vowels": {"classes": []}}}, "/families").differences
