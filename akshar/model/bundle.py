"""The folder of artifacts: verified against the digests of its manifest, then unpickled.

Pickles run code when they are loaded, so nothing is unpickled before its bytes have matched the manifest.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import joblib
import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC

from akshar.model.manifest import (
    MANIFEST,
    REMEDY,
    BundleError,
    Calibration,
    ClassEntry,
    FileEntry,
    JointCalibration,
    Manifest,
    read_manifest,
)

ONNX: Final = "extractor.onnx"
KERAS: Final = "extractor.keras"
WHITENING: Final = "whitening.joblib"

T = TypeVar("T")


@dataclass(frozen=True)
class FamilyModel:
    """What one family adds to the extractor.

    Attributes:
        classes: its classes.
        svc: fitted on features, with ``break_ties=True``.
        class_means: fitted on features of length 1.
        calibration: see `akshar.model.manifest.Calibration`.
        in_network: whether the network was trained on this family.
    """

    classes: Sequence[ClassEntry]
    svc: SVC
    class_means: NearestCentroid
    calibration: Calibration
    in_network: bool = True


@dataclass(frozen=True)
class Model:
    """All that turns features into recognitions, from a bundle or straight from a training.

    Attributes:
        families: by name.
        whitening: of features of length 1, shape (512, 512); see `akshar.model.class_means.ClassMeans`.
        calibration: what all families share.
        version: the model version.
    """

    families: Mapping[str, FamilyModel]
    whitening: npt.NDArray[np.floating]
    calibration: JointCalibration
    version: str = ""


@dataclass(frozen=True)
class Bundle:
    """Verified artifacts: their folder, their manifest, the extractor as serialised ONNX, and the unpickled rest."""

    folder: Path
    manifest: Manifest
    onnx: bytes
    model: Model


def load_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle against its manifest, then unpickle.

    Raises:
        BundleError: a file is missing, truncated or altered, the manifest cannot be read, or the installed
            scikit-learn is not the one that pickled the SVCs.
    """
    manifest = read_manifest(folder)
    files = {name: _verified(folder / name, entry) for name, entry in manifest.files.items()}
    pickles = [file for family in manifest.families.values() for file in (family.head, family.class_means)]
    for name in (ONNX, KERAS, WHITENING, *pickles):
        if name not in files:
            raise BundleError(f"{folder / MANIFEST}: has no digest of {name}; {REMEDY}")
    pickled_by = manifest.versions.get("scikit-learn")
    if sklearn.__version__ != pickled_by:
        raise BundleError(
            f"{folder / MANIFEST}: the SVCs were pickled by scikit-learn {pickled_by}, but {sklearn.__version__} is "
            f"installed; install scikit-learn=={pickled_by}, or retrain with `make train`."
        )
    families = {
        name: FamilyModel(
            classes=entry.classes,
            svc=_unpickle(folder / entry.head, files[entry.head], SVC),
            class_means=_unpickle(folder / entry.class_means, files[entry.class_means], NearestCentroid),
            calibration=entry.calibration,
            in_network=entry.in_network,
        )
        for name, entry in manifest.families.items()
    }
    whitening = _unpickle(folder / WHITENING, files[WHITENING], np.ndarray)
    model = Model(families, whitening, manifest.calibration, manifest.model_version)
    return Bundle(folder, manifest, files[ONNX], model)


def _verified(path: Path, entry: FileEntry) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from None
    if len(data) != entry.bytes:
        raise BundleError(f"{path}: has {len(data)} bytes, the manifest says {entry.bytes}; {REMEDY}")
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(f"{path}: its sha256 is not the manifest's, so it was altered; {REMEDY}")
    return data


def _unpickle(path: Path, data: bytes, kind: type[T]) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fitted = joblib.load(io.BytesIO(data))
        except Exception as error:  # Whatever a pickle of another library's version may raise.
            raise BundleError(f"{path}: cannot be unpickled ({type(error).__name__}: {error}); {REMEDY}") from None
    if not isinstance(fitted, kind):
        raise BundleError(f"{path}: holds {type(fitted).__name__}, not {kind.__name__}; {REMEDY}")
    return fitted
