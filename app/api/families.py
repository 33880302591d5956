"""``GET /families``: what is loaded."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.errors import problem_docs
from app.schemas import Families, Family
from app.service import ready_service

router = APIRouter(tags=["families"])


@router.get("/families", summary="What is loaded", responses=problem_docs("not_ready"))
async def families(request: Request) -> Families:
    """Each family's classes, scores and calibration, and the thresholds of all."""
    recognizer = ready_service(request).recognizer
    manifest = recognizer.manifest
    return Families(
        model_version=manifest.model_version,
        min_confidence=recognizer.min_confidence,
        families={
            name: Family(
                classes=entry.classes,
                scores={test: scores[name] for test, scores in manifest.scores.items() if name in scores},
                likeness_weight=entry.calibration.likeness,
                coupling_weight=entry.calibration.coupling,
                another_family_margin=entry.calibration.elsewhere,
                calibrated_on=len(entry.calibration.nonconformity),
                most_coverage=1 - 1 / (len(entry.calibration.nonconformity) + 1),
            )
            for name, entry in manifest.families.items()
        },
    )
