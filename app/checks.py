"""What is checked before anything starts. Each check that fails raises one line for the person who started it.

The settings are imported where they are used: they import the models' libraries, and the port should listen before.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

if TYPE_CHECKING:
    from app.settings import Settings

_PREFIX: Final = "AKSHAR_"
_INJECTED: Final = re.compile(
    r"AKSHAR_(BIND|PORT|NAME|ENV_\w+|(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?))"
)
"""What is no setting and no mistake: variables of our docker-compose.yml, and those that Kubernetes and Docker's links
make up for services called ``akshar`` or ``akshar-...``."""
_BACKLOG: Final = 2048
_METRICS_BYTES: Final = 2**20
"""Space that the metrics files of one worker take at first: a file for each kind of metric."""


class StartError(Exception):
    """The service cannot be started as asked."""


def read_settings() -> Settings:
    """The environment's settings.

    Raises:
        StartError: a variable is impossible, or starts like a setting and is none.
    """
    from app.settings import Settings

    try:
        settings = Settings()
    except ValidationError as error:
        problems = [
            (f"{_PREFIX}{str(problem['loc'][0]).upper()}: " if problem["loc"] else "") + problem["msg"]
            for problem in error.errors()
        ]
        raise StartError("; ".join(problems)) from None
    for name, value in os.environ.items():
        _check_name(name.upper(), value, [f"{_PREFIX}{field.upper()}" for field in Settings.model_fields])
    return settings


def _check_name(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse an environment variable that looks like a setting and is none: it would be ignored in silence."""
    link = name.endswith("_PORT") and "://" in value
    if not name.startswith(_PREFIX) or name in known or _INJECTED.fullmatch(name) or link:
        return
    close = difflib.get_close_matches(name, known, 1)
    raise StartError(f"{name}: there is no such setting" + (f"; did you mean {close[0]}?" if close else ""))


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on a port, on every address of a host. Connections wait until they are accepted.

    Raises:
        StartError: there is no such port, or it is taken.
    """
    if not 0 <= port <= 65535:
        raise StartError(f"port {port}: not between 0 and 65535")
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(_BACKLOG)
    except OSError as error:
        for one in sockets:
            one.close()
        raise StartError(f"cannot listen on {host}, port {port}: {(error.strerror or str(error)).lower()}") from None
    return sockets


def reserve_metrics(folder: Path, workers: int) -> None:
    """Check that the metrics files of all workers fit into their folder: a worker that runs out of space dies.

    Raises:
        StartError: they do not.
    """
    trial = folder / "trial"
    try:
        with trial.open("wb") as file:
            file.write(bytes(_METRICS_BYTES * workers))
        trial.unlink()
    except OSError as error:
        raise StartError(f"no room for the workers' metrics in {folder}: {error.strerror}") from None
