"""``python -m tests.fuzz``: attacks a server of its own with damaged input, and lists what it does wrong.

python -m tests.fuzz --seconds 600              # all fuzzers, ten minutes each
python -m tests.fuzz http --seed 7 --case 1234  # one case again
"""

from __future__ import annotations

import sys
from random import SystemRandom
from typing import Annotated

import typer

from tests.fuzz.run import FUZZERS, run


def main(
    fuzzers: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(FUZZERS)}; by default all.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="For how long each fuzzer runs.")] = 60,
    seed: Annotated[int | None, typer.Option(help="Of the random numbers; by default another one each time.")] = None,
    case: Annotated[int | None, typer.Option(help="Send only the case of this number (not with api).")] = None,
) -> None:
    """Attack a server of its own, one fuzzer after the other; the exit status is 1 if anything is wrong."""
    names = fuzzers or list(FUZZERS)
    if unknown := sorted(set(names) - set(FUZZERS)):
        raise typer.BadParameter(f"there is no fuzzer {', '.join(unknown)}; there are {', '.join(FUZZERS)}")
    if case is not None and "api" in names:
        raise typer.BadParameter("api has no numbered cases: its findings are commands of curl")
    if seed is None:
        seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}", flush=True)
    reports = run(names, seconds, seed, case)
    sys.exit(any(report.findings for report in reports))


if __name__ == "__main__":
    typer.run(main)
