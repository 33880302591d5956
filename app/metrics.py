"""The metrics at ``/metrics``, in Prometheus' text format.

With several workers, each keeps its numbers in files in the folder that the environment variable
``PROMETHEUS_MULTIPROC_DIR`` names, and the one that gets the request adds them up. prometheus-client reads that
variable when it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import multiprocess as files
from prometheus_client.registry import REGISTRY

from akshar.model.abstention import Reason
from akshar.model.recognition import Candidate

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"

disable_created_metrics()  # type: ignore[no-untyped-call]

_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)

REQUESTS: Final = Counter("akshar_requests", "Responses sent.", ["route", "family", "status"])
REQUEST_SECONDS: Final = Histogram(
    "akshar_request_seconds", "Seconds from a request's headers to its response.", ["route"], buckets=_SECONDS
)
WAITING: Final = Gauge(
    "akshar_images_waiting", "Images admitted and not yet answered: the queue.", multiprocess_mode="livesum"
)
RECEIVING: Final = Gauge(
    "akshar_receiving_bytes", "Bytes of uploads held, from the first to the prediction.", multiprocess_mode="livesum"
)
CONNECTIONS: Final = Gauge("akshar_connections", "Open connections.", multiprocess_mode="livesum")
CONNECTIONS_REFUSED: Final = Counter(
    "akshar_connections_refused", "Connections closed because of a limit or malformed HTTP.", ["code"]
)
BATCH_SIZE: Final = Histogram("akshar_batch_size", "Images in one call of the network.", buckets=_SIZES)
_STAGES: Final = Histogram(
    "akshar_stage_seconds",
    "Seconds in a stage: decode and queue of an image, extractor and head of a batch.",
    ["stage"],
    buckets=_SECONDS,
)
STAGE_SECONDS: Final = {stage: _STAGES.labels(stage) for stage in ("decode", "queue", "extractor", "head")}
DECODING_WAITING: Final = Gauge(
    "akshar_decoding_waiting", "Images that wait for a decoder process.", multiprocess_mode="livesum"
)
DECODERS_KILLED: Final = Counter(
    "akshar_decoders_killed",
    "Decodings ended before their time.",
    ["why"],
)
REJECTED: Final = Counter("akshar_images_rejected", "Images refused because too many were waiting (429).")
EXPIRED: Final = Counter("akshar_images_expired", "Images whose deadline passed before they were read (504).")
ABANDONED: Final = Counter("akshar_images_abandoned", "Images whose client left before they were read.")
SKIPPED: Final = Counter("akshar_images_skipped", "Images dropped from the queue unread: expired or abandoned.")
ABSTENTIONS: Final = Counter("akshar_abstentions", "Predictions abstained from, by reason.", ["family", "reason"])
DRIFT: Final = Gauge(
    "akshar_drift",
    "Population stability index of recent predictions against images held out from training; 0 is no change.",
    ["family", "of"],
    multiprocess_mode="livemostrecent",
)
PREDICTIONS: Final = Counter("akshar_predictions", "Predictions made.", ["family", "label"])
BUILD: Final = Gauge(
    "akshar_build_info",
    "Always 1; its labels say what is serving.",
    ["version", "model_version", "runtime", "device"],
    multiprocess_mode="max",
)


def count_prediction(best: Candidate, reasons: Iterable[Reason]) -> None:
    """Count a prediction, and the reasons to abstain from it."""
    PREDICTIONS.labels(best.family, best.entry.label).inc()
    for reason in reasons:
        ABSTENTIONS.labels(best.family, reason).inc()


def exposition() -> bytes:
    """All metrics in Prometheus' text format, summed over all workers."""
    folder = os.environ.get(SHARED_FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    _forget_dead_workers(Path(folder))
    registry = CollectorRegistry()
    files.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """Drop the gauges of killed workers, whose images nobody waits for any more; their counts stay."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            files.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
