"""Real slices of NHCD, and a network that is trained on one in seconds, once for all tests of this folder."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from training.data.dataset import Dataset
from training.data.sources import sample
from training.data.splits import PROTOCOLS, Task
from training.recipe import FIRST, Recipe, Search

if TYPE_CHECKING:
    from training.models.fit import FittedModel


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return replace(FIRST, channels=(4, 6, 8), epochs=2, batch=64, search=Search(c=(10.0,), gamma=(1.0,)))


@pytest.fixture(scope="session")
def longer_recipe(tiny_recipe: Recipe) -> Recipe:
    """The recipe of `fitted_model`: just long enough for features that tell characters apart."""
    return replace(tiny_recipe, epochs=8)


@pytest.fixture(scope="session")
def small_task(nhcd: Dataset) -> Task:
    """Of every class 8 training, 3 validation and 2 test images."""
    parts = PROTOCOLS["published"].task(nhcd, {}, "1")
    return Task(sample(parts.train, 8, 1), sample(parts.validation, 3, 1), sample(parts.test, 2, 1))


@pytest.fixture(scope="session")
def fitted_model(small_task: Task, longer_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> "FittedModel":
    from training.models.fit import fit

    return fit(small_task, longer_recipe, 1, tmp_path_factory.mktemp("fit"), lambda _: None, verbose=0)


@pytest.fixture(scope="session")
def slice_of_nhcd(nhcd_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve real images of every class."""
    folder = tmp_path_factory.mktemp("slice")
    with zipfile.ZipFile(nhcd_zip) as archive:
        by_class: dict[str, list[str]] = {}
        for name in archive.namelist():
            if name.endswith(".jpg"):
                by_class.setdefault(name.rpartition("/")[0], []).append(name)
        for names in by_class.values():
            for name in names[:12]:
                archive.extract(name, folder)
    return folder
