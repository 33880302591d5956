"""What a training and an added family write: pickles, and their entries in the manifest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import joblib
import numpy as np

from akshar.model.bundle import WHITENING, FamilyModel
from akshar.model.manifest import FamilyEntry, FileEntry, file_entry
from akshar.model.svm import Reals

HEADS: Final = "heads"
CLASS_MEANS: Final = "class_means"


def write_family(
    folder: Path, name: str, family: FamilyModel, svc: dict[str, Any], digest_in_name: bool = False
) -> FamilyEntry:
    """Write the pickles of a family and return its entry in the manifest.

    Args:
        folder: of the artifacts.
        name: of the family.
        family: its SVC, class means and calibration.
        svc: describes the SVC; see `training.models.svm.describe_svc`.
        digest_in_name: whether the names of the files hold their digests, so that a family that is added again does
            not alter the files that the old manifest lists.
    """
    return FamilyEntry(
        head=_write_pickle(family.svc, folder, HEADS, name, digest_in_name),
        class_means=_write_pickle(family.class_means, folder, CLASS_MEANS, name, digest_in_name),
        classes=list(family.classes),
        svc=svc,
        in_network=family.in_network,
        calibration=family.calibration,
    )


def write_whitening(folder: Path, whitening: Reals) -> None:
    """Write the whitening matrix, in single precision."""
    joblib.dump(whitening.astype(np.float32), folder / WHITENING, compress=3)


def family_files(entries: Iterable[FamilyEntry]) -> list[str]:
    """The pickles of families: all heads, then all class means."""
    families = list(entries)
    return [entry.head for entry in families] + [entry.class_means for entry in families]


def file_entries(folder: Path, names: Iterable[str]) -> dict[str, FileEntry]:
    """The manifest's entries of files in a folder."""
    return {name: file_entry(folder / name) for name in names}


def _write_pickle(fitted: object, folder: Path, kind: str, name: str, digest_in_name: bool) -> str:
    """Write a pickle and return its file name within the folder."""
    pickled = io.BytesIO()
    joblib.dump(fitted, pickled, compress=3)
    digest = f"-{hashlib.sha256(pickled.getvalue()).hexdigest()[:8]}" if digest_in_name else ""
    file = f"{kind}/{name}{digest}.joblib"
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(pickled.getvalue())
    return file
