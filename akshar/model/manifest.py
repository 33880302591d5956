"""``manifest.json``: what a bundle of artifacts consists of, how it was made, and how well it reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from akshar.model.classes import CharacterClass

SCHEMA_VERSION: Final = 4
MANIFEST: Final = "manifest.json"
REMEDY: Final = "restore it from the release (`git checkout artifacts`), or retrain with `make train`."


class BundleError(Exception):
    """Artifacts that cannot be served; the text is one line that names the file and the remedy."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileEntry(_Model):
    """A file of the bundle: its sha256 (hexadecimal) and its size in bytes."""

    sha256: str
    bytes: int


class ClassEntry(_Model):
    """One class of a family; see `akshar.model.classes.CharacterClass`."""

    class_id: int
    character: str
    codepoints: list[str]
    romanization: str
    label: str

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Its fields by name, as every prediction repeats them."""
        return self.model_dump()

    @classmethod
    def of(cls, entry: CharacterClass) -> ClassEntry:
        """A class of the catalogue as the manifest stores it."""
        return cls(
            class_id=entry.class_id,
            character=entry.character,
            codepoints=entry.codepoints,
            romanization=entry.romanization,
            label=entry.label,
        )


class Deciles(_Model):
    """Nine ascending values of each measure that divide held-out images into ten equal bins."""

    confidence: list[float]
    cosine: list[float]


class Calibration(_Model):
    """How the scores of one family become probabilities, calibrated on held-out images.

    Attributes:
        cosine_weight: weight of the cosine similarity with the class means, in the logits of the probabilities.
        pairwise_weight: weight of the SVC's pairwise log-probability, likewise.
        lookalike_margin: by how much the cosine with a class of another family must exceed that with the best class of
            this family, for the glyph to look like another family.
        distances: distance of each held-out image from the nearest class of this family, ascending
            (`akshar.model.class_means.Similarity`).
        nonconformity: 1 - probability of the true class, of each held-out image, ascending.
        deciles: of the prediction's confidence and of the greatest cosine; see `app.serving.drift`.
    """

    cosine_weight: float
    pairwise_weight: float
    lookalike_margin: float
    distances: list[float]
    nonconformity: list[float]
    deciles: Deciles


class JointCalibration(_Model):
    """The calibration that all families share.

    Attributes:
        min_confidence: a prediction of lower confidence is abstained from, unless settings or caller say otherwise.
        cosine_weight: weight of the cosine similarity where the classes of all families compete.
        nonconformity: as in `Calibration`, where all compete.
    """

    min_confidence: float
    cosine_weight: float
    nonconformity: list[float]


class SelfTestEntry(_Model):
    """A glyph that was drawn for the purpose, a PNG in base64, and how the artifacts read it when they were made."""

    family: str
    class_id: int
    confidence: float
    glyph: str


class FamilyEntry(_Model):
    """One family.

    Attributes:
        head: file of its pickled SVC.
        class_means: file of its pickled class means.
        classes: its classes, in the order of the SVC's.
        svc: hyperparameters of the SVC and what its search found.
        in_network: whether the network was trained on this family; False for families that were added later.
        calibration: see `Calibration`.
    """

    head: str
    class_means: str
    classes: list[ClassEntry]
    svc: dict[str, Any]
    in_network: bool
    calibration: Calibration


class Score(_Model):
    """Accuracy over ``n`` images, ``correct`` of which were read right."""

    accuracy: float
    correct: int
    n: int


class DataEntry(_Model):
    """A data set that was trained on. ``digest`` is that of `training.data.dataset.Dataset`."""

    name: str
    digest: str
    images: int


class SplitEntry(_Model):
    """How the data was split; ``test_names`` is `training.data.splits.names_digest` of the test part."""

    protocol: str
    seed: int
    sizes: dict[str, int]
    test_names: str


class Manifest(_Model):
    """The whole ``manifest.json``."""

    schema_version: int
    model_version: str
    features: int
    files: dict[str, FileEntry]
    families: dict[str, FamilyEntry]
    versions: dict[str, str]
    data: DataEntry
    extra_sources: dict[str, DataEntry] = {}
    """Other data that was trained on, by the name of its source."""
    split: SplitEntry
    recipe: dict[str, Any]
    calibration: JointCalibration
    self_test: list[SelfTestEntry] = []
    scores: dict[str, dict[str, Score]]


class _Version(BaseModel):
    schema_version: int


def read_manifest(folder: Path) -> Manifest:
    """Read and validate ``manifest.json``.

    Raises:
        BundleError: it is missing, malformed, or has another schema version.
    """
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
        version = _Version.model_validate_json(text).schema_version
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{path}: has schema version {version}, but this release reads {SCHEMA_VERSION}; convert it with "
                "`python -m training convert`, install the release that wrote it, or retrain with `make train`."
            )
        return Manifest.model_validate_json(text)
    except OSError as error:
        raise BundleError(
            f"{path}: cannot be read ({error.strerror}); set AKSHAR_ARTIFACTS to the folder of the artifacts, or "
            f"{REMEDY}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{path}: {where}: {first['msg']}; {REMEDY}") from None


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Replace ``manifest.json`` in one step, so that a reader sees either the old bundle or the new one, whole."""
    partial = folder / f"{MANIFEST}.partial"
    partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / MANIFEST)


def file_entry(path: Path) -> FileEntry:
    """The manifest's entry of a file."""
    data = path.read_bytes()
    return FileEntry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def version_of(release: str, files: Mapping[str, FileEntry]) -> str:
    """The model version: the release that made the files, and eight hexadecimal digits of all their digests."""
    digests = "".join(entry.sha256 for entry in files.values())
    return f"{release}-{hashlib.sha256(digests.encode()).hexdigest()[:8]}"
