import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def test_the_wheel_reads_without_a_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("akshar-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"akshar"}
    manifest = json.loads((tmp_path / "site/akshar/artifacts/manifest.json").read_text())
    assert {f"akshar/artifacts/{file}" for file in manifest["files"]} <= set(names)
    code = (
        "import akshar, pathlib; print(pathlib.Path(akshar.__file__).parent);"
        f"print(akshar.Reader().read({str(REPOSITORY / 'docs/images/pa.png')!r}, family='consonants').character)"
    )
    environment = {"PYTHONPATH": str(tmp_path / "site"), "PYTHONUTF8": "1", "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == [str(tmp_path / "site/akshar"), "प"]
