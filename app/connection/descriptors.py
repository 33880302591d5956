"""File descriptors: how many connections a process may have without running out of them."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Sequence
from typing import Final

_OTHERS: Final = 32
"""Descriptors that are left for all that is not a connection, at least."""
_FREE: Final = 16
"""Descriptors that stay free, at least: a decoder that is replaced takes some."""
_ACCEPTS: Final = 64
"""Connections that are accepted in one turn of the event loop, at most. libuv accepts one for each listening socket:
whoever connects while hundreds of others keep asking would wait for many seconds."""


def raise_limit() -> int:
    """Let this process have as many descriptors as it is allowed, and say how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def room(limit: int, connections: int) -> int:
    """How many descriptors connections may take.

    Args:
        limit: descriptors of this process.
        connections: that are open now.

    Raises:
        OSError: there is not even one descriptor free.
    """
    others = len(os.listdir("/dev/fd")) - 1 - connections  # noqa: PTH208  (One of them is open for the listing alone.)
    return limit - max(_OTHERS, others + _FREE)


def with_copies(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Listening sockets and copies of them, which let an event loop accept more than one connection in a turn.

    Where descriptors are few there are few copies: what is accepted in one turn may be over the limit until the next.
    """
    copies = min(raise_limit() // 64, _ACCEPTS) - 1
    for one in sockets:
        # A copy would be made to block, and with it all that share the socket: also other workers, in the middle of
        # accepting.
        one.setblocking(False)
    return [*sockets, *(one.dup() for one in sockets for _ in range(copies))]
