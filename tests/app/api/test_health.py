import re

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.api.problems import assert_problem


def test_live_and_ready(client: TestClient, settings: Settings) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    ready = client.get("/readyz").json()
    assert ready["status"] == "ready"
    assert (ready["runtime"], ready["device"]) == (settings.runtime, "cpu")
    assert ready["families"] == ["numerals", "vowels", "consonants"]
    assert client.get("/health").json() == ready


def test_not_ready_before_the_models_are_loaded(settings: Settings) -> None:
    # Outside of its `with`, a client runs no lifespan.
    client = TestClient(create_app(settings))
    assert client.get("/livez").status_code == 200
    assert_problem(client.get("/readyz"), "not_ready")
    assert_problem(client.post("/predict/vowels", files={"file": b"x"}), "not_ready")


def test_not_ready_once_stopped(settings: Settings) -> None:
    app = create_app(settings)
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
    assert_problem(TestClient(app).get("/readyz"), "not_ready")


def test_documentation_is_served_with_all_that_its_page_loads(client: TestClient) -> None:
    page = client.get("/docs").text
    loaded = re.findall(r"(?:src|href)=[\"']([^\"']+)", page)
    assert any("swagger" in link for link in loaded)
    for link in loaded:
        assert link.startswith("/"), link
        assert client.get(link).status_code == 200


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    assert_problem(client.get("/predictions"), "not_found")


@pytest.mark.parametrize("offered", ["abc-123", "9f.8_7"])
def test_a_clients_request_id_is_kept(client: TestClient, offered: str) -> None:
    assert client.get("/livez", headers={"x-request-id": offered}).headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 129, "a b", 'a"b'])
def test_a_strange_request_id_is_replaced(client: TestClient, app: FastAPI, offered: str) -> None:
    given = client.get("/livez", headers={"x-request-id": offered}).headers["x-request-id"]
    assert given != offered
    assert len(given) == 32
