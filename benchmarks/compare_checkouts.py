"""Sends the same requests to the services of two checkouts and compares the responses.

``python -m benchmarks.compare_checkouts OLD NEW --data ../shared/data --cases ../shared/cases``: OLD and NEW are
checkouts, each with its own ``.venv`` and ``artifacts``. Prints counts, and exits with 1 if there is any difference.

Texts for people (``title``, ``detail``) and the model version may differ, and fields may have been renamed as in
`RENAMED`. The typicality got a new scale with its name, so its values are compared only under the same name.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.checkout_requests import Request, case_requests, data_set_requests, odd_requests
from benchmarks.load import free_port
from benchmarks.servers import serving

RENAMED: Final = {"familiarity": "typicality", "likely": "prediction_set"}
NOT_COMPARED: Final = {"title", "detail", "model_version", "request_id"}
TOLERANCES: Final = {"confidence": 1e-6, "typicality": 2e-3}
"""The largest accepted differences of numbers. The network computes in single precision, and its last bits depend on
the images that share a batch; responses round confidences to six decimals and typicalities to three or four."""
_BINARY_ERROR: Final = 1e-9
"""The difference of two neighboring decimals of a response is not exactly 1e-6 in binary."""
USUAL: Final = (
    *("status", "content_type", "code", "class_id", "character", "decision", "reasons", "confidence"),
    *("alternatives", "looks_like", "prediction_set"),
)
"""Kinds of differences."""
_CONTAINERS: Final = {"results", "answer", "error"}
"""Fields of a batch response around those of a single one."""
_BATCH_REQUESTS: Final = 3
"""Requests at a time, each with a full batch. Single images go one at a time: alone in their batch, they get the same
prediction every time."""
_SHOWN: Final = 10

_out = Console()


class Response(NamedTuple):
    """A response: its status, its media type without parameters, and its body, parsed if it is JSON, else None."""

    status: int
    content_type: str
    body: Any = None


class Difference(NamedTuple):
    """A difference: the kind that it is counted as (a field's name), where it is, and the two values."""

    kind: str
    path: str
    old: Any
    new: Any


@dataclass
class Comparison:
    """The result of comparing responses.

    Attributes:
        images: the number of predictions that were compared, including errors of single files of a batch.
        differences: all differences.
        max_confidence_difference: the largest difference of two confidences of the same character.
    """

    images: int = 0
    differences: list[Difference] = field(default_factory=list)
    max_confidence_difference: float = 0.0

    def merge(self, other: Comparison) -> None:
        """Add the result of other responses."""
        self.images += other.images
        self.differences += other.differences
        self.max_confidence_difference = max(self.max_confidence_difference, other.max_confidence_difference)


def compare(old: Response, new: Response, path: str = "") -> Comparison:
    """Compare two responses to the same request to a path."""
    result = Comparison()
    for kind in ("status", "content_type"):
        if (one := getattr(old, kind)) != (two := getattr(new, kind)):
            result.differences.append(Difference(kind, "", one, two))
    bodies = [old.body, new.body]
    if path == "/families":
        bodies = [_classes(body) for body in bodies]
    elif isinstance(old.body, dict):
        result.images = len(old.body.get("results", [])) or int("alternatives" in old.body)
    _compare_values(bodies[0], bodies[1], (), result)
    return result


def _classes(body: Any) -> Any:
    """The classes of a response to ``GET /families``."""
    if not isinstance(body, dict) or "families" not in body:
        return body
    return {name: family["classes"] for name, family in body["families"].items()}


def _compare_values(old: Any, new: Any, path: tuple[str, ...], result: Comparison) -> None:
    if isinstance(old, dict) and isinstance(new, dict):
        _compare_fields(old, new, path, result)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            _compare_values(one, two, (*path, str(index)), result)
    elif path and path[-1] in TOLERANCES and isinstance(old, float) and isinstance(new, float):
        difference = abs(old - new)
        if path[-1] == "confidence":
            result.max_confidence_difference = max(result.max_confidence_difference, difference)
        if difference > TOLERANCES[path[-1]] + _BINARY_ERROR:
            _add(result, path, old, new)
    elif old != new or type(old) is not type(new):
        _add(result, path, old, new)


def _compare_fields(old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...], result: Comparison) -> None:
    old_names = {RENAMED.get(name, name): name for name in old}
    new_names = {RENAMED.get(name, name): name for name in new}
    for name in sorted(old_names.keys() ^ new_names.keys()):
        _add(result, (*path, name), old.get(old_names.get(name, "")), new.get(new_names.get(name, "")))
    for name, old_name in old_names.items():
        new_name = new_names.get(name)
        rescaled = name == "typicality" and old_name != new_name
        if new_name is not None and name not in NOT_COMPARED and not rescaled:
            _compare_values(old[old_name], new[new_name], (*path, name), result)


def _add(result: Comparison, path: tuple[str, ...], old: Any, new: Any) -> None:
    names = [part for part in path if not part.isdecimal() and part not in _CONTAINERS]
    kind = "confidence" if path[-1:] == ("confidence",) else names[0] if names else "body"
    result.differences.append(Difference(kind, ".".join(path), old, new))


class Checkouts:
    """The services of two checkouts, to which requests are sent.

    Args:
        urls: their addresses.
    """

    def __init__(self, *urls: str) -> None:
        # Ignores the proxies of the environment: they do not reach this machine's own ports.
        self._clients = [httpx2.Client(base_url=url, trust_env=False, timeout=60) for url in urls]

    def compare(self, request: Request) -> Comparison:
        """Send a request to both, one after the other, and compare the responses."""
        old, new = (_send(client, request) for client in self._clients)
        return compare(old, new, request.path)


def _send(client: httpx2.Client, request: Request) -> Response:
    headers = dict(request.headers)
    if request.body:
        headers["Content-Type"] = request.body.content_type
    content = request.body.data if request.body else None
    response = client.request(request.method, request.path, content=content, headers=headers)
    content_type = response.headers.get("content-type", "").partition(";")[0]
    return Response(response.status_code, content_type, response.json() if content_type.endswith("json") else None)


def compare_all(
    checkouts: Checkouts, requests: Iterable[Request], concurrency: int
) -> Iterator[tuple[Request, Comparison]]:
    """Compare the responses to all requests, with a number of requests under way at a time."""
    remaining = iter(requests)
    with ThreadPoolExecutor(concurrency) as pool:
        # In portions: the pool would take whole data sets into its queue.
        while some := list(itertools.islice(remaining, 8 * concurrency)):
            yield from zip(some, pool.map(checkouts.compare, some), strict=True)


def _serve(stack: ExitStack, checkout: Path, log: Path) -> str:
    """Start the service of a checkout; its address."""
    checkout = checkout.resolve()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        "AKSHAR_ARTIFACTS": str(checkout / "artifacts"),
        "AKSHAR_LOG_LEVEL": "error",
        "AKSHAR_RUNTIME": "onnxruntime",
    }
    command = [str(checkout / ".venv/bin/akshar"), "serve", "--port", str(port)]
    stack.enter_context(serving(command, f"{url}/readyz", log, env, cwd=checkout))
    return url


def main(
    old: Annotated[Path, typer.Argument(help="The checkout to compare with.", file_okay=False, exists=True)],
    new: Annotated[Path, typer.Argument(help="The checkout to check.", file_okay=False, exists=True)],
    data: Annotated[Path, typer.Option(help="Folder of nhcd.zip and dhcd-train.zip.", exists=True)],
    cases: Annotated[Path | None, typer.Option(help="Folder of cases.tsv and its pictures.", exists=True)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Images per data set; by default all.")] = None,
) -> None:
    """Compare the services of two checkouts, request by request."""
    singles = itertools.chain(odd_requests(), case_requests(cases) if cases else ())
    counts: dict[str, Counter[str]] = {}
    totals: dict[str, Comparison] = {}
    shown = 0
    with tempfile.TemporaryDirectory(prefix="akshar-compare-") as folder, ExitStack() as stack:
        urls = [_serve(stack, checkout, Path(folder) / name) for checkout, name in ((old, "old.log"), (new, "new.log"))]
        checkouts = Checkouts(*urls)
        compared = itertools.chain(
            compare_all(checkouts, singles, 1),
            compare_all(checkouts, data_set_requests(data, limit), _BATCH_REQUESTS),
        )
        for request, comparison in compared:
            counts.setdefault(request.group, Counter())["requests"] += 1
            totals.setdefault(request.group, Comparison()).merge(comparison)
            for difference in comparison.differences[: max(_SHOWN - shown, 0)]:
                shown += 1
                where = difference.path or difference.kind
                _out.print(f"{request.name}: {where}: {difference.old} -> {difference.new}", markup=False)
    _out.print(_table(counts, totals))
    raise typer.Exit(int(any(total.differences for total in totals.values())))


def _table(counts: Mapping[str, Counter[str]], totals: Mapping[str, Comparison]) -> Table:
    """Counts by group; kinds of differences that are not `USUAL` have a row only where they occurred."""
    by_group = {group: Counter(difference.kind for difference in total.differences) for group, total in totals.items()}
    kinds = dict.fromkeys(itertools.chain(USUAL, *by_group.values()))
    table = Table("", *totals)
    table.add_row("requests", *(f"{counts[group]['requests']:,}" for group in totals))
    table.add_row("images compared", *(f"{total.images:,}" for total in totals.values()))
    largest = (f"{total.max_confidence_difference:.2g}" for total in totals.values())
    table.add_row("largest difference of confidences", *largest)
    for kind in kinds:
        table.add_row(f"differences: {kind}", *(f"{by_group[group][kind]:,}" for group in totals))
    return table


if __name__ == "__main__":
    typer.run(main)
