"""``GET /families``: what is loaded."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.deps import ready_service
from app.api.problems import problem_docs
from app.api.schemas import Families, Family

router = APIRouter(tags=["families"])


@router.get("/families", summary="What is loaded", responses=problem_docs("not_ready"))
async def families(request: Request) -> Families:
    """The classes, scores and calibration of each family, and the default minimum confidence."""
    service = ready_service(request)
    manifest = service.manifest
    return Families(
        model_version=manifest.model_version,
        min_confidence=service.recognizer.min_confidence,
        families={
            name: Family(
                classes=entry.classes,
                scores={test: scores[name] for test, scores in manifest.scores.items() if name in scores},
                likeness_weight=entry.calibration.cosine_weight,
                coupling_weight=entry.calibration.pairwise_weight,
                another_family_margin=entry.calibration.lookalike_margin,
                calibrated_on=len(entry.calibration.nonconformity),
                most_coverage=1 - 1 / (len(entry.calibration.nonconformity) + 1),
            )
            for name, entry in manifest.families.items()
        },
    )
