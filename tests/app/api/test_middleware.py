import re

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.api.problems import assert_problem

PATHS = ["/livez", "/readyz", "/nowhere", "/families", "/openapi.json", "/metrics", "/docs", "/redoc"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_predictions_are_not_cached_and_load_nothing(client: TestClient) -> None:
    response = client.post("/predict/vowels", content=b"x")
    assert_problem(response, "unsupported_image")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_may_load_what_its_page_needs(client: TestClient, path: str) -> None:
    response = client.get(path)
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    if re.search(r"<script>\s*\S", response.text):
        assert "'unsafe-inline'" in policy["script-src"]
    sources = re.findall(r"(?:src|href)=[\"']([^\"']+)", response.text)
    assert sources
    assert all(source.startswith("/") for source in sources)  # 'self'


@pytest.mark.parametrize("path", ["/readyz/", "/predict/vowels/", "/docs/"])
def test_no_path_is_redirected(client: TestClient, path: str) -> None:
    response = client.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    assert response.status_code in (404, 405)
    assert "location" not in response.headers


@pytest.fixture(scope="module")
def strict() -> TestClient:
    # Outside of its `with`, a client runs no lifespan: there are no models to load.
    return TestClient(create_app(Settings(trusted_hosts="api.example.org, *.internal.example, [::1], localhost")))


@pytest.mark.parametrize(
    "host",
    [
        "api.example.org",
        "API.example.org:8000",
        "a.internal.example",
        "a.b.internal.example:1",
        "[::1]:80",
        "localhost",
    ],
)
def test_trusted_hosts(strict: TestClient, host: str) -> None:
    assert strict.get("/livez", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "api.example.org.evil.example", "xinternal.example", "internal.example", "a@localhost", ""]
)
def test_other_hosts_are_refused(strict: TestClient, host: str) -> None:
    response = strict.get("/livez", headers={"host": host})
    assert_problem(response, "untrusted_host")
    assert response.headers["x-content-type-options"] == "nosniff"


def test_while_ending_answers_close_the_connection(settings: Settings) -> None:
    app = create_app(settings)
    client = TestClient(app)
    assert "connection" not in client.get("/livez").headers
    app.state.ending = True
    assert client.get("/livez").headers["connection"] == "close"
    assert_problem(client.get("/readyz"), "not_ready")
