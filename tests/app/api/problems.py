"""One check of the error shape, for every error path."""

import re
from typing import Any

from app.api.problems import CODES


def assert_problem(response: Any, code: str) -> None:
    status, title = CODES[code]
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert (problem["code"], problem["status"], problem["title"]) == (code, status, title)
    assert problem["type"].endswith(code)
    assert problem["instance"] == response.url.path
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert not re.search(r"Traceback|File \"|\.py\b", response.text)
