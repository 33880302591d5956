"""The app: verify, load, warm up, and only then be ready."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import structlog
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from threadpoolctl import threadpool_limits

from akshar.model.extractor import padded_sizes
from akshar.model.loading import load_recognizer
from akshar.model.manifest import BundleError
from app import metrics
from app.api import families, health, predict
from app.api.middleware import RequestContext, StartupReason
from app.api.problems import install_handlers
from app.serving.admission import Admission
from app.serving.batching import Batcher
from app.serving.decode_pool import DecodePool, warm_up_decoders
from app.serving.drift import Drift
from app.serving.service import Service
from app.serving.shutdown import draining_on_signals
from app.settings import Settings

GRACE_SECONDS: Final = 15
"""How long admitted work may take after a signal to end; containers are commonly killed after 20 or 30 seconds."""

SWITCH_SECONDS: Final = 0.0005
"""The worker thread returns from native code many times per batch; by default a busy event loop makes it wait 5 ms."""

_log = structlog.get_logger("akshar")


def create_app(settings: Settings | None = None, on_death: Callable[[], None] = lambda: None) -> FastAPI:
    """Build the app.

    Args:
        settings: by default the environment's.
        on_death: called if the batching thread has died and the process is of no more use.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            service = load_service(settings, on_death)
        except BundleError as error:
            app.state.startup_error = str(error)
            raise
        service.batcher.start()
        warm_up_decoders()
        # What is loaded now stays: the collector need not traverse it again and again, a tenth of a second at a time.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        app.state.service = service
        recognizer = service.recognizer
        extractor = recognizer.extractor
        metrics.BUILD.labels(app.version, recognizer.model_version, extractor.name, extractor.device).set(1)
        _log.info(
            "ready",
            model_version=recognizer.model_version,
            runtime=extractor.name,
            device=extractor.device,
            pid=os.getpid(),
        )
        with draining_on_signals(service, GRACE_SECONDS):
            yield
        await service.batcher.stop()

    # Its /docs page brings its own scripts; FastAPI's loads them from elsewhere.
    app = FastAPIOffline(
        title="Akshar",
        summary="Reads handwritten Devanagari characters.",
        version=version("akshar"),
        lifespan=lifespan,
    )
    app.include_router(predict.router)
    app.include_router(families.router)
    app.include_router(health.router)
    install_handlers(app)
    app.add_middleware(RequestContext)
    app.add_middleware(StartupReason, reason=lambda: getattr(app.state, "startup_error", None))
    return app


def load_service(settings: Settings, on_death: Callable[[], None] = lambda: None) -> Service:
    """Load the models and put the parts of the service together; its batcher is not started.

    Raises:
        BundleError: the artifacts cannot be served, the runtime is not installed, or it computes wrongly.
    """
    # The products of the heads are small: BLAS threads would spend more time waiting for each other, on cores that the
    # network and the event loop need.
    threadpool_limits(1, "blas")
    recognizer, manifest = load_recognizer(
        settings.artifacts,
        settings.runtime,
        settings.threads,
        settings.min_confidence,
        padded_sizes(settings.max_batch),
    )
    batcher = Batcher(recognizer, settings.max_batch, settings.batch_window_ms / 1000, on_death)
    return Service(
        settings=settings,
        manifest=manifest,
        recognizer=recognizer,
        admission=Admission(settings.max_queue, lambda: batcher.rate),
        decode_pool=DecodePool(settings.max_bytes, settings.max_pixels, settings.decoding_pixels),
        batcher=batcher,
        drift=Drift(manifest.families),
    )
