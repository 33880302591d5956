import numpy as np
import pytest

from training import scoring


def test_the_interval_is_wilsons() -> None:
    # Wilson (1927) by hand, z = 1.959964: centre and half-width of 81 of 100.
    z, n, p = 1.959964, 100, 0.81
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert scoring.interval(81, 100) == pytest.approx((centre - half, centre + half), abs=1e-6)
    low, high = scoring.interval(430, 430)
    assert 0.99 < low < high == 1


def test_a_score_counts_and_averages_over_classes() -> None:
    truth, answer = np.array([1, 1, 1, 2]), np.array([1, 1, 2, 2])
    score = scoring.score(truth, answer)
    assert (score["correct"], score["n"], score["accuracy"]) == (3, 4, 0.75)
    # F1 of class 1 is 2 * 1 * 2/3 / (5/3) = 0.8; of class 2, 2 * 1/2 * 1 / (3/2) = 2/3.
    assert score["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_no_answer_is_an_error_and_no_class_of_its_own() -> None:
    score = scoring.score(np.array([1, 2]), np.array([1, -1]))
    assert score["accuracy"] == 0.5
    assert score["macro_f1"] == 0.5


def test_parts_are_averaged_and_pooled() -> None:
    parts = [
        {"vowels": scoring.score(np.array([1, 2]), np.array([1, 2]))},
        {"vowels": scoring.score(np.array([1, 2, 1, 2]), np.array([1, 2, 2, 1]))},
    ]
    pooled = scoring.summary(parts)["vowels"]
    assert pooled["accuracy"] == 0.75
    assert pooled["range"] == [0.5, 1.0]
    assert (pooled["correct"], pooled["n"]) == (4, 6)
    assert pooled["interval"] == list(scoring.interval(4, 6))


def test_worst_classes_and_confusions_come_worst_first() -> None:
    truth, answer = np.array([1, 1, 2, 2, 2, 3, 3]), np.array([1, 2, 3, 3, 2, 3, 3])
    assert scoring.worst_classes(truth, answer) == [(2, 1, 3), (1, 1, 2)]
    assert scoring.confusions(truth, answer) == [(2, 3, 2), (1, 2, 1)]
    assert scoring.confusions(truth, answer, most=1) == [(2, 3, 2)]


def test_a_masked_softmax_answers_within_its_family() -> None:
    logits = np.zeros((2, 58))
    logits[0, 57] = 9  # ज्ञ, a consonant
    logits[:, 10 + 4] = [1, 2]  # the vowel 5
    assert scoring.masked_softmax(logits, "vowels", np.arange(1, 13)).tolist() == [5, 5]
    assert scoring.masked_softmax(logits, "consonants", np.arange(1, 37)).tolist() == [36, 1]
