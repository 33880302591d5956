"""Probes and metrics for orchestration."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from app import metrics
from app.api.deps import ready_service, service_of
from app.api.problems import ApiError, problem_docs
from app.api.schemas import Live, Ready
from app.serving.errors import StoppedError

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Is the process of use?", responses=problem_docs("worker_died"))
async def livez(request: Request) -> Live:
    """Answers 200, also while loading and draining; 503 once only a restart can help."""
    service = service_of(request)
    if service and service.batcher.died:
        raise ApiError("worker_died", "The thread that reads images has died.")
    return Live()


@router.get("/readyz", summary="Are the models loaded and warm?", responses=problem_docs("not_ready"))
@router.get("/health", summary="The same as /readyz, for people", responses=problem_docs("not_ready"))
async def readyz(request: Request) -> Ready:
    """Answers 200 once artifacts are verified, loaded and warm; 503 from a signal to end on, or if reading stopped."""
    recognizer = ready_service(request).recognizer
    if request.app.state.ending:
        raise StoppedError
    return Ready(
        model_version=recognizer.model_version,
        runtime=recognizer.extractor.name,
        device=recognizer.extractor.device,
        families=list(recognizer.families),
    )


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
def exposition() -> Response:
    """Counters, gauges and histograms in Prometheus' text format, over all workers."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
