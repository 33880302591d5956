import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from akshar.model.bundle import Bundle, load_bundle
from akshar.model.extractor import load_extractor
from akshar.model.loading import ARTIFACTS
from akshar.model.recognizer import Recognizer
from app import logs
from app.main import create_app
from app.settings import Settings
from training.data.dataset import Dataset, read_dataset

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logs.configure("info", "json")

REPOSITORY = Path(__file__).parents[1]
DATA = REPOSITORY.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: what trains, loads TensorFlow or starts a server comes last.

    Of two processes that share the tests (`make test`), one begins with those that mostly wait for a server.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
    for item in items:
        serves = item.path.parent.name in ("faults", "fuzz", "server") or item.path.name == "test_attack.py"
        ends = item.path.name in ("test_lifecycle.py", "test_workers.py", "test_budgets.py")
        item.add_marker(pytest.mark.xdist_group("ends" if ends else "servers" if serves else "others"))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AKSHAR_"):
            monkeypatch.delenv(name)


def _data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not there: the data sets are not part of the repository")
    return path


@pytest.fixture(scope="session")
def nhcd_zip() -> Path:
    return _data("nhcd.zip")


@pytest.fixture(scope="session")
def dhcd_zip() -> Path:
    return _data("dhcd-train.zip")


@pytest.fixture(scope="session")
def dongre_mankar() -> Dataset:
    return read_dataset(_data("dongre-mankar.zip"))


@pytest.fixture(scope="session")
def nhcd(nhcd_zip: Path) -> Dataset:
    return read_dataset(nhcd_zip)


@pytest.fixture(scope="session")
def nhcd_files(nhcd_zip: Path) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(nhcd_zip) as archive:
        yield archive


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return load_bundle(ARTIFACTS)


@pytest.fixture(scope="session")
def recognizer(bundle: Bundle) -> Recognizer:
    return Recognizer(bundle.model, load_extractor(bundle, "onnxruntime"))


@pytest.fixture(scope="session", params=["onnxruntime", pytest.param("tensorflow", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest) -> Settings:
    """On both runtimes: what serves a GPU is the same code on a CPU."""
    return Settings(runtime=request.param, max_bytes=200_000, max_form_bytes=1_000_000, max_pixels=1_000_000)


@pytest.fixture(scope="session")
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture(scope="session")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
