"""Prints the project files that one upload passes through, in order: ``python -m benchmarks.upload_walk [IMAGE]``.

One image is sent through the app, in this process and without a network. An entry is a call of a function of a project
file (in ``akshar/`` or ``app/``) by a function of another project file; frames of libraries between the two do not
count. Calls without a project function below them on the stack are no entries: callbacks of the event loop, the first
function of a thread, a read of a property. A coroutine or generator counts when it starts, not when it resumes.
"""

from __future__ import annotations

import asyncio
import dis
import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, NamedTuple

import typer

from benchmarks import FAMILY, ROOT
from benchmarks.images import IMAGES

_RESUMABLE: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_PACKAGES: Final = tuple(f"{ROOT / package}/" for package in ("akshar", "app"))
_PREFIX: Final = len(f"{ROOT}/")


class Entry(NamedTuple):
    """A call of a function of a project file by a function of another one; paths are relative to the repository."""

    caller: str
    file: str
    function: str


class Walk:
    """Records the entries of all threads while `recording`.

    Attributes:
        entries: in the order of the calls.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._started: set[FrameType] = set()
        self._active = False

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Trace this thread and those that start within the block."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record entries of traced threads within the block."""
        self._active = True
        try:
            yield
        finally:
            self._active = False
            self._started.clear()

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if not self._active or event != "call" or not _is_project(frame) or frame in self._started:
            return
        if frame.f_code.co_flags & _RESUMABLE:
            self._started.add(frame)  # Holding the frame keeps its identity from being used again.
        caller = frame.f_back
        if caller and dis.opname[caller.f_code.co_code[caller.f_lasti]] == "LOAD_ATTR":
            return  # The getter of a property.
        while caller and not _is_project(caller):
            caller = caller.f_back
        if caller and caller.f_code.co_filename != frame.f_code.co_filename:
            caller_file, file = (each.f_code.co_filename[_PREFIX:] for each in (caller, frame))
            self.entries.append(Entry(caller_file, file, frame.f_code.co_qualname))


def _is_project(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGES)


def walk_reader(image: bytes) -> list[Entry]:
    """The entries of `akshar.Reader.read`."""
    from akshar import Reader

    walk = Walk()
    reader = Reader()
    reader.read(image, FAMILY)  # The first call imports modules.
    with walk.tracing(), walk.recording():
        reader.read(image, FAMILY)
    return walk.entries


def walk_service(image: bytes) -> list[Entry]:
    """The entries of an upload to ``POST /predict/consonants``."""
    walk = Walk()
    with walk.tracing():  # Before the app starts its threads.
        asyncio.run(_upload_twice(image, walk))
    return walk.entries


async def _upload_twice(image: bytes, walk: Walk) -> None:
    import httpx2

    from app.main import create_app

    app = create_app()
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://walk") as client,
    ):
        files = {"file": ("character.png", image, "image/png")}
        await client.post(f"/predict/{FAMILY}", files=files)  # The first call imports modules.
        with walk.recording():
            response = await client.post(f"/predict/{FAMILY}", files=files)
    response.raise_for_status()


def report(entries: list[Entry]) -> Iterator[str]:
    """One line per entry, and a summary."""
    width = max((len(entry.file) for entry in entries), default=0)
    for entry in entries:
        yield f"{entry.file:{width}}  {entry.function}  (from {entry.caller})"
    counts = Counter(entry.file for entry in entries)
    repeated = [f"{file} ({count})" for file, count in counts.items() if count > 1]
    yield f"{len(counts)} files, {len(repeated)} entered more than once{': ' * bool(repeated)}{', '.join(repeated)}"


def main(
    image: Annotated[Path | None, typer.Argument(help="An image of a consonant; by default a drawing.")] = None,
    reader: Annotated[bool, typer.Option(help="Walk through Reader.read instead of the service.")] = False,
) -> None:
    """Print the project files that one upload passes through, in order."""
    walk: Callable[[bytes], list[Entry]] = walk_reader if reader else walk_service
    for line in report(walk(image.read_bytes() if image else IMAGES[0])):
        print(line)


if __name__ == "__main__":
    typer.run(main)
