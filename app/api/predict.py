"""``POST /predict/{family}``: one image in, one prediction out; ``.../batch``: many."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from akshar.prediction import Prediction
from app.api.deps import ready_service
from app.api.params import PARAMETERS, parse_params
from app.api.problems import problem_docs
from app.api.schemas import BatchPrediction, batch_response, prediction_response
from app.api.uploads import MANY_FILES, ONE_FILE, read_file, read_files
from app.clients import client_key

router = APIRouter(tags=["predict"])

_IMAGE_PROBLEMS: Final = (
    "too_many_pixels",
    "too_many_scans",
    "too_many_frames",
    "too_much_metadata",
    "decoding_limit",
    "unsupported_image",
    "empty_file",
    "truncated_image",
    "blank_image",
    "out_of_memory",
    "decoder_died",
)
_REQUEST_PROBLEMS: Final = (
    "invalid_request",
    "malformed_multipart",
    "unknown_family",
    "upload_timeout",
    "too_many_bytes",
    "too_many_files",
    "missing_file",
    "overloaded",
    "internal_error",
    "not_ready",
    "deadline_exceeded",
)


@router.post(
    "/predict/{family}",
    summary="Read one character",
    response_model=Prediction,
    responses=problem_docs(*_REQUEST_PROBLEMS, *_IMAGE_PROBLEMS),
    openapi_extra={"parameters": PARAMETERS, **ONE_FILE},
)
async def predict(request: Request) -> Response:
    """Reads the one handwritten character of an image: dark on light or light on dark, any size within the limits."""
    service = ready_service(request)
    params = parse_params(request, service)
    with service.admission.admit(_client(request)) as admitted:
        data = await read_file(request, service.settings, admitted)
        (result,), timings = await service.read(
            [data], params.family, params.options, params.seconds, admitted.client, request.receive
        )
    return prediction_response(result, timings, service.recognizer.model_version, params.explain)


@router.post(
    "/predict/{family}/batch",
    summary="Read one character in each of many images",
    response_model=BatchPrediction,
    responses=problem_docs(*_REQUEST_PROBLEMS),
    openapi_extra={"parameters": PARAMETERS, **MANY_FILES},
)
async def predict_batch(request: Request) -> Response:
    """Reads many images of one family. The results are in the order of the files: a prediction or an error for each."""
    service = ready_service(request)
    params = parse_params(request, service)
    with service.admission.admit(_client(request)) as admitted:
        files = await read_files(request, service.settings, admitted)
        contents = [file.content for file in files]
        results, timings = await service.read(
            contents, params.family, params.options, params.seconds, admitted.client, request.receive
        )
    names = [file.filename for file in files]
    return batch_response(params.family, names, results, timings, service.recognizer.model_version, params.explain)


def _client(request: Request) -> str:
    return client_key(request.client.host) if request.client else ""
