"""What a running app holds: its settings, its models, and the queue before them."""

from __future__ import annotations

from dataclasses import dataclass

from anyio import CapacityLimiter
from fastapi import Request

from app.batching import Batcher
from app.errors import ApiError
from app.recognizer import Recognizer
from app.settings import Settings


@dataclass(frozen=True)
class Service:
    """The parts that requests use, all ready."""

    settings: Settings
    recognizer: Recognizer
    batcher: Batcher
    decoders: CapacityLimiter
    """As many images are decoded at once as there are cores: more would only take memory."""


def ready_service(request: Request) -> Service:
    """The service behind a request (a FastAPI dependency).

    Raises:
        ApiError: ``not_ready``, before the models are warm, while shutting down, or once the worker has died.
    """
    service: Service | None = getattr(request.app.state, "service", None)
    if service is None or not service.batcher.alive:
        raise ApiError("not_ready", "The models are not loaded, or the service is stopping.")
    return service
