"""The command ``akshar``: serve, or read files from the command line."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from app import logs
from app.bundle import BundleError
from app.imaging import ImageError, read_glyph
from app.main import create_app, load_recognizer
from app.schemas import Prediction
from app.settings import Settings

main = typer.Typer(name="akshar", help="Reads handwritten Devanagari characters.", no_args_is_help=True)

_GRACE_SECONDS = 15


@main.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Serve the API until told to stop; the interactive documentation is at /docs."""
    settings = Settings()
    logs.configure(settings.log_level, settings.log_format)
    # The server hands signals it has obeyed back to whoever handled them before: for a clean end, nobody.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    uvicorn.run(
        create_app(settings),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


@main.command()
def predict(
    family: Annotated[str, typer.Argument(help="numerals, vowels, consonants, or one added later.")],
    files: Annotated[
        list[Path], typer.Argument(help="Image files, each of one character.", exists=True, dir_okay=False)
    ],
) -> None:
    """Read image files; prints one JSON answer or error a line, in order. Exits with 1 if any file had an error."""
    settings = Settings()
    try:
        recognizer = load_recognizer(settings)
    except BundleError as error:
        typer.echo(error, err=True)
        raise typer.Exit(3) from None
    if family not in recognizer.families:
        typer.echo(f"no family '{family}'; there are {', '.join(recognizer.families)}", err=True)
        raise typer.Exit(2)
    failed = False
    for file in files:
        answer: dict[str, object]
        try:
            glyph = read_glyph(file.read_bytes(), settings.max_pixels)
        except ImageError as error:
            failed, answer = True, {"code": error.code, "detail": error.detail}
        else:
            (recognition,) = recognizer.recognize(glyph[None], [family])
            answer = Prediction.answering(recognition, recognizer.model_version).model_dump()
        typer.echo(json.dumps({"file": str(file), **answer}, ensure_ascii=False))
    raise typer.Exit(int(failed))


if __name__ == "__main__":
    main()
