"""Extra training images beside a task's own: other data sets, and fonts drawn as if they were writers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from training.data.augment import Batch
from training.data.dataset import Dataset, concatenate, read_dataset
from training.data.fonts import read_fonts

Labels = npt.NDArray[np.int64]

DHCD_TEST_SHARE: Final = 0.1
"""The share of DHCD that is held out where the rest is trained on."""

SourceName = Literal["dhcd", "fonts", "pens"]
"""Another data set; fonts as they are printed; the same fonts as pens write them."""
ExtraSources = Mapping[SourceName, Dataset]
"""The images of other writers that are available, by the name of their source."""


@dataclass(frozen=True)
class Share:
    """How much of an extra source is used.

    Attributes:
        per_epoch: images of each class, drawn anew for each epoch; few enough that the task's own are not drowned out.
        in_heads: images of each class on which the heads are fitted, too.
    """

    per_epoch: int
    in_heads: int = 0


Shares = Mapping[SourceName, Share]


@dataclass(frozen=True)
class Source:
    """Images to train a network on.

    Attributes:
        glyphs: shape (n, 32, 32).
        joint: joint indices, shape (n,).
        per_epoch: images of each class drawn anew for each epoch, repeatedly if there are fewer; None: all images.
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


def network_sources(own: Dataset, extra_sources: ExtraSources, shares: Shares) -> list[Source]:
    """What a network is trained on: a task's own training part, and a share of every extra source that is available."""
    available = {name: share for name, share in shares.items() if name in extra_sources}
    extra = [Source.of(extra_sources[name], share.per_epoch) for name, share in available.items()]
    return [Source.of(own), *extra]


def head_images(own: Dataset, extra_sources: ExtraSources, shares: Shares, seed: int) -> Dataset:
    """What heads are fitted on: a task's own training part, and a share of every extra source that is available."""
    drawn = [
        sample(extra_sources[name], share.in_heads, seed)
        for name, share in shares.items()
        if name in extra_sources and share.in_heads
    ]
    return concatenate([own, *drawn])


def sample(dataset: Dataset, per_class: int, seed: int) -> Dataset:
    """At most ``per_class`` images of each class, drawn at random, in the data set's order."""
    rng, rows, joint = np.random.default_rng(seed), np.arange(len(dataset)), dataset.joint
    drawn = [rng.permutation(rows[joint == index])[:per_class] for index in np.unique(joint)]
    return dataset[np.sort(np.concatenate(drawn))]


def split_dhcd(dhcd: Dataset) -> tuple[Dataset, Dataset]:
    """DHCD's training images, and the tenth of each class that is held out."""
    rows = np.arange(len(dhcd))
    train, held_out = train_test_split(rows, test_size=DHCD_TEST_SHARE, stratify=dhcd.joint, random_state=1)
    return dhcd[np.sort(train)], dhcd[np.sort(held_out)]


def read_extra_sources(
    names: Collection[SourceName],
    dhcd: Path | None,
    fonts: Path,
    read: Callable[[Path], Dataset] = read_dataset,
) -> tuple[dict[SourceName, Dataset], Dataset | None]:
    """Read the extra sources that a recipe names.

    Args:
        names: of the sources.
        dhcd: path of DHCD; None leaves it out even if it is named.
        fonts: folder of fonts.
        read: reads a data set.

    Returns:
        The sources, and the held-out part of DHCD (None if it was not read).

    Raises:
        DatasetError: one cannot be read.
    """
    sources: dict[SourceName, Dataset] = {}
    held_out = None
    if "dhcd" in names and dhcd is not None:
        sources["dhcd"], held_out = split_dhcd(read(dhcd))
    if "fonts" in names:
        sources["fonts"] = read_fonts(fonts)
    if "pens" in names:
        # Needs scikit-image, which evaluating the artifacts does not.
        from training.data.stroke_fonts import written

        sources["pens"] = read_fonts(fonts, written)
    return sources, held_out
