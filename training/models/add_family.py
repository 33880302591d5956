"""Adds a family from a handful of images: the features stay frozen, one more SVC is fitted, no network is trained.

``python -m training add-family --name punctuation --data folder/`` reads ``folder/<character>/*.png`` (one folder per
class, named by its character) and adds a head to the artifacts. After a restart ``POST /predict/punctuation`` works.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import SUFFIXES
from akshar.imaging.glyph import Glyphs
from akshar.imaging.reader import read_glyph
from akshar.model.bundle import Bundle, FamilyModel, load_bundle
from akshar.model.class_means import ClassMeans, Similarity
from akshar.model.classes import CATALOGUE, CharacterClass
from akshar.model.extractor import Features, OnnxExtractor
from akshar.model.manifest import Calibration, ClassEntry, Manifest, Score, version_of, write_manifest
from akshar.model.recognizer import AUTO
from akshar.model.svm import Head
from training.data.augment import Augmentation
from training.models.artifacts import family_files, file_entries, write_family
from training.models.calibration import calibrate_family, fit_class_means
from training.models.svm import describe_svc, margins, rbf_search
from training.recipe import Search

Ints = npt.NDArray[np.int64]

FOLDS: Final = 5
MIN_IMAGES: Final = 3
"""Images of each class: one to score, and two to choose hyperparameters by."""
ENOUGH_IMAGES: Final = 30
"""Images of each class below which augmented copies of them are added to the training images."""
GRID: Final = Search(c=(10.0, 1.0, 100.0), gamma=(1.0, 0.5, 2.0, 0.25))
"""From the middle outwards, as the search takes the first of equally good values. With a few images many are equally
good, and an SVC with extreme values would generalize badly."""
SCORES: Final = "specialised"
"""The key of cross-validated scores in the manifest."""
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class AddFamilyError(Exception):
    """The family cannot be added; the text says why and what was expected."""


@dataclass(frozen=True)
class Examples:
    """Images of new classes.

    Attributes:
        glyphs: canonical, shape (n, 32, 32).
        class_id: class numbers from 1, shape (n,).
        characters: of class 1, 2, ...: the names of the folders, in order.
    """

    glyphs: Glyphs
    class_id: Ints
    characters: tuple[str, ...]


@dataclass(frozen=True)
class AddedFamily:
    """What was added.

    Attributes:
        manifest: the new one, as written.
        correct: images, of ``n``, that were recognized correctly in cross-validation.
        n: images.
    """

    manifest: Manifest
    correct: int
    n: int


def add_family(
    name: str, data: Path, artifacts: Path, per_class: int | None = None, replace: bool = False, seed: int = 1
) -> AddedFamily:
    """Fit a family on a folder of images and add it to the artifacts.

    Args:
        name: of the family, the last part of its URL: lower-case letters, digits, hyphens.
        data: holds one folder per class, named by its character.
        artifacts: to read and to add to.
        per_class: use at most this many images of each class, drawn at random.
        replace: overwrite a family that was added before.
        seed: of the drawing and the folds.

    Raises:
        AddFamilyError: an invalid or taken name, fewer than two classes or three images of a class, or an unreadable
            image.
        BundleError: the artifacts cannot be read.
    """
    bundle = load_bundle(artifacts)
    _check_name(name, set(bundle.model.families), replace)
    examples = read_examples(data, per_class, seed)
    class_id, n = examples.class_id, len(examples.class_id)
    rarest = int(np.bincount(class_id)[1:].min())
    glyphs = with_copies(examples.glyphs, math.ceil(ENOUGH_IMAGES / rarest) - 1, seed)
    features = OnnxExtractor(bundle.onnx)(np.concatenate(glyphs)).reshape(len(glyphs), n, -1)
    folds = list(StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=seed).split(class_id, class_id))
    # Each fold has its own search: neither the images that score nor their copies affect any choice.
    svcs = joblib.Parallel(n_jobs=-1)(
        joblib.delayed(_fit)(features[:, train], class_id[train], seed) for train, _ in folds
    )
    correct = sum(
        int((svc.predict(features[0, held_out]) == class_id[held_out]).sum())
        for svc, (_, held_out) in zip(svcs, folds, strict=True)
    )
    svc = _fit(features, class_id, seed)
    family = FamilyModel(
        classes=[_class_entry(number, text) for number, text in enumerate(examples.characters, start=1)],
        svc=svc,
        class_means=fit_class_means(*_flatten(features, class_id)),
        calibration=_calibrate(name, bundle, svc, features, class_id, folds),
        in_network=False,
    )
    manifest = _write(bundle.manifest, artifacts, name, family, Score(accuracy=correct / n, correct=correct, n=n))
    return AddedFamily(manifest, correct, n)


def with_copies(glyphs: Glyphs, copies: int, seed: int) -> list[Glyphs]:
    """Glyphs (n, 32, 32), and augmented copies of them, as other hands and pens might have written them."""
    augmentation, rng = Augmentation(), np.random.default_rng(seed)
    return [glyphs, *(augmentation(glyphs, rng) for _ in range(copies))]


def _flatten(features: Features, class_id: Ints) -> tuple[Features, Ints]:
    """Features of n images and of their copies, shape (copies, n, 512), as (copies * n, 512), and their classes."""
    return features.reshape(-1, features.shape[-1]), np.tile(class_id, len(features))


def _fit(features: Features, class_id: Ints, seed: int) -> SVC:
    """The SVC of the best hyperparameters on features (copies, n, 512); an image's copies stay in the image's fold."""
    offsets = len(class_id) * np.arange(len(features))[:, None]
    split = search_folds(class_id, seed).split(class_id, class_id)
    folds = [((offsets + train).ravel(), held_out) for train, held_out in split]
    flat = _flatten(features, class_id)
    best: SVC = search_svc(*flat, folds).fit(*flat).best_estimator_
    return best


def _calibrate(
    name: str, bundle: Bundle, svc: SVC, features: Features, class_id: Ints, folds: Sequence[tuple[Ints, Ints]]
) -> Calibration:
    """Calibrate on each image's margins and similarities with a head and class means fitted on the other folds."""
    families = bundle.model.families
    in_network = [family for family, entry in families.items() if entry.in_network]
    centroids = {family: entry.class_means for family, entry in families.items()}
    fold_margins, cosines, distances = [], [], []
    for train, held_out in folds:
        flat = _flatten(features[:, train], class_id[train])
        means = ClassMeans({**centroids, name: fit_class_means(*flat)}, bundle.model.whitening, in_network)
        similarity = means.compare(features[0, held_out])
        fold_margins.append(margins(Head(clone(svc).fit(*flat)), features[0, held_out]))
        cosines.append(similarity.cosines)
        distances.append(similarity.distances)
    truth = class_id[np.concatenate([held_out for _, held_out in folds])] - 1
    similarity = Similarity(np.concatenate(cosines), np.concatenate(distances))
    return calibrate_family(np.concatenate(fold_margins), similarity, means, name, truth)[0]


def search_folds(class_id: Ints, seed: int) -> StratifiedKFold:
    """As many folds (2 to 5) as the rarest class allows, also within a fold of an outer cross-validation."""
    rarest = int(np.bincount(class_id)[np.unique(class_id)].min())
    return StratifiedKFold(min(FOLDS, rarest - math.ceil(rarest / FOLDS)), shuffle=True, random_state=seed)


def search_svc(features: Features, class_id: Ints, folds: Any, jobs: int = 1) -> GridSearchCV:
    """A search, not yet fitted, of an RBF SVC's C and gamma; ``folds`` is what scikit-learn takes as ``cv``."""
    return rbf_search(SVC(kernel="rbf", break_ties=True), features, GRID, folds, jobs, bar=False)


def read_examples(folder: Path, per_class: int | None = None, seed: int = 1) -> Examples:
    """Read ``<folder>/<character>/<image>``; folders and files that begin with a dot, and other files, are ignored.

    Raises:
        AddFamilyError: see `add_family`.
    """
    if not folder.is_dir():
        raise AddFamilyError(f"{folder}: no such folder. Expected one folder per class in it, named by its character.")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise AddFamilyError(
            f"{folder}: holds {len(classes)} folders of images; a family needs two classes or more, one folder each."
        )
    rng = np.random.default_rng(seed)
    glyphs, class_id = [], []
    for number, path in enumerate(classes, start=1):
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
        if per_class is not None and len(files) > per_class:
            files = [files[i] for i in sorted(rng.permutation(len(files))[:per_class])]
        if len(files) < MIN_IMAGES:
            raise AddFamilyError(f"{path}: {len(files)} images; each class needs {MIN_IMAGES} ({', '.join(SUFFIXES)}).")
        for file in files:
            try:
                glyphs.append(read_glyph(file.read_bytes()))
            except (OSError, ImageError) as error:
                raise AddFamilyError(f"{file}: {getattr(error, 'detail', error)}") from None
            class_id.append(number)
    characters = tuple(unicodedata.normalize("NFC", path.name) for path in classes)
    return Examples(np.stack(glyphs), np.array(class_id, np.int64), characters)


def _check_name(name: str, taken: set[str], replace: bool) -> None:
    if not _NAME.fullmatch(name) or len(name) > 32:
        raise AddFamilyError(
            f"{name!r} cannot name a family: it must be lower-case letters, digits and single hyphens, begin with a "
            "letter, and have at most 32 characters."
        )
    if name in CATALOGUE or name == AUTO:
        raise AddFamilyError(f"{name} is a name that Akshar uses itself; choose another.")
    if name in taken and not replace:
        raise AddFamilyError(f"{name} exists already; pass --replace to fit it again.")


def _write(old: Manifest, folder: Path, name: str, family: FamilyModel, score: Score) -> Manifest:
    """Write the pickles, then the manifest in one step: a reader sees either the old bundle or the new one."""
    entry = write_family(folder, name, family, describe_svc(family.svc), digest_in_name=True)
    added = family_files([entry])
    former = old.families.get(name)
    dropped = set(family_files([former])) - set(added) if former else set()
    files = {file: of_file for file, of_file in old.files.items() if file not in dropped}
    files.update(file_entries(folder, added))
    manifest = old.model_copy(
        update={
            "model_version": version_of(old.model_version.rpartition("-")[0], files),
            "files": files,
            "families": {**old.families, name: entry},
            "scores": {**old.scores, SCORES: {**old.scores.get(SCORES, {}), name: score}},
        }
    )
    write_manifest(manifest, folder)
    for file in dropped:
        (folder / file).unlink()
    return manifest


def _class_entry(number: int, character: str) -> ClassEntry:
    """The class of a folder: its name is all that is known of it."""
    return ClassEntry.of(CharacterClass(number, character, romanization=character, label=character))
