"""Everything that affects a training beside data and seed; four recipes have names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from training.data.augment import Augmentation
from training.data.sources import Share, SourceName


@dataclass(frozen=True)
class Search:
    """The grid in which a head's hyperparameters are searched.

    Attributes:
        c: penalties.
        gamma: widths, in units of scikit-learn's ``gamma="scale"``, 1 / (512 x the variance of the features).
    """

    c: tuple[float, ...] = (1.0, 10.0, 100.0)
    gamma: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)

    @property
    def middle(self) -> Search:
        """A grid of one point: the middle values."""
        return Search((self.c[len(self.c) // 2],), (self.gamma[len(self.gamma) // 2],))


@dataclass(frozen=True)
class Recipe:
    """Everything that affects a training, beside data and seed.

    Attributes:
        network: ``plain`` stages of two convolutions and a pooling, or ``residual`` ones behind a stem of stride 2.
        channels: output channels of the three stages.
        blocks: residual blocks of two convolutions in each stage.
        epochs: passes over the training part.
        batch: images per step.
        learning_rate: the peak, reached after two epochs, followed by a cosine decay.
        weight_decay: decoupled (AdamW), not on normalization or biases.
        label_smoothing: share of the target spread over all classes.
        dropout: before the last layer.
        cosine: scale of logits that are cosines of features and classes; 0: they are inner products.
        augmentation: its strengths.
        extra_sources: shares of images of other writers, used if they are available.
        outliers: in each epoch, of none of the 58 classes; see `training.data.outliers`.
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
    extra_sources: dict[SourceName, Share] = field(
        default_factory=lambda: {"dhcd": Share(100, 150), "fonts": Share(15, 15)}
    )
    outliers: int = 0
    search: Search = field(default_factory=Search)


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A recipe with other values, by dotted names: ``{"epochs": 12, "augmentation.grow": 1.5}``.

    Raises:
        ValueError: a recipe has no such name, or the value has the wrong type.
    """
    values = asdict(recipe)
    for name, value in changes.items():
        *path, last = name.split(".")
        inner = values
        for key in path:
            inner = inner.setdefault(key, {})
        if last not in inner and path[:1] != ["extra_sources"]:
            raise ValueError(f"a recipe has no {name}")
        inner[last] = value
    return TypeAdapter(Recipe).validate_python(values)


RecipeName = Literal["first", "quick", "short", "full"]

FIRST: Final = Recipe(
    network="plain",
    channels=(16, 32, 64),
    epochs=20,
    cosine=0.0,
    augmentation=Augmentation(grow=1.0, blur=0.1),
    extra_sources={},
    search=Search(c=(10.0,), gamma=(0.5, 1.0, 2.0)),
)
_NARROW: Final = Search((1.0, 10.0), (0.5, 1.0, 2.0))
"""Wider searches chose values in this range."""
_SMOOTH: Final = Search((1.0,), (0.125, 0.25, 0.5))
"""Harder and narrower heads read more characters of the data sets that they were fitted on, and fewer of a new one."""
RECIPES: dict[RecipeName, Recipe] = {
    "first": FIRST,
    "quick": Recipe(epochs=30, search=_NARROW),
    "short": Recipe(
        epochs=20,
        extra_sources={"dhcd": Share(100, 100), "dongre-mankar": Share(100, 100), "fonts": Share(15, 15)},
        outliers=2000,
        search=_SMOOTH,
    ),
    "full": Recipe(
        epochs=100,
        extra_sources={"dhcd": Share(200, 150), "fonts": Share(15, 15), "pens": Share(60, 30)},
        search=_NARROW,
    ),
}
"""``full`` ships. ``quick`` has no pens; most trainings of the protocols use it. ``short`` also trains on Dongre and
Mankar's data set, and on outliers. ``first`` uses its task's own images alone: the others are compared with it, and
baselines are variants of it."""

MIN_STEPS = 480


def for_few_images(recipe: Recipe, images: int) -> Recipe:
    """The recipe with more epochs if its own, on so few images, would be too few steps for a network to converge."""
    return replace(recipe, epochs=max(recipe.epochs, -(-MIN_STEPS // max(1, images // recipe.batch))))
