"""The command ``akshar``: read files, or serve the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from akshar.imaging.errors import ImageError
from akshar.imaging.formats import MAX_PIXELS
from akshar.model.runtime import RuntimeName

main = typer.Typer(name="akshar", help="Reads handwritten Devanagari characters.", no_args_is_help=True)


@main.command()
def predict(
    family: Annotated[str, typer.Argument(help="numerals, vowels, consonants, auto, or a family that was added.")],
    files: Annotated[
        list[Path], typer.Argument(help="Image files of one character each.", exists=True, dir_okay=False)
    ],
    min_confidence: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, envvar="AKSHAR_MIN_CONFIDENCE", help="Confidence from which a prediction is accepted."
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=0.999, help="Add the set of characters that holds the right one in this share of cases."
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option(help="Add the glyph that the model saw, and what was done to the image.")
    ] = False,
    artifacts: Annotated[Path | None, typer.Option(envvar="AKSHAR_ARTIFACTS", help="Folder of the artifacts.")] = None,
    runtime: Annotated[RuntimeName, typer.Option(envvar="AKSHAR_RUNTIME", help="What runs the network.")] = "auto",
    max_pixels: Annotated[
        int, typer.Option(min=1, envvar="AKSHAR_MAX_PIXELS", help="Most pixels of an image that are decoded.")
    ] = MAX_PIXELS,
) -> None:
    """Read image files; prints one prediction or error per line, as JSON, in order.

    Exits with 1 if any file had an error, with 2 for bad arguments, and with 3 if the artifacts cannot be used.
    """
    # Imported here because the service's decoder processes load this file, and need none of it.
    from akshar.model.manifest import BundleError
    from akshar.model.recognizer import AUTO
    from akshar.reader import Reader

    try:
        reader = Reader(artifacts, runtime, max_pixels)
    except BundleError as error:
        typer.echo(error, err=True)
        raise typer.Exit(3) from None
    if family not in (*reader.families, AUTO):
        typer.echo(f"no family '{family}'; there are {', '.join(reader.families)}, {AUTO}", err=True)
        raise typer.Exit(2)
    failed = False
    for file in files:
        try:
            prediction = reader.read(file, family, min_confidence=min_confidence, coverage=coverage, explain=explain)
            result = prediction.model_dump(mode="json", exclude_unset=True)
        except ImageError as error:
            failed, result = True, {"code": error.code, "detail": error.detail}
        typer.echo(json.dumps({"file": str(file), **result}, ensure_ascii=False))
    raise typer.Exit(int(failed))


@main.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port, each with its own models.")] = 1,
) -> None:
    """Serve the API until told to stop; the interactive documentation is at /docs."""
    try:
        from app.server import run
    except ModuleNotFoundError as error:
        typer.echo(
            f"{error.name} is not installed: the service runs from a checkout (`make serve`) or as a container, and is "
            "not part of the wheel.",
            err=True,
        )
        raise typer.Exit(2) from None
    run(host, port, workers)


if __name__ == "__main__":
    main()
