import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn

from akshar.model.bundle import load_bundle
from akshar.model.extractor import choose_runtime, load_extractor
from akshar.model.loading import ARTIFACTS
from akshar.model.manifest import BundleError, file_entry


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ARTIFACTS, tmp_path / "artifacts"))


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def error_of(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


FILES = [
    "extractor.onnx",
    "extractor.keras",
    "heads/vowels.joblib",
    "class_means/vowels.joblib",
    "whitening.joblib",
    "manifest.json",
]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_remedy(copy: Path, name: str) -> None:
    (copy / name).unlink()
    text = error_of(copy)
    assert name in text
    assert "make train" in text


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes()[:-100])
    assert name in error_of(copy)


@pytest.mark.parametrize("name", FILES[:-1])
def test_an_altered_file_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    text = error_of(copy)
    assert name in text
    assert "altered" in text


def test_nothing_is_unpickled_before_its_digest_matches(copy: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    joblib.dump(Trap(), copy / "heads/vowels.joblib")
    assert "heads/vowels.joblib" in error_of(copy)
    assert not (tmp_path / "sprung").exists()


def test_another_scikit_learn_is_refused_with_the_version_to_install(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["versions"].update({"scikit-learn": "1.0.2"}))
    text = error_of(copy)
    assert "scikit-learn==1.0.2" in text
    assert sklearn.__version__ in text


@pytest.mark.parametrize("version", [3, 99])
def test_another_schema_version_is_refused_with_the_remedy(copy: Path, version: int) -> None:
    (copy / "manifest.json").write_text(json.dumps({"schema_version": version, "unknown": {}}))
    text = error_of(copy)
    assert f"schema version {version}" in text
    assert "python -m training convert" in text


def test_missing_artifacts_name_the_variable(tmp_path: Path) -> None:
    assert "AKSHAR_ARTIFACTS" in error_of(tmp_path)


def test_a_manifest_that_lacks_a_field_is_refused(copy: Path) -> None:
    edit(copy, lambda manifest: manifest.pop("families"))
    assert "families" in error_of(copy)


def test_a_head_without_a_digest_is_refused(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["files"].pop("heads/vowels.joblib"))
    assert "heads/vowels.joblib" in error_of(copy)


def test_a_pickle_that_is_no_svc_is_refused(copy: Path) -> None:
    joblib.dump(np.zeros(3), copy / "heads/vowels.joblib")
    entry = file_entry(copy / "heads/vowels.joblib").model_dump()
    edit(copy, lambda manifest: manifest["files"].update({"heads/vowels.joblib": entry}))
    assert "holds ndarray, not SVC" in error_of(copy)


def test_a_pickle_that_is_no_class_means_is_refused(copy: Path) -> None:
    shutil.copy(copy / "heads/vowels.joblib", copy / "class_means/vowels.joblib")
    entry = file_entry(copy / "class_means/vowels.joblib").model_dump()
    edit(copy, lambda manifest: manifest["files"].update({"class_means/vowels.joblib": entry}))
    assert "not NearestCentroid" in error_of(copy)


def test_the_committed_artifacts_are_small() -> None:
    assert sum(path.stat().st_size for path in ARTIFACTS.rglob("*") if path.is_file()) < 25e6


def test_a_runtime_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(ARTIFACTS)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BundleError, match="onnxruntime is not installed"):
        load_extractor(bundle, "onnxruntime")


@pytest.mark.parametrize(
    ("installed", "device", "chosen"),
    [
        (True, True, "tensorflow"),
        (True, False, "onnxruntime"),
        (False, True, "onnxruntime"),
        (False, False, "onnxruntime"),
    ],
)
def test_auto_takes_tensorflow_if_it_is_installed_and_there_is_a_gpu(
    installed: bool, device: bool, chosen: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if installed else None)
    monkeypatch.setattr("akshar.model.extractor._GPU_NODES", (tmp_path if device else tmp_path / "absent",))
    assert choose_runtime("auto") == chosen
