"""The limits of the code's layout that import contracts do not express."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import REPOSITORY

MAX_LINES = 300
MAX_FUNCTION_LINES = 60
PACKAGES = ("akshar", "app", "training", "benchmarks", "tests")


def modules() -> Iterator[tuple[Path, str]]:
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            yield path.relative_to(REPOSITORY), path.read_text(encoding="utf-8")


def test_no_module_is_too_long() -> None:
    assert [str(path) for path, text in modules() if len(text.splitlines()) > MAX_LINES] == []


def test_no_function_is_too_long() -> None:
    functions = (
        (path, node)
        for path, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    long = [f"{path}:{f.name}" for path, f in functions if (f.end_lineno or 0) - f.lineno >= MAX_FUNCTION_LINES]
    assert long == []
