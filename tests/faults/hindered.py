"""`akshar serve` in a process that would not end by itself, and whose event loop requests can keep busy."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from akshar import cli
from app.api import predict

BUSY = "X-Busy-Seconds"


def install() -> None:
    """Start a thread that ends in an hour, and let a header of predictions keep the event loop busy."""
    parse = predict.parse_params  # type: ignore[attr-defined]

    def busy_parse(request: Any, service: Any) -> Any:
        end = time.monotonic() + float(request.headers.get(BUSY, 0))
        while time.monotonic() < end:
            pass
        return parse(request, service)

    predict.parse_params = busy_parse  # type: ignore[attr-defined]
    threading.Thread(target=time.sleep, args=(3600,)).start()


if __name__ in ("__main__", "__mp_main__"):
    install()
if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
    cli.main()
