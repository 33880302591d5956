"""The command ``akshar``: serve, or read files from the command line."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from app import logs, metrics
from app.bundle import BundleError
from app.decision import Terms
from app.imaging import ImageError, open_image, read
from app.main import GRACE_SECONDS, create_app, load_recognizer
from app.recognizer import AUTO
from app.settings import Settings

main = typer.Typer(name="akshar", help="Reads handwritten Devanagari characters.", no_args_is_help=True)


@main.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port, each with its own models.")] = 1,
) -> None:
    """Serve the API until told to stop; the interactive documentation is at /docs."""
    settings = _settings()
    logs.configure(settings.log_level, settings.log_format)
    with tempfile.TemporaryDirectory(prefix="akshar-metrics-") as folder:
        if workers > 1:
            os.environ[metrics.SHARED_FOLDER] = folder  # Workers inherit it, and keep their metrics there.
        # The server hands signals it has obeyed back to whoever handled them before: for a clean end, nobody.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        uvicorn.run(
            "app.cli:_worker" if workers > 1 else create_app(settings),
            factory=workers > 1,
            workers=workers,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


def _settings() -> Settings:
    """The environment's settings; what is wrong with them is told in a line each, and ends the command with 2."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = f"AKSHAR_{str(problem['loc'][0]).upper()}: " if problem["loc"] else ""
            typer.echo(f"{name}{problem['msg']}", err=True)
        raise typer.Exit(2) from None


def _worker() -> FastAPI:
    """The app of one worker process among several."""
    settings = _settings()
    logs.configure(settings.log_level, settings.log_format)
    # The supervisor starts another in its place.
    return create_app(settings, on_death=lambda: os.kill(os.getpid(), signal.SIGTERM))


@main.command()
def predict(
    family: Annotated[str, typer.Argument(help="numerals, vowels, consonants, or one added later.")],
    files: Annotated[
        list[Path], typer.Argument(help="Image files, each of one character.", exists=True, dir_okay=False)
    ],
    min_confidence: Annotated[
        float | None, typer.Option(min=0, max=1, help="The least probability of an answer that is accepted.")
    ] = None,
    coverage: Annotated[
        float | None, typer.Option(min=0.01, max=0.999, help="Add the characters that hold the truth so often.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="Add the glyph that the model saw, and what was done for it.")] = False,
) -> None:
    """Read image files; prints one JSON answer or error a line, in order. Exits with 1 if any file had an error."""
    settings = _settings()
    try:
        recognizer = load_recognizer(settings)
    except BundleError as error:
        typer.echo(error, err=True)
        raise typer.Exit(3) from None
    if family not in (*recognizer.families, AUTO):
        typer.echo(f"no family '{family}'; there are {', '.join(recognizer.families)}, {AUTO}", err=True)
        raise typer.Exit(2)
    failed, terms = False, Terms(recognizer, min_confidence, coverage, explain)
    for file in files:
        answer: dict[str, object]
        try:
            reading = read(open_image(file.read_bytes(), settings.max_pixels))
        except ImageError as error:
            failed, answer = True, {"code": error.code, "detail": error.detail}
        else:
            (recognition,) = recognizer.recognize(reading.glyph[None], [family])
            answer = terms.answer(recognition, reading)
        typer.echo(json.dumps({"file": str(file), **answer}, ensure_ascii=False))
    raise typer.Exit(int(failed))


if __name__ == "__main__":
    main()
