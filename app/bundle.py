"""The folder of artifacts: its manifest, the check of its digests, and the loading of its heads.

Pickles run code when loaded, so nothing is unpickled before its bytes have matched the manifest.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import joblib
import numpy as np
import numpy.typing as npt
import sklearn
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.neighbors import NearestCentroid
from sklearn.svm import SVC

from app.catalogue import CharacterClass

SCHEMA_VERSION: Final = 3
MANIFEST: Final = "manifest.json"
ONNX: Final = "extractor.onnx"
KERAS: Final = "extractor.keras"
WHITENING: Final = "whitening.joblib"


T = TypeVar("T")


class BundleError(Exception):
    """Artifacts that cannot be served; the text is one line that names the file and the mend."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Model):
    """A file of the bundle: its digest (hexadecimal sha256) and size in bytes."""

    sha256: str
    bytes: int


class ClassEntry(_Model):
    """One class of a family; see `app.catalogue.CharacterClass`."""

    class_id: int
    character: str
    codepoints: list[str]
    romanization: str
    label: str

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Its fields by name, as every answer repeats them."""
        return self.model_dump()

    @classmethod
    def of(cls, entry: CharacterClass) -> ClassEntry:
        """A class of the catalogue as the manifest writes it."""
        return cls(
            class_id=entry.class_id,
            character=entry.character,
            codepoints=entry.codepoints,
            romanization=entry.romanization,
            label=entry.label,
        )


class Deciles(_Model):
    """Nine values of each measure, rising, that part images that nothing was learnt from into ten equal bins."""

    confidence: list[float]
    likeness: list[float]


class Calibration(_Model):
    """How a family's evidence becomes probabilities (`app.trust`), and what images got that nothing was learnt from.

    Attributes:
        likeness: weight of the cosines with the class means.
        coupling: weight of the coupled margins.
        farthest: distance from a class of the family (`app.trust.Likeness`) up to which a glyph may be of it.
        elsewhere: by how much a class of another family must be more alike than any of its own, as a cosine, before the
            glyph is said to look like one.
        nonconformity: 1 - probability of the truth, rising.
        deciles: of the answer's confidence and of its likeness to the nearest class; see `app.drift`.
    """

    likeness: float
    coupling: float
    farthest: float
    elsewhere: float
    nonconformity: list[float]
    deciles: Deciles


class GoldenEntry(_Model):
    """A glyph drawn for the purpose, a PNG in base64, and how it was read when the artifacts were made."""

    family: str
    class_id: int
    confidence: float
    glyph: str


class TrustEntry(_Model):
    """What decides whether an answer is to be relied on, in all families.

    Attributes:
        min_confidence: below it an answer is abstained from, unless settings or caller say otherwise.
        joint_likeness: weight of the cosines where the classes of all families compete.
        nonconformity: as a family's (`Calibration`), where all compete.
    """

    min_confidence: float
    joint_likeness: float
    nonconformity: list[float]


class FamilyEntry(_Model):
    """A family: the files of its head and of its class means, its classes, the head's hyperparameters and search."""

    head: str
    prototypes: str
    classes: list[ClassEntry]
    svc: dict[str, Any]
    calibration: Calibration


class Score(_Model):
    """Accuracy over ``n`` images, of which ``correct`` were right."""

    accuracy: float
    correct: int
    n: int


class DataEntry(_Model):
    """What the models were trained on. ``digest`` is `training.data.Dataset.digest`."""

    name: str
    digest: str
    images: int


class SplitEntry(_Model):
    """How the data were parted; ``test_names`` is `training.protocols.names_digest` of the test part."""

    protocol: str
    seed: int
    sizes: dict[str, int]
    test_names: str


class Manifest(_Model):
    """``manifest.json``: all that an app or a person must know of the artifacts beside it."""

    schema_version: int
    model_version: str
    features: int
    files: dict[str, FileEntry]
    families: dict[str, FamilyEntry]
    versions: dict[str, str]
    data: DataEntry
    more: dict[str, DataEntry] = {}
    """Other writers that were learnt, by their source's name."""
    split: SplitEntry
    recipe: dict[str, Any]
    trust: TrustEntry
    golden: list[GoldenEntry] = []
    scores: dict[str, dict[str, Score]]


@dataclass(frozen=True)
class Bundle:
    """Verified artifacts.

    Attributes:
        folder: where they lie.
        manifest: what they are.
        onnx: the extractor as an ONNX model, serialised.
        heads: the SVC of each family, as scikit-learn pickled it.
        prototypes: the means of each family's classes, likewise.
        whitening: of features, shape (512, 512); see `app.trust.Prototypes`.
    """

    folder: Path
    manifest: Manifest
    onnx: bytes
    heads: dict[str, SVC]
    prototypes: dict[str, NearestCentroid]
    whitening: npt.NDArray[np.float64]


def load_bundle(folder: Path) -> Bundle:
    """Verify every file of a bundle against its manifest, then load the heads.

    Raises:
        BundleError: a file is missing, truncated or altered, the manifest cannot be read, or the installed
            scikit-learn is not the one that pickled the heads.
    """
    manifest = read_manifest(folder)
    files = {name: _verified(folder / name, entry) for name, entry in manifest.files.items()}
    pickles = [file for family in manifest.families.values() for file in (family.head, family.prototypes)]
    for name in (ONNX, KERAS, WHITENING, *pickles):
        if name not in files:
            raise BundleError(f"{folder / MANIFEST}: lists no digest of {name}; {_MEND}")
    pickled_by = manifest.versions.get("scikit-learn")
    if sklearn.__version__ != pickled_by:
        raise BundleError(
            f"{folder / MANIFEST}: the heads were pickled by scikit-learn {pickled_by}, but {sklearn.__version__} is "
            f"installed; install scikit-learn=={pickled_by}, or retrain with `make train`."
        )
    families = manifest.families.items()
    heads = {name: _unpickle(folder / family.head, files[family.head], SVC) for name, family in families}
    prototypes = {
        name: _unpickle(folder / family.prototypes, files[family.prototypes], NearestCentroid)
        for name, family in families
    }
    whitening = _unpickle(folder / WHITENING, files[WHITENING], np.ndarray)
    return Bundle(folder, manifest, files[ONNX], heads, prototypes, whitening)


def read_manifest(folder: Path) -> Manifest:
    """Read and validate ``manifest.json``.

    Raises:
        BundleError: it is missing, malformed, or of another schema version.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {_MEND}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{path}: {where}: {first['msg']}; {_MEND}") from None
    if manifest.schema_version != SCHEMA_VERSION:
        raise BundleError(
            f"{path}: has schema version {manifest.schema_version}, but this release reads {SCHEMA_VERSION}; "
            "install the release that wrote it, or retrain with `make train`."
        )
    return manifest


_MEND: Final = "restore it from the release (`git checkout artifacts`), or retrain with `make train`."


def file_entry(path: Path) -> FileEntry:
    """The manifest's entry of a file."""
    data = path.read_bytes()
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def version_of(release: str, files: Mapping[str, FileEntry]) -> str:
    """The model version: the release that made the files, and eight hexadecimal digits of all their digests."""
    digests = "".join(entry.sha256 for entry in files.values())
    return f"{release}-{hashlib.sha256(digests.encode()).hexdigest()[:8]}"


def _verified(path: Path, entry: FileEntry) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {_MEND}") from None
    if len(data) != entry.bytes:
        raise BundleError(f"{path}: has {len(data)} bytes, the manifest says {entry.bytes}; {_MEND}")
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(f"{path}: its sha256 is not the manifest's, so it was altered; {_MEND}")
    return data


def _unpickle(path: Path, data: bytes, kind: type[T]) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            fitted = joblib.load(io.BytesIO(data))
        except Exception as error:  # Whatever a pickle of another library's version may raise.
            raise BundleError(f"{path}: cannot be unpickled ({type(error).__name__}: {error}); {_MEND}") from None
    if not isinstance(fitted, kind):
        raise BundleError(f"{path}: holds {type(fitted).__name__}, not {kind.__name__}; {_MEND}")
    return fitted
