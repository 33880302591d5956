"""From an SVC's votes and the cosine similarity with class means to calibrated probabilities.

An SVC's votes tell which class wins, and hardly by how much; its margins are those of features that it was fitted on
and that the network was trained on. The cosine with each class's mean tells more. Both are weighted on images that
neither the network nor the SVC of the calibration was trained on (`training.models.calibration`).
"""

from __future__ import annotations

import numpy as np

from akshar.model.svm import Floats, Votes


def class_probabilities(votes: Votes, cosines: Floats, cosine_weight: float, pairwise_weight: float) -> Floats:
    """The probability of each class of a family, shape (n, k); the SVC's prediction is above all others.

    Args:
        votes: of the family's SVC.
        cosines: with the family's class means, shape (n, k).
        cosine_weight: weight of the cosines in the logits.
        pairwise_weight: weight of the pairwise log-probabilities in the logits.
    """
    probabilities = softmax(cosine_weight * cosines + pairwise_weight * votes.pairwise_log_probability)
    winners = np.arange(len(probabilities)), votes.winner
    highest = probabilities[winners]
    capped: Floats = np.minimum(probabilities, np.nextafter(highest, 0)[:, None])
    capped[winners] = highest
    return capped


def softmax(logits: Floats) -> Floats:
    """Softmax along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: Floats = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
