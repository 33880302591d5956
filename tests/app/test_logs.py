import json
import logging

import pytest
import structlog

from app import logs


def logged(capsys: pytest.CaptureFixture[str], style: str) -> str:
    logs.configure("info", style)  # type: ignore[arg-type]
    secret = "what a user sent"
    try:
        raise ValueError("broken")
    except ValueError as error:
        structlog.get_logger("akshar").error("crash", request_id="r1", exc_info=error)
    logging.getLogger("uvicorn.error").info("from the server")
    structlog.get_logger("akshar").debug("too fine")
    text = capsys.readouterr().err
    assert secret not in text
    return text


def test_json_is_a_line_an_event_with_its_traceback_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = map(json.loads, logged(capsys, "json").splitlines())
    assert (first["event"], first["level"], first["request_id"]) == ("crash", "error", "r1")
    assert "ValueError: broken" in first["exception"]
    assert (second["event"], second["logger"]) == ("from the server", "uvicorn.error")


def test_text_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    text = logged(capsys, "console")
    assert "crash" in text
    assert "ValueError: broken" in text
    logs.configure("info", "json")


@pytest.mark.parametrize("style", ["json", "console"])
def test_nothing_that_is_sent_controls_the_terminal(capsys: pytest.CaptureFixture[str], style: str) -> None:
    path = "/\x1b[2J\x9b2J\x7f\u202eप\r\n"
    logs.configure("info", style)  # type: ignore[arg-type]
    try:
        raise ValueError(path)
    except ValueError as error:
        structlog.get_logger("akshar").error("crash", path=path, exc_info=error)
    logging.getLogger("some.library").warning(path)
    text = capsys.readouterr().err
    logs.configure("info", "json")
    for code in ("\x1b[2J", "\x9b", "\x7f", "\u202e", "\r"):
        assert code not in text
    assert "प" in text
    if style == "json":
        assert [json.loads(line).get("path", path) for line in text.splitlines()] == [path, path]
    else:
        assert text.count(r"\x1b[2J\x9b2J") == 3
