"""The app: verify, load, warm up, and only then be ready."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app.api import health, predict
from app.batching import Batcher
from app.bundle import BundleError, load_bundle
from app.errors import install_handlers
from app.extractor import load_extractor
from app.middleware import RequestContext, StartupReason
from app.recognizer import Recognizer
from app.service import Service
from app.settings import Settings

_log = structlog.get_logger("akshar")


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the app; ``settings`` default to the environment's."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            recognizer = load_recognizer(settings)
        except BundleError as error:
            app.state.startup_error = str(error)
            raise
        batcher = Batcher(recognizer, settings.max_batch, settings.max_queue)
        batcher.start()
        app.state.service = Service(settings, recognizer, batcher, CapacityLimiter(os.cpu_count() or 1))
        _log.info("ready", model_version=recognizer.model_version, runtime=recognizer.extractor.name)
        yield
        await batcher.stop()

    # Its /docs page brings its own scripts, where FastAPI's loads them from elsewhere.
    app = FastAPIOffline(
        title="Akshar",
        summary="Reads handwritten Devanagari characters.",
        version=version("akshar"),
        lifespan=lifespan,
    )
    app.include_router(predict.router)
    app.include_router(health.router)
    install_handlers(app)
    app.add_middleware(RequestContext)
    app.add_middleware(StartupReason, reason=lambda: getattr(app.state, "startup_error", None))
    return app


def load_recognizer(settings: Settings) -> Recognizer:
    """Verify the artifacts, load them on the runtime of the settings, and warm them up.

    Raises:
        BundleError: the artifacts cannot be served as they are, or the runtime is not installed.
    """
    bundle = load_bundle(settings.artifacts)
    recognizer = Recognizer(bundle, load_extractor(bundle, settings.runtime, settings.threads))
    recognizer.warm_up([1, len(recognizer.families), settings.max_batch])
    return recognizer
