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

from app import metrics
from app.api import families, health, predict
from app.batching import Batcher
from app.bundle import BundleError, load_bundle
from app.decoding import Decoders, warm_up_decoders
from app.draining import draining_on_signals
from app.drift import Drift
from app.errors import install_handlers
from app.extractor import load_extractor, padded_sizes
from app.golden import prove
from app.middleware import RequestContext, StartupReason
from app.recognizer import Recognizer
from app.service import Service
from app.settings import Settings

GRACE_SECONDS: Final = 15
"""How long accepted work may take after a signal to end; containers are commonly killed after 20 or 30 seconds."""

SWITCH_SECONDS: Final = 0.0005
"""The worker comes back from native code many times a batch; by default a busy event loop lets it wait for 5 ms."""

_log = structlog.get_logger("akshar")


def create_app(settings: Settings | None = None, on_death: Callable[[], None] = lambda: None) -> FastAPI:
    """Build the app.

    Args:
        settings: by default the environment's.
        on_death: called once the thread behind the queue has died, and with it the use of this process.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            recognizer = load_recognizer(settings)
        except BundleError as error:
            app.state.startup_error = str(error)
            raise
        batcher = Batcher(recognizer, settings.max_batch, settings.max_queue, settings.batch_window_ms / 1000, on_death)
        decoders = Decoders(settings.max_pixels, settings.decoding_pixels)
        service = Service(settings, recognizer, batcher, decoders, Drift(recognizer.manifest.families))
        batcher.start()
        warm_up_decoders()
        # What is loaded now stays: the collector need not go through it again and again, a tenth of a second at a time.
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        app.state.service = service
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
        await batcher.stop()

    # Its /docs page brings its own scripts, where FastAPI's loads them from elsewhere.
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


def load_recognizer(settings: Settings) -> Recognizer:
    """Verify the artifacts, load them on the runtime of the settings, warm them up, and see that they read right.

    Raises:
        BundleError: the artifacts cannot be served as they are, the runtime is not installed, or it computes wrongly.
    """
    # The heads' products are small: BLAS threads would spend more on waiting for each other, and on the cores that the
    # network and the event loop need.
    threadpool_limits(1, "blas")
    bundle = load_bundle(settings.artifacts)
    extractor = load_extractor(bundle, settings.runtime, settings.threads)
    recognizer = Recognizer(bundle, extractor, settings.min_confidence)
    recognizer.warm_up(padded_sizes(settings.max_batch))
    prove(recognizer)
    return recognizer
