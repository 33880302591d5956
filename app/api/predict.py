"""``POST /predict/{family}``: one image in, one answer out."""

from __future__ import annotations

from typing import Annotated, Final

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request

from app.api.uploads import REQUEST_BODY, read_upload
from app.batching import OverloadedError, StoppedError
from app.errors import ApiError, problem_docs
from app.imaging import read_glyph
from app.schemas import Prediction
from app.service import Service, ready_service

router = APIRouter(tags=["predict"])

_PROBLEMS: Final = problem_docs(
    "malformed_multipart",
    "unknown_family",
    "too_many_bytes",
    "too_many_pixels",
    "unsupported_image",
    "missing_file",
    "empty_file",
    "truncated_image",
    "blank_image",
    "overloaded",
    "not_ready",
)


@router.post("/predict/{family}", summary="Read one character", responses=_PROBLEMS, openapi_extra=REQUEST_BODY)
async def predict(
    request: Request,
    family: Annotated[str, Path(description="numerals, vowels, consonants, or one added later")],
    service: Annotated[Service, Depends(ready_service)],
) -> Prediction:
    """Reads the one handwritten character of an image: dark on light or light on dark, any size within the limits."""
    families = service.recognizer.families
    if family not in families:
        raise ApiError("unknown_family", f"There is no family '{family}'; there are {', '.join(families)}.")
    data = await read_upload(request, service.settings.max_bytes)
    glyph = await to_thread.run_sync(read_glyph, data, service.settings.max_pixels, limiter=service.decoders)
    try:
        recognition = await service.batcher.recognize(glyph, family)
    except OverloadedError:
        raise ApiError("overloaded", "As many images wait as may; try again soon.", {"Retry-After": "1"}) from None
    except StoppedError:
        raise ApiError("not_ready", "The service is stopping.") from None
    return Prediction.answering(recognition, service.recognizer.model_version)
