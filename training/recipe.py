"""What decides a training beside data and seed; two recipes have names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from training.augment import Augmentation


@dataclass(frozen=True)
class Search:
    """The grid in which a head's hyperparameters are sought.

    Attributes:
        c: penalties.
        gamma: widths, in units of scikit-learn's ``gamma="scale"``, 1 / (512 x the variance of the features).
    """

    c: tuple[float, ...] = (1.0, 10.0, 100.0)
    gamma: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Recipe:
    """All that decides a training, beside data and seed.

    Attributes:
        channels: output channels of the three stages.
        epochs: passes over the training part.
        batch: images a step.
        learning_rate: the peak, reached after two epochs, left along a cosine.
        weight_decay: decoupled (AdamW), not on normalisation or biases.
        label_smoothing: share of the target spread over all classes.
        dropout: before the last layer.
        augmentation: its strengths.
        search: of the heads.
    """

    channels: tuple[int, int, int] = (24, 48, 96)
    epochs: int = 50
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    label_smoothing: float = 0.1
    dropout: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)
    search: Search = field(default_factory=Search)


RecipeName = Literal["full", "quick"]

RECIPES: dict[RecipeName, Recipe] = {
    "full": Recipe(),
    "quick": Recipe(channels=(16, 32, 64), epochs=20, search=Search(c=(10.0,), gamma=(0.5, 1.0, 2.0))),
}
"""``full`` ships, 35 minutes on two cores; ``quick`` serves the protocols' many trainings, some 10 minutes each."""

LEAST_STEPS = 480


def for_few_images(recipe: Recipe, images: int) -> Recipe:
    """The recipe with as many epochs as a network needs to settle at all, where its own would be too few steps."""
    return replace(recipe, epochs=max(recipe.epochs, -(-LEAST_STEPS // max(1, images // recipe.batch))))
