"""The service without the model: ``python -m benchmarks.ceiling serve --port N``.

The same server decodes the same upload and writes the same response, but the recognition is always the same one: no
glyph waits in the queue, and neither the network nor a head runs. Its throughput is the ceiling for the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from akshar import cli
from akshar.imaging.glyph import Glyph
from app.serving.batching import Batcher, Outcome, Recognized


def main() -> None:
    """Serve."""
    fixed: dict[str, Recognized] = {}

    def submit(self: Batcher, glyphs: Sequence[Glyph], family: str, deadline: float) -> list[asyncio.Future[Outcome]]:
        if family not in fixed:
            batch = self._recognizer.recognize(glyphs[0][None], [family])
            fixed[family] = Recognized(batch.recognitions[0], 0, 0, 0)
        futures: list[asyncio.Future[Outcome]] = []
        for _ in glyphs:
            futures.append(asyncio.get_running_loop().create_future())
            futures[-1].set_result(fixed[family])
        return futures

    Batcher.submit = submit  # type: ignore[method-assign]
    cli.main()


if __name__ == "__main__":
    main()
