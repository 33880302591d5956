"""A new family from a handful of images: the frozen features stay, one more SVC is fitted, no network is trained.

``python -m training specialise --name punctuation --data folder/`` reads ``folder/<character>/*.png`` (one folder a
class, named by what an answer should say), adds a head to the artifacts, and after a restart
``POST /predict/punctuation`` answers.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC

from app.bundle import (
    MANIFEST,
    Bundle,
    Calibration,
    ClassEntry,
    FamilyEntry,
    Manifest,
    Score,
    file_entry,
    load_bundle,
    version_of,
)
from app.catalogue import CATALOGUE, CharacterClass
from app.extractor import Features, Glyphs, OnnxExtractor
from app.heads import Head
from app.imaging import ImageError, read_glyph
from app.trust import Likeness, Prototypes
from training.augment import Augmentation
from training.calibration import calibrate_family, prototypes_of
from training.evaluation import margins
from training.heads import describe_svc
from training.recipe import Search
from training.scoring import interval
from training.search import rbf_search

Ints = npt.NDArray[np.int64]

FOLDS = 5
LEAST = 3
"""Images of a class: one to score, and two to choose by."""
ENOUGH = 30
"""Images of a class. Where there are fewer, their copies as other hands might have written them are learnt, too."""
GRID = Search(c=(10.0, 1.0, 100.0), gamma=(1.0, 0.5, 2.0, 0.25))
"""From the middle outwards, as the first of equals is chosen: a few images leave many equals, and one at the edge would
answer for images like none of them."""
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp"}


class SpecialiseError(Exception):
    """What is asked cannot be learnt; the text says why and what was expected."""


@dataclass(frozen=True)
class Examples:
    """Images of new classes.

    Attributes:
        glyphs: canonical, shape (n, 32, 32).
        class_id: class numbers from 1, shape (n,).
        characters: what an answer says of class 1, 2, ...: the names of the folders, in order.
    """

    glyphs: Glyphs
    class_id: Ints
    characters: tuple[str, ...]


@dataclass(frozen=True)
class Specialised:
    """What was added.

    Attributes:
        manifest: the new one, as written.
        accuracy: cross-validated, over the ``n`` images; ``low`` and ``high`` bound its 95 % interval.
    """

    manifest: Manifest
    accuracy: float
    low: float
    high: float
    n: int


def specialise(
    name: str, data: Path, artifacts: Path, per_class: int | None = None, replace: bool = False, seed: int = 1
) -> Specialised:
    """Learn a family from a folder of images and add it to the artifacts.

    Args:
        name: of the family, the last part of its URL: lower-case letters, digits, hyphens.
        data: holds one folder a class, named by its character.
        artifacts: to read and to add to.
        per_class: use at most so many images of each class, drawn at random.
        replace: overwrite a family that was added before.
        seed: of the drawing and the folds.

    Raises:
        SpecialiseError: a bad or taken name, fewer than two classes or three images of a class, an unreadable image.
        BundleError: the artifacts cannot be read.
    """
    bundle = load_bundle(artifacts)
    _check_name(name, set(bundle.heads), replace)
    examples = read_examples(data, per_class, seed)
    class_id, n = examples.class_id, len(examples.class_id)
    rarest = int(np.bincount(class_id)[1:].min())
    written = with_copies(examples.glyphs, math.ceil(ENOUGH / rarest) - 1, seed)
    features = OnnxExtractor(bundle.onnx)(np.concatenate(written)).reshape(len(written), n, -1)
    folds = list(StratifiedKFold(min(FOLDS, rarest), shuffle=True, random_state=seed).split(class_id, class_id))
    # Searched anew within each fold: the images that score, and their copies, have no part in any choice.
    svcs = joblib.Parallel(n_jobs=-1)(
        joblib.delayed(_fit)(features[:, train], class_id[train], seed) for train, _ in folds
    )
    found = zip(svcs, folds, strict=True)
    correct = sum(int((svc.predict(features[0, rest]) == class_id[rest]).sum()) for svc, (_, rest) in found)
    svc = _fit(features, class_id, seed)
    prototypes = prototypes_of(*_flat(features, class_id))
    calibration = _calibrate(name, bundle, svc, features, class_id, folds)
    score = Score(accuracy=correct / n, correct=correct, n=n)
    manifest = _write(bundle.manifest, artifacts, name, svc, prototypes, calibration, examples, score)
    return Specialised(manifest, correct / n, *interval(correct, n), n)


def with_copies(glyphs: Glyphs, copies: int, seed: int) -> list[Glyphs]:
    """Glyphs (n, 32, 32), and so many times the same ones as other hands and pens might have written them."""
    augmentation, rng = Augmentation(), np.random.default_rng(seed)
    return [glyphs, *(augmentation(glyphs, rng) for _ in range(copies))]


def _flat(features: Features, class_id: Ints) -> tuple[Features, Ints]:
    """Features of n images and of their copies, shape (copies, n, 512), as those of so many images; their classes."""
    return features.reshape(-1, features.shape[-1]), np.tile(class_id, len(features))


def _fit(features: Features, class_id: Ints, seed: int) -> SVC:
    """The SVC of the best hyperparameters, of features (copies, n, 512); no image helps to choose by its copies."""
    firsts = len(class_id) * np.arange(len(features))[:, None]
    split = folds_for_search(class_id, seed).split(class_id, class_id)
    folds = [((firsts + train).ravel(), rest) for train, rest in split]
    learnt = _flat(features, class_id)
    best: SVC = search_svc(*learnt, folds).fit(*learnt).best_estimator_
    return best


def _calibrate(
    name: str, bundle: Bundle, svc: SVC, features: Features, class_id: Ints, folds: Sequence[tuple[Ints, Ints]]
) -> Calibration:
    """Of each image, what a head and class means say that were fitted on the other folds."""
    found, cosines, distances = [], [], []
    for train, rest in folds:
        learnt = _flat(features[:, train], class_id[train])
        head = Head(clone(svc).fit(*learnt))
        means = Prototypes({**bundle.prototypes, name: prototypes_of(*learnt)}, bundle.whitening)
        found.append(margins(head, features[0, rest]))
        likeness = means.compare(features[0, rest])
        cosines.append(likeness.cosines)
        distances.append(likeness.distances)
    truth = class_id[np.concatenate([rest for _, rest in folds])] - 1
    likeness = Likeness(np.concatenate(cosines), np.concatenate(distances))
    return calibrate_family(np.concatenate(found), likeness, means, name, truth)[0]


def folds_for_search(class_id: Ints, seed: int) -> StratifiedKFold:
    """As many folds (2 to 5) as the rarest class allows.

    It allows them within a fold of an outer cross-validation, too, where that class has fewer images.
    """
    rarest = int(np.bincount(class_id)[np.unique(class_id)].min())
    return StratifiedKFold(min(FOLDS, rarest - math.ceil(rarest / FOLDS)), shuffle=True, random_state=seed)


def search_svc(features: Features, class_id: Ints, folds: Any, jobs: int = 1) -> GridSearchCV:
    """A search, not yet fitted, of an RBF SVC's C and gamma; ``folds`` is what scikit-learn takes as ``cv``."""
    return rbf_search(SVC(kernel="rbf", break_ties=True), features, GRID, folds, jobs, bar=False)


def read_examples(folder: Path, per_class: int | None = None, seed: int = 1) -> Examples:
    """Read ``<folder>/<character>/<image>``; folders and files that begin with a dot, and other files, are left out.

    Raises:
        SpecialiseError: see `specialise`.
    """
    if not folder.is_dir():
        raise SpecialiseError(f"{folder}: no such folder. Expected one folder a class in it, named by its character.")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise SpecialiseError(
            f"{folder}: holds {len(classes)} folders of images; a family needs two classes or more, one folder each."
        )
    rng = np.random.default_rng(seed)
    glyphs, class_id = [], []
    for number, path in enumerate(classes, start=1):
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in _IMAGES and not f.name.startswith("."))
        if per_class is not None and len(files) > per_class:
            files = [files[i] for i in sorted(rng.permutation(len(files))[:per_class])]
        if len(files) < LEAST:
            raise SpecialiseError(f"{path}: {len(files)} images; each class needs {LEAST} ({', '.join(_IMAGES)}).")
        for file in files:
            try:
                glyphs.append(read_glyph(file.read_bytes()))
            except (OSError, ImageError) as error:
                raise SpecialiseError(f"{file}: {getattr(error, 'detail', error)}") from None
            class_id.append(number)
    characters = tuple(unicodedata.normalize("NFC", path.name) for path in classes)
    return Examples(np.stack(glyphs), np.array(class_id, np.int64), characters)


def _check_name(name: str, taken: set[str], replace: bool) -> None:
    if not _NAME.fullmatch(name) or len(name) > 32:
        raise SpecialiseError(
            f"{name!r} cannot name a family: it must be lower-case letters, digits and single hyphens, begin with a "
            "letter, and have at most 32 characters."
        )
    if name in CATALOGUE or name == "auto":
        raise SpecialiseError(f"{name} is a name of Akshar's own; choose another.")
    if name in taken and not replace:
        raise SpecialiseError(f"{name} is there already; pass --replace to learn it anew.")


def _write(
    old: Manifest,
    folder: Path,
    name: str,
    svc: SVC,
    prototypes: NearestCentroid,
    calibration: Calibration,
    examples: Examples,
    score: Score,
) -> Manifest:
    """Add the pickles' files, then the manifest in one step: whoever reads between sees the old bundle, whole."""
    added = {kind: _pickle(fitted, folder, kind, name) for kind, fitted in (("heads", svc), ("prototypes", prototypes))}
    former = old.families.get(name)
    dropped = {former.head, former.prototypes} - set(added.values()) if former else set()
    files = {file: entry for file, entry in old.files.items() if file not in dropped}
    files.update({file: file_entry(folder / file) for file in added.values()})
    manifest = old.model_copy(
        update={
            "model_version": version_of(old.model_version.rpartition("-")[0], files),
            "files": files,
            "families": {
                **old.families,
                name: FamilyEntry(
                    head=added["heads"],
                    prototypes=added["prototypes"],
                    calibration=calibration,
                    classes=[_entry(number, text) for number, text in enumerate(examples.characters, start=1)],
                    svc=describe_svc(svc),
                ),
            },
            "scores": {**old.scores, "specialised": {**old.scores.get("specialised", {}), name: score}},
        }
    )
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)
    for file in dropped:
        (folder / file).unlink()
    return manifest


def _pickle(fitted: BaseEstimator, folder: Path, kind: str, name: str) -> str:
    """Write a pickle and return its file's name.

    Its digest is in its name, so that a family learnt anew does not alter the file that the old manifest names.
    """
    pickled = io.BytesIO()
    joblib.dump(fitted, pickled, compress=3)
    file = f"{kind}/{name}-{hashlib.sha256(pickled.getvalue()).hexdigest()[:8]}.joblib"
    (folder / kind).mkdir(exist_ok=True)
    (folder / file).write_bytes(pickled.getvalue())
    return file


def _entry(number: int, character: str) -> ClassEntry:
    """The class of a folder: its name is all that is known of it."""
    return ClassEntry.of(CharacterClass(number, character, romanization=character, label=character))
