"""Extra training images beside a task's own: other data sets, and fonts drawn as if they were writers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from training.data.augment import Batch
from training.data.dataset import Dataset, concatenate, read_dataset
from training.data.fonts import read_fonts
from training.data.label_errors import LabelError, correct_labels, read_label_errors
from training.data.outliers import make_outliers

Labels = npt.NDArray[np.int64]

DHCD_TEST_SHARE: Final = 0.1
"""The share of DHCD that is held out where the rest is trained on."""
VALIDATION_PER_CLASS: Final = 40
"""Images of each class of DHCD to validate on: about as many as of NHCD and of Dongre and Mankar."""
_OUTLIER_EPOCHS: Final = 4
BLOCK: Final = 25
"""File numbers of Dongre and Mankar that stay together."""

SourceName = Literal["dhcd", "dongre-mankar", "fonts", "pens"]
"""Two other data sets; fonts as they are printed; the same fonts as pens write them."""
FILES: Final[dict[SourceName, str]] = {"dhcd": "dhcd-train.zip", "dongre-mankar": "dongre-mankar.zip"}
"""The files of the data sets, beside that of NHCD."""
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
        joint: joint indices, shape (n,); 0 for all outliers.
        per_epoch: images of each class drawn anew for each epoch, repeatedly if there are fewer; None: all images.
        outlier_targets: shares of the classes of outliers, shape (n, OUTLIER_CLASSES); None if these are no outliers.
    """

    glyphs: Batch
    joint: Labels
    per_epoch: int | None = None
    outlier_targets: npt.NDArray[np.float32] | None = None

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


def outlier_source(images: Dataset, per_epoch: int, seed: int) -> Source:
    """Outliers made from the images that a network is trained on, several epochs' worth of them."""
    outliers = make_outliers(images, _OUTLIER_EPOCHS * per_epoch, seed)
    return Source(outliers.glyphs, np.zeros(len(outliers.glyphs), np.int64), per_epoch, outliers.targets)


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


@dataclass(frozen=True)
class Parts:
    """Another data set, by what its images are used for.

    Attributes:
        train: what networks and heads are trained on.
        validation: what chooses the epoch and the hyperparameters, and calibrates, together with a task's own.
        test: held out, and scored where the rest is trained on.
    """

    train: Dataset
    validation: Dataset
    test: Dataset


def split_dhcd(dhcd: Dataset) -> Parts:
    """A tenth of each class of DHCD to test on, and `VALIDATION_PER_CLASS` images of the others to validate on."""
    rest, test = train_test_split(np.arange(len(dhcd)), test_size=DHCD_TEST_SHARE, stratify=dhcd.joint, random_state=1)
    rest = dhcd[np.sort(rest)]
    validation = sample(rest, VALIDATION_PER_CLASS, seed=1)
    return Parts(rest[~np.isin(rest.name, validation.name)], validation, dhcd[np.sort(test)])


def split_dongre_mankar(dataset: Dataset) -> Parts:
    """A fifth of the blocks of file numbers to test on, and a tenth to validate on.

    Images with neighbouring numbers may be of one writer, so blocks of `BLOCK` numbers stay together.
    """
    block = np.array([int(PurePosixPath(name).stem) // BLOCK for name in dataset.name])
    test, validation = block % 5 == 1, block % 10 == 3
    return Parts(dataset[~test & ~validation], dataset[validation], dataset[test])


SPLITS: Final[dict[SourceName, Callable[[Dataset], Parts]]] = {
    "dhcd": split_dhcd,
    "dongre-mankar": split_dongre_mankar,
}
"""The extra sources that are data sets, and how they are split."""


def read_data_sets(
    names: Collection[SourceName],
    folder: Path,
    read: Callable[[Path], Dataset] = read_dataset,
    errors: Sequence[LabelError] | None = None,
) -> dict[SourceName, Parts]:
    """Read and split those of the named sources that are data sets; labels known to be wrong are corrected.

    Args:
        names: of sources; fonts and pens are passed over.
        folder: where the files of `FILES` are.
        read: reads a data set.
        errors: in the labels, to correct; None for the list that this package has.

    Raises:
        DatasetError: one cannot be read.
    """
    errors = read_label_errors() if errors is None else errors
    return {name: _read_parts(name, read(folder / FILES[name]), errors) for name in SPLITS if name in names}


def _read_parts(name: SourceName, dataset: Dataset, errors: Sequence[LabelError]) -> Parts:
    parts = SPLITS[name](dataset)
    train, validation = (correct_labels(part, name, errors) for part in (parts.train, parts.validation))
    return Parts(train, validation, parts.test)


def read_drawn(names: Collection[SourceName], fonts: Path) -> dict[SourceName, Dataset]:
    """Draw those of the named sources that are made of a folder of fonts: ``fonts`` and ``pens``.

    Raises:
        DatasetError: the folder holds no font with Devanagari characters.
    """
    sources: dict[SourceName, Dataset] = {}
    if "fonts" in names:
        sources["fonts"] = read_fonts(fonts)
    if "pens" in names:
        # Needs scikit-image, which evaluating the artifacts does not.
        from training.data.stroke_fonts import written

        sources["pens"] = read_fonts(fonts, written)
    return sources
