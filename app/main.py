"""The app: verify, load, warm up, and only then be ready."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
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
from app.api.middleware import RequestContext
from app.api.problems import install_handlers
from app.cores import cores
from app.serving.admission import Admission
from app.serving.batching import Batcher
from app.serving.decode_pool import DecodeLimits, DecodePool
from app.serving.decode_worker import Limits
from app.serving.drift import Drift
from app.serving.service import Service
from app.serving.shutdown import DIED, START_FAILED
from app.settings import Settings

STOP_SECONDS: Final = 1
"""How long the batching thread may take to end."""

SWITCH_SECONDS: Final = 0.0005
"""The worker thread returns from native code many times per batch; by default a busy event loop makes it wait 5 ms."""

_log = structlog.get_logger("akshar")


def create_app(
    settings: Settings | None = None, end: Callable[[int], None] | None = None, background: bool = False
) -> FastAPI:
    """Build the app.

    Args:
        settings: by default the environment's.
        end: ends the process with a status: called, from any thread, if the models cannot be loaded or the batching
            thread has died. Without it, a failed start raises what went wrong.
        background: whether requests are answered, with 503, while the models load.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(app, settings, end))
        if not background:
            await loading
        yield
        loading.cancel()
        await asyncio.wait([loading])
        service: Service | None = app.state.service
        if service is not None:
            await service.decode_pool.stop()
            # The thread may be in native code that does not return; nobody waits for its results any more.
            with suppress(TimeoutError):
                await asyncio.wait_for(service.batcher.stop(), STOP_SECONDS)

    # Its /docs page brings its own scripts; FastAPI's loads them from elsewhere.
    app = FastAPIOffline(
        title="Akshar",
        summary="Reads handwritten Devanagari characters.",
        version=version("akshar"),
        lifespan=lifespan,
        redirect_slashes=False,  # A redirect would name whatever host the request named.
    )
    app.state.service, app.state.ending = None, False
    app.include_router(predict.router)
    app.include_router(families.router)
    app.include_router(health.router)
    install_handlers(app)
    app.add_middleware(RequestContext, trusted_hosts=settings.trusted_hosts)
    return app


async def _load(app: FastAPI, settings: Settings, end: Callable[[int], None] | None) -> None:
    """Get ready. What goes wrong is logged and ends the process, or is raised if there is no process to end."""
    try:
        on_death = partial(end, DIED) if end else lambda: None
        decode_pool = make_decode_pool(settings)
        try:
            service, _ = await asyncio.gather(
                asyncio.to_thread(load_service, settings, decode_pool, on_death), decode_pool.start()
            )
        except BaseException:
            await decode_pool.stop()
            raise
        service.batcher.start()
    except Exception as error:  # Whatever it is, the process is of no use.
        if not end:
            raise
        if isinstance(error, BundleError):
            _log.error(str(error))  # The code is not at fault, so no traceback.
        else:
            _log.critical("start_failed", exc_info=error)
        end(START_FAILED)
        return
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


def make_decode_pool(settings: Settings) -> DecodePool:
    """The decoder processes that the settings ask for, not started."""
    limits = Limits(settings.max_pixels, settings.decoding_seconds, settings.decoder_bytes)
    processes = settings.decoders or cores()
    return DecodePool(DecodeLimits(settings.max_bytes, limits, processes, settings.decoding_pixels))


def load_service(settings: Settings, decode_pool: DecodePool, on_death: Callable[[], None]) -> Service:
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

    def delay() -> float:
        return batcher.delay + decode_pool.delay

    return Service(
        settings=settings,
        manifest=manifest,
        recognizer=recognizer,
        admission=Admission(settings.max_queue, settings.receiving_bytes, delay),
        decode_pool=decode_pool,
        batcher=batcher,
        drift=Drift(manifest.families),
    )
