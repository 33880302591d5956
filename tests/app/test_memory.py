import subprocess
import sys

import pytest

SCRIPT = """
import time
from pathlib import Path

from app import memory

memory._TRIM_SECONDS = 0.1
memory.return_memory()


def taken():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


before = taken()
kept = [BLOCK * b"x" for _ in range(100_000_000 // BLOCK)]
assert taken() - before > 90_000_000
del kept[::2]  # Half of it, in gaps that nothing can be cut off from.
time.sleep(1)
print(taken() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("block", [100_000, 1_500_000])
def test_memory_that_was_freed_is_given_back(block: int) -> None:
    code = SCRIPT.replace("BLOCK", str(block))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert int(run.stdout) < 60_000_000
