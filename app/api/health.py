"""Probes for orchestration."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from app.errors import problem_docs
from app.schemas import Live, Ready
from app.service import Service, ready_service

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Live:
    """Answers 200 as long as the event loop turns."""
    return Live()


@router.get("/readyz", summary="Are the models loaded and warm?", responses=problem_docs("not_ready"))
@router.get("/health", summary="The same as /readyz, for people", responses=problem_docs("not_ready"))
async def readyz(service: Annotated[Service, Depends(ready_service)]) -> Ready:
    """Answers 200 once artifacts are verified, loaded and warm, and 503 once the worker behind them has died."""
    recognizer = service.recognizer
    return Ready(
        model_version=recognizer.model_version,
        runtime=recognizer.extractor.name,
        device=recognizer.extractor.device,
        families=recognizer.families,
    )
