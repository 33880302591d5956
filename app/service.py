"""What a running app holds: its settings, its models, and the queue before them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import Request

from app.batching import Batcher, StoppedError
from app.decoding import Decoders
from app.drift import Drift
from app.recognizer import Recognizer
from app.settings import Settings


@dataclass
class Service:
    """The parts that requests use, all ready."""

    settings: Settings
    recognizer: Recognizer
    batcher: Batcher
    decoders: Decoders
    drift: Drift
    draining: bool = False
    """Whether new work is refused because the process is about to end."""

    async def drain(self) -> None:
        """Refuse new work and wait until all that was accepted is answered."""
        self.draining = True
        while self.batcher.waiting and self.batcher.alive:
            await asyncio.sleep(0.02)


def service_of(request: Request) -> Service | None:
    """The service behind a request, ready or not; None before the models are loaded."""
    service: Service | None = getattr(request.app.state, "service", None)
    return service


def ready_service(request: Request) -> Service:
    """The service behind a request.

    Raises:
        StoppedError: before the models are warm, while draining, or once the worker has died.
    """
    service = service_of(request)
    if service is None or service.draining or not service.batcher.alive:
        raise StoppedError
    return service
