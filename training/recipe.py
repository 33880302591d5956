"""What decides a training beside data and seed; three recipes have names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from pydantic import TypeAdapter

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
class Share:
    """How much of another source is learnt.

    Attributes:
        per_epoch: images of each class, drawn anew for each epoch: so many that no class of the task's own drowns.
        in_heads: images of each class on which the heads are fitted, too.
    """

    per_epoch: int
    in_heads: int = 0


SourceName = Literal["dhcd", "fonts", "pens"]
"""Another data set; fonts as they are printed; the same fonts as pens write them."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training, beside data and seed.

    Attributes:
        network: ``plain`` stages of two convolutions and a pooling, or ``residual`` ones behind a stem of stride 2.
        channels: output channels of the three stages.
        blocks: residual blocks of two convolutions in each stage.
        epochs: passes over the training part.
        batch: images a step.
        learning_rate: the peak, reached after two epochs, left along a cosine.
        weight_decay: decoupled (AdamW), not on normalisation or biases.
        label_smoothing: share of the target spread over all classes.
        dropout: before the last layer.
        cosine: scale of logits that are cosines of features and classes; 0: they are inner products.
        augmentation: its strengths.
        more: other writers beside the task's own, where they are at hand.
        search: of the heads.
    """

    network: Literal["plain", "residual"] = "residual"
    channels: tuple[int, int, int] = (32, 64, 128)
    blocks: int = 2
    epochs: int = 60
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    label_smoothing: float = 0.1
    dropout: float = 0.5
    cosine: float = 16.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    more: dict[SourceName, Share] = field(default_factory=lambda: {"dhcd": Share(100, 150), "fonts": Share(15, 15)})
    search: Search = field(default_factory=Search)


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with other values, by dotted names: ``{"epochs": 12, "augmentation.grow": 1.5}``.

    Raises:
        ValueError: a name or a value that no recipe has.
    """
    fields = asdict(recipe)
    for name, value in changes.items():
        *path, last = name.split(".")
        inner = fields
        for key in path:
            inner = inner.setdefault(key, {})
        if last not in inner and path[:1] != ["more"]:
            raise ValueError(f"a recipe has no {name}")
        inner[last] = value
    return TypeAdapter(Recipe).validate_python(fields)


RecipeName = Literal["first", "quick", "full"]

FIRST = Recipe(
    network="plain",
    channels=(16, 32, 64),
    epochs=20,
    cosine=0.0,
    augmentation=Augmentation(grow=1.0, blur=0.1),
    more={},
    search=Search(c=(10.0,), gamma=(0.5, 1.0, 2.0)),
)
_NARROW = Search((1.0, 10.0), (0.5, 1.0, 2.0))
"""What wider searches have chosen."""
RECIPES: dict[RecipeName, Recipe] = {
    "first": FIRST,
    "quick": Recipe(epochs=30, search=_NARROW),
    "full": Recipe(
        epochs=100, more={"dhcd": Share(200, 150), "fonts": Share(15, 15), "pens": Share(60, 30)}, search=_NARROW
    ),
}
"""``full`` ships; ``quick``, which has no pens, served most of the protocols' trainings. ``first`` learns from its
task's own images alone: the others are measured against it, and baselines vary it."""

LEAST_STEPS = 480


def for_few_images(recipe: Recipe, images: int) -> Recipe:
    """The recipe with as many epochs as a network needs to settle at all, where its own would be too few steps."""
    return replace(recipe, epochs=max(recipe.epochs, -(-LEAST_STEPS // max(1, images // recipe.batch))))
