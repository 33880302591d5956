"""The service behind a request."""

from __future__ import annotations

from fastapi import Request

from app.serving.errors import StoppedError
from app.serving.service import Service


def service_of(request: Request) -> Service | None:
    """The service, ready or not; None before the models are loaded."""
    service: Service | None = getattr(request.app.state, "service", None)
    return service


def ready_service(request: Request) -> Service:
    """The service.

    Raises:
        StoppedError: the models are not warm yet, the service is draining, or the batching thread has died.
    """
    service = service_of(request)
    if service is None or service.draining or not service.batcher.alive:
        raise StoppedError
    return service
