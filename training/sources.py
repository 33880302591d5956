"""What a network learns from beside its task's own images: other data sets, and fonts drawn as if they were writers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.augment import Batch
from training.data import Dataset, concatenate
from training.recipe import Recipe, SourceName

Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """Images to learn from.

    Attributes:
        glyphs: shape (n, 32, 32).
        joint: joint indices, shape (n,).
        per_epoch: images of each class drawn anew for each epoch, again and again where there are fewer; None: all.
    """

    glyphs: Batch
    joint: Labels
    per_epoch: int | None = None

    @classmethod
    def of(cls, dataset: Dataset, per_epoch: int | None = None) -> Source:
        """The images of a data set."""
        return cls(dataset.glyphs, dataset.joint, per_epoch)

    def draw(self, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Rows for one epoch."""
        if self.per_epoch is None:
            return np.arange(len(self.joint))
        return np.concatenate([self._draw(np.flatnonzero(self.joint == index), rng) for index in np.unique(self.joint)])

    def _draw(self, rows: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.intp]:
        rounds = -(-(self.per_epoch or 0) // len(rows))
        return np.concatenate([rng.permutation(rows) for _ in range(rounds)])[: self.per_epoch]


More = Mapping[SourceName, Dataset]
"""Other writers that are at hand, by their source's name."""


def to_learn(own: Dataset, more: More, recipe: Recipe) -> list[Source]:
    """All of a task's own training part, and of every source that the recipe names and that is at hand its share."""
    shares = {name: share for name, share in recipe.more.items() if name in more}
    return [Source.of(own), *(Source.of(more[name], share.per_epoch) for name, share in shares.items())]


def for_heads(own: Dataset, more: More, recipe: Recipe, seed: int) -> Dataset:
    """What heads are fitted on: a task's own training part, and the recipe's share of other writers."""
    drawn = [
        sample(more[name], share.in_heads, seed)
        for name, share in recipe.more.items()
        if name in more and share.in_heads
    ]
    return concatenate([own, *drawn])


def sample(dataset: Dataset, per_class: int, seed: int) -> Dataset:
    """At most so many images of each class, drawn at random, in the data set's order."""
    rng, rows, joint = np.random.default_rng(seed), np.arange(len(dataset)), dataset.joint
    drawn = [rng.permutation(rows[joint == index])[:per_class] for index in np.unique(joint)]
    return dataset[np.sort(np.concatenate(drawn))]
