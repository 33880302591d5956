"""What can be set, called or go wrong is documented, and what is documented exists."""

import json
import re
import subprocess

import pytest
from fastapi import FastAPI
from prometheus_client.registry import REGISTRY
from starlette.testclient import TestClient
from typer.main import get_command

from akshar.cli import main as akshar
from akshar.imaging.formats import FORMATS
from akshar.model.abstention import Reason
from akshar.model.loading import ARTIFACTS
from app.api.problems import CODES
from app.settings import Settings
from tests.conftest import REPOSITORY
from training.__main__ import BASELINES, main
from training.data.splits import PROTOCOLS

SETTINGS, ERRORS, API, README = (
    (REPOSITORY / path).read_text(encoding="utf-8")
    for path in ("docs/settings.md", "docs/errors.md", "docs/api.md", "README.md")
)


def shown(default: object) -> str:
    return "`artifacts/` of the repository" if str(default).endswith("artifacts") else f"`{default}`"


def test_every_setting_has_its_row() -> None:
    rows = [line for line in SETTINGS.splitlines() if line.startswith("| `AKSHAR_")]
    assert rows == [
        f"| `AKSHAR_{name.upper()}` | {shown(field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def test_every_error_code_has_its_row_and_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", ERRORS, re.MULTILINE)
    assert {code: int(status) for code, status in rows} == {code: status for code, (status, _) in CODES.items()}


def test_every_reason_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ", API[API.index("### Reasons") : API.index("### Sets")], re.MULTILINE)
    assert [reason for reason, _ in rows] == list(Reason)


def test_every_endpoint_has_its_section(app: FastAPI) -> None:
    sections = set(re.findall(r"^## `(\w+ [^`]+)`", API, re.MULTILINE))
    operations = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    assert sections == operations


def test_every_metric_has_its_row() -> None:
    rows = re.findall(r"^\| `(akshar_\w+)` \| (\w+) \| (.*) \|$", API, re.MULTILINE)
    ours = [metric for metric in REGISTRY.collect() if metric.name.startswith("akshar_")]
    assert [(name, kind) for name, kind, _ in rows] == [
        (metric.name + "_total" * (metric.type == "counter"), metric.type) for metric in ours
    ]
    for metric, (_, _, meaning) in zip(ours, rows, strict=True):
        assert meaning.startswith(metric.documentation)


def test_every_option_of_the_command_line_has_its_row() -> None:
    section = API[API.index("## From the command line") :]
    commands = get_command(akshar).commands  # type: ignore[attr-defined]
    options = [option for name in ("predict", "serve") for option in commands[name].params if "--" in option.opts[0]]
    rows = re.findall(r"^\| `(--[\w-]+)` \| (.*) \|$", section, re.MULTILINE)
    assert rows == [(option.opts[0], option.help) for option in options]


def test_every_protocol_and_baseline_has_its_row() -> None:
    training = (REPOSITORY / "docs/training.md").read_text(encoding="utf-8")
    commands = get_command(main).commands  # type: ignore[attr-defined]
    for name in (*PROTOCOLS, *BASELINES, *commands):
        assert f"| `{name}` |" in training, name


def test_every_format_is_documented() -> None:
    names = {
        "JPEG": "JPEG",
        "PNG": "PNG",
        "WEBP": "WebP",
        "BMP": "BMP",
        "GIF": "GIF",
        "TIFF": "TIFF",
        "AVIF": "AVIF",
        "HEIF": "HEIC",
    }
    for name in FORMATS:
        assert names[name] in API


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target


def test_links_in_the_documents_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert link.startswith("https://") or (page.parent / link).exists(), (page, link)


def test_locks_carry_hashes_and_no_addresses() -> None:
    for lock in (REPOSITORY / "locks").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9][^\n]*==", text, re.MULTILINE)
        hashed = re.findall(r"^[a-z0-9][^\n]*==[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE)
        assert len(pinned) == len(hashed) > 20


def test_serving_locks_hold_no_tensorflow() -> None:
    assert "tensorflow" not in (REPOSITORY / "locks/serve.txt").read_text()


def test_the_locks_pin_the_scikit_learn_that_pickled_the_heads() -> None:
    pickled_by = json.loads((ARTIFACTS / "manifest.json").read_text())["versions"]["scikit-learn"]
    for lock in (REPOSITORY / "locks").glob("*.txt"):
        assert f"scikit-learn=={pickled_by} " in lock.read_text()


def test_no_image_of_a_data_set_is_kept() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    images = [name for name in tracked.splitlines() if re.search(r"\.(png|jpe?g|webp|bmp|gif|npz)$", name)]
    assert all(name.startswith("docs/images/") for name in images)


def test_the_readme_has_at_most_700_words() -> None:
    assert len(README.split()) <= 700


def test_the_example_of_the_readme_is_what_the_service_responds(client: TestClient) -> None:
    command, response = re.findall(r"```(?:sh|json)\n(curl .*?|\{.*?\})\n```", README, re.DOTALL)[:2]
    sent = re.fullmatch(r"curl -F file=@(\S+) http://127.0.0.1:8000(\S+)", command)
    assert sent
    actual = client.post(sent[2], files={"file": (REPOSITORY / sent[1]).read_bytes()}).json()
    assert len(response.splitlines()) == 6
    shown = json.loads(response)
    # Another processor may differ in the last digits.
    assert shown.pop("confidence") == pytest.approx(actual["confidence"], abs=1e-4)
    assert shown.pop("typicality") == pytest.approx(actual["typicality"], abs=0.01)
    assert shown == {name: actual[name] for name in shown}
