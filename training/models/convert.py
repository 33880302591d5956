"""Converts artifacts of schema version 3 to version 4: new names, and the distances of held-out images.

Version 3 stored for each family only the distance that 99 % of its held-out images stay below. Version 4 stores all of
these distances, because typicality is a share of them. They are computed again from the data of the training; a family
that was added later keeps the one distance, as its typicality can only be 0 or 1 then.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from akshar.model.bundle import ONNX, WHITENING
from akshar.model.class_means import ClassMeans
from akshar.model.classes import CATALOGUE
from akshar.model.extractor import OnnxExtractor
from akshar.model.manifest import MANIFEST, BundleError, Manifest, file_entry, write_manifest
from training.data.dataset import Dataset
from training.data.splits import published

_NAMES = {"likeness": "cosine_weight", "coupling": "pairwise_weight", "elsewhere": "lookalike_margin"}
_MAX_DIFFERENCE = 1e-4


def convert(folder: Path, nhcd: Dataset) -> Manifest:
    """Convert a folder of artifacts in place.

    Args:
        folder: of the artifacts.
        nhcd: the data set that they were trained on.

    Raises:
        BundleError: they have another schema version, a file was altered, or the data is not that of the training.
    """
    old = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if old["schema_version"] != 3:
        raise BundleError(f"{folder / MANIFEST}: has schema version {old['schema_version']}, not 3.")
    if old["data"]["digest"] != nhcd.digest:
        raise BundleError(f"{folder / MANIFEST}: was trained on other data ({old['data']['name']}).")
    for name, entry in old["files"].items():
        if file_entry(folder / name).model_dump() != entry:
            raise BundleError(f"{folder / name}: is not the file that the manifest lists.")
    distances = _distances(folder, old, nhcd)
    for family, entry in old["families"].items():
        max_distance = entry["calibration"]["farthest"]
        if (
            family in CATALOGUE
            and abs(np.quantile(distances[family], 0.99, method="higher") - max_distance) > _MAX_DIFFERENCE
        ):
            raise BundleError(f"{folder}: the distances of the {family} are not those of the training.")
    manifest = Manifest.model_validate(_renamed(old, distances))
    for path in (folder / "prototypes").glob("*.joblib"):
        (folder / "class_means").mkdir(exist_ok=True)
        path.rename(folder / "class_means" / path.name)
    write_manifest(manifest, folder)
    return manifest


def _distances(folder: Path, old: dict[str, Any], nhcd: Dataset) -> dict[str, list[float]]:
    """Ascending distances of each family's held-out images from their nearest class."""
    centroids = {name: joblib.load(folder / entry["prototypes"]) for name, entry in old["families"].items()}
    means = ClassMeans(centroids, joblib.load(folder / WHITENING), list(CATALOGUE))
    held_out = nhcd[published(nhcd, old["split"]["seed"]).validation]
    extractor = OnnxExtractor((folder / ONNX).read_bytes())
    similarity = means.compare(extractor(held_out.glyphs))
    distances = {name: [entry["calibration"]["farthest"]] for name, entry in old["families"].items()}
    for family in CATALOGUE:
        nearest = similarity.distances[held_out.family == family][:, means.columns[family]].min(axis=1)
        distances[family] = [round(float(distance), 6) for distance in np.sort(nearest)]
    return distances


def _renamed(old: dict[str, Any], distances: dict[str, list[float]]) -> dict[str, Any]:
    """The manifest by its new names."""
    new = {**old, "schema_version": 4, "extra_sources": old["more"], "self_test": old["golden"]}
    new["files"] = {_moved(name): entry for name, entry in old["files"].items()}
    new["recipe"] = {("extra_sources" if name == "more" else name): value for name, value in old["recipe"].items()}
    shared = old["trust"]
    new["calibration"] = {
        "min_confidence": shared["min_confidence"],
        "cosine_weight": shared["joint_likeness"],
        "nonconformity": shared["nonconformity"],
    }
    new["families"] = {}
    for name, entry in old["families"].items():
        calibration = entry["calibration"]
        new["families"][name] = {
            "head": entry["head"],
            "class_means": _moved(entry["prototypes"]),
            "classes": entry["classes"],
            "svc": entry["svc"],
            "in_network": name in CATALOGUE,
            "calibration": {
                **{to: calibration[key] for key, to in _NAMES.items()},
                "distances": distances[name],
                "nonconformity": calibration["nonconformity"],
                "deciles": {
                    "confidence": calibration["deciles"]["confidence"],
                    "cosine": calibration["deciles"]["likeness"],
                },
            },
        }
    for key in ("more", "golden", "trust"):
        del new[key]
    return new


def _moved(file: str) -> str:
    return file.replace("prototypes/", "class_means/")
