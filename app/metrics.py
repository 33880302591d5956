"""What operators see at ``/metrics``, in Prometheus' text format.

With several workers, each keeps its numbers in files of the folder that the environment variable
``PROMETHEUS_MULTIPROC_DIR`` names, and whichever is asked adds them up. prometheus-client reads that variable when it
is imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import multiprocess as files
from prometheus_client.registry import REGISTRY

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REQUESTS: Final = Counter("akshar_requests", "Requests answered.", ["route", "family", "status"])
REQUEST_SECONDS: Final = Histogram(
    "akshar_request_seconds", "From a request's headers to its answer.", ["route"], buckets=_SECONDS
)
WAITING: Final = Gauge(
    "akshar_images_waiting", "Images accepted and not yet answered: the queue.", multiprocess_mode="livesum"
)
BATCH_SIZE: Final = Histogram("akshar_batch_size", "Images in one call of the network.", buckets=_SIZES)
_STAGES: Final = Histogram(
    "akshar_stage_seconds",
    "Seconds in a stage: decode and queue of an image, extractor and head of a batch.",
    ["stage"],
    buckets=_SECONDS,
)
STAGE_SECONDS: Final = {stage: _STAGES.labels(stage) for stage in ("decode", "queue", "extractor", "head")}
REJECTED: Final = Counter("akshar_images_rejected", "Images refused because as many as may were waiting (429).")
EXPIRED: Final = Counter("akshar_images_expired", "Images whose deadline passed before their answer (504).")
ABANDONED: Final = Counter("akshar_images_abandoned", "Images whose client left before their answer.")
SKIPPED: Final = Counter(
    "akshar_images_skipped", "Images taken from the queue without being computed: expired or abandoned."
)
ABSTENTIONS: Final = Counter("akshar_abstentions", "Answers not to be relied on, by reason.", ["family", "reason"])
DRIFT: Final = Gauge(
    "akshar_drift",
    "Population stability index of recent answers against images held out from training; 0 is no change.",
    ["family", "of"],
    multiprocess_mode="livemostrecent",
)
PREDICTIONS: Final = Counter("akshar_predictions", "Answers given.", ["family", "label"])
BUILD: Final = Gauge(
    "akshar_build_info",
    "Always 1; its labels say what is serving.",
    ["version", "model_version", "runtime", "device"],
    multiprocess_mode="max",
)


def predicted(answer: Mapping[str, Any]) -> None:
    """Count an answer that is given, as `app.schemas.Prediction` has it."""
    PREDICTIONS.labels(answer["family"], answer["label"]).inc()
    for reason in answer["reasons"]:
        ABSTENTIONS.labels(answer["family"], reason).inc()


def exposition() -> bytes:
    """All metrics in Prometheus' text format; of all workers, where there are several."""
    folder = os.environ.get(SHARED_FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    _forget_dead_workers(Path(folder))
    registry = CollectorRegistry()
    files.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """What a killed worker had waiting, nobody has any more; what it had counted, stays counted."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            files.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
