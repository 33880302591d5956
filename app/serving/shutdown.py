"""The end of a process that nothing can hold up: no thread, no native code, no child."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from pathlib import Path
from typing import Final

import structlog

FORCED: Final = 1
"""Exit status of an end that did not wait: after a second signal, or because something still ran when time was up."""
MISUSED: Final = 2
"""Exit status if a setting or an option is impossible."""
START_FAILED: Final = 3
"""Exit status if the artifacts cannot be served."""
DIED: Final = 4
"""Exit status if the batching thread has died."""

MARGIN_SECONDS: Final = 3
"""How long after the drain delay and the grace period a process is ended by force: the server needs some of it to
cancel what still runs."""

_KILL_SECONDS: Final = 0.5

_log = structlog.get_logger("akshar")


def exit_at_once(status: int) -> None:
    """End this process and its children. Nothing is waited for; an interpreter that ends would join all threads."""
    kill_children()
    os._exit(status)


def exit_within(seconds: float) -> None:
    """End this process by force after so many seconds, unless it has ended by then."""

    def wait() -> None:
        time.sleep(seconds)
        _log.critical("forced_end", seconds=seconds)
        exit_at_once(FORCED)

    threading.Thread(target=wait, name="akshar-watchdog", daemon=True).start()
    if hasattr(signal, "alarm"):  # The kernel ends the process even if native code never lets that thread run.
        signal.alarm(math.ceil(seconds) + 2)


def kill_children() -> None:
    """Kill the child processes, on Linux. (Elsewhere decoders end by themselves when their pipe closes.)"""
    parent = str(os.getpid())
    killed = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # It may end at any moment.
        with contextlib.suppress(OSError):
            # The name, in brackets, may contain anything; then come the state and the parent.
            if stat.read_text(errors="replace").rpartition(")")[2].split()[1] == parent:
                killed.append(int(stat.parent.name))
                os.kill(killed[-1], signal.SIGKILL)
    # They end at once, unless the kernel cannot let go of them.
    end = time.monotonic() + _KILL_SECONDS
    for child in killed:
        with contextlib.suppress(OSError):
            while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < end:
                time.sleep(0.001)
