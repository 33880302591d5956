"""On a signal to end: drain first, then let the server close.

The server would close its listening socket at once. Draining before that keeps ``/readyz`` answering, with 503, while
admitted work is finished, so that a load balancer sees why.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from app.serving.service import Service

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def draining_on_signals(service: Service, seconds: float) -> Iterator[None]:
    """Within this block, a signal to end drains the service, for at most ``seconds``, before it reaches the server.

    A second signal is passed on at once. Outside of the main thread, which alone receives signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()  # The loop itself would let them be collected.

    def handle(number: int, _: FrameType | None) -> None:
        if service.draining:
            pass_on(number)
            return
        service.draining = True
        loop.call_soon_threadsafe(lambda: tasks.add(loop.create_task(drain(number))))

    async def drain(number: int) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(service.drain(), seconds)
        pass_on(number)

    def pass_on(number: int) -> None:
        signal.signal(number, server_handlers[number])
        signal.raise_signal(number)

    server_handlers = {int(number): signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in server_handlers.items():
            signal.signal(number, handler)
