"""The service with the model left out: ``python -m benchmarks.ceiling serve --port N``.

The same server decodes the same upload and writes the same answer, which here is a fixed one: nothing waits in a
queue, no network and no head is asked. What it can do is the ceiling for the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app import cli
from app.batching import Answer, Batcher, Outcome
from app.framing import Glyph


def main() -> None:
    """Serve."""
    fixed: dict[str, Answer] = {}

    def submit(self: Batcher, glyphs: Sequence[Glyph], family: str, deadline: float) -> list[asyncio.Future[Outcome]]:
        if family not in fixed:
            fixed[family] = Answer(self._recognizer.recognize(glyphs[0][None], [family])[0], 0, 0, 0)
        futures: list[asyncio.Future[Outcome]] = []
        for _ in glyphs:
            futures.append(asyncio.get_running_loop().create_future())
            futures[-1].set_result(fixed[family])
        return futures

    Batcher.submit = submit  # type: ignore[method-assign]
    cli.main()


if __name__ == "__main__":
    main()
