import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.settings import Settings
from tests.drawing import draw, encode

PA = encode(draw("pa"))


def sample(client: TestClient, name: str, **labels: str) -> float:
    """One sample of /metrics; 0 if it is not there yet."""
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for found in family.samples:
            if found.name == name and labels.items() <= found.labels.items():
                return float(found.value)
    return 0.0


def test_requests_predictions_and_stages_are_counted(client: TestClient) -> None:
    route = "/predict/{family}"
    watched: list[tuple[str, dict[str, str]]] = [
        ("akshar_requests_total", {"route": route, "family": "consonants", "status": "200"}),
        ("akshar_requests_total", {"route": route, "family": "consonants", "status": "422"}),
        ("akshar_request_seconds_count", {"route": route}),
        ("akshar_predictions_total", {"family": "consonants", "label": "pa"}),
        ("akshar_batch_size_sum", {}),
        *(("akshar_stage_seconds_count", {"stage": stage}) for stage in ("decode", "queue", "extractor", "head")),
    ]
    before = [sample(client, name, **labels) for name, labels in watched]
    assert client.post("/predict/consonants", files={"file": PA}).status_code == 200
    assert client.post("/predict/consonants", files={"file": b""}).status_code == 422
    grown = [sample(client, name, **labels) - was for (name, labels), was in zip(watched, before, strict=True)]
    assert grown == [1, 1, 2, 1, 1, 2, 1, 1, 1]
    assert sample(client, "akshar_images_waiting") == 0


def test_the_build_is_described(client: TestClient, settings: Settings) -> None:
    version = client.get("/readyz").json()["model_version"]
    assert sample(client, "akshar_build_info", model_version=version, runtime=settings.runtime, device="cpu") == 1


@pytest.mark.parametrize(("path", "route"), [("/nowhere/1", "none"), ("/predict/made-up", "/predict/{family}")])
def test_clients_cannot_invent_labels(client: TestClient, path: str, route: str) -> None:
    client.post(path, files={"file": PA})
    text = client.get("/metrics").text
    assert not re.search(r"nowhere|made-up", text)
    assert sample(client, "akshar_requests_total", route=route, family="", status="404") > 0
