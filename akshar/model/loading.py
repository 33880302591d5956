"""Verified artifacts on a runtime, warmed up and self-tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from akshar.model.bundle import load_bundle
from akshar.model.extractor import load_extractor
from akshar.model.manifest import Manifest
from akshar.model.recognizer import Recognizer
from akshar.model.runtime import RuntimeName
from akshar.model.self_test import self_test

PACKAGED_ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
"""Where an installed wheel has them; a checkout has them beside the package."""
ARTIFACTS = PACKAGED_ARTIFACTS if PACKAGED_ARTIFACTS.exists() else PACKAGED_ARTIFACTS.parents[1] / "artifacts"


class Loaded(NamedTuple):
    """A recognizer, and the manifest of its artifacts."""

    recognizer: Recognizer
    manifest: Manifest


def artifacts_folder() -> Path:
    """The folder that the environment variable ``AKSHAR_ARTIFACTS`` names, else the artifacts of this installation."""
    return Path(os.environ.get("AKSHAR_ARTIFACTS") or ARTIFACTS)


def load_recognizer(
    artifacts: Path | None = None,
    runtime: RuntimeName = "auto",
    threads: int = 1,
    min_confidence: float | None = None,
    batch_sizes: Sequence[int] = (1,),
) -> Loaded:
    """Verify the artifacts, load them on a runtime, warm them up and self-test them.

    Args:
        artifacts: their folder; by default `artifacts_folder`.
        runtime: see `akshar.model.extractor.load_extractor`.
        threads: of one call of the network on a CPU; 0 is one per core.
        min_confidence: see `Recognizer`.
        batch_sizes: to warm up.

    Raises:
        BundleError: the artifacts cannot be read, the runtime is not installed, or it computes wrongly.
    """
    bundle = load_bundle(artifacts or artifacts_folder())
    recognizer = Recognizer(bundle.model, load_extractor(bundle, runtime, threads), min_confidence)
    recognizer.warm_up(batch_sizes)
    self_test(recognizer, bundle.manifest.self_test)
    return Loaded(recognizer, bundle.manifest)
