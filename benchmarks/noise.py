"""How much noise the reader accepts as characters: ``python -m benchmarks.noise``, about a minute on one core.

`PER_KIND` images of each kind and side are read as uploads are, and each is recognized as every family and as ``auto``.
The table goes to the console and to ``build/noise.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from akshar.imaging.errors import ImageError
from akshar.imaging.reader import Reading, read
from akshar.model.abstention import DecisionOptions, decide
from akshar.model.choice import choose_each
from akshar.model.loading import load_recognizer
from akshar.model.recognizer import AUTO, Recognizer
from benchmarks.report import table_header

Levels = npt.NDArray[np.float64]
"""Grey levels, 0 to 255, shape (side, side)."""

SIDES: Final = (16, 24, 32, 40, 64, 100, 200, 400)
PER_KIND: Final = 250
OUTPUT: Final = Path("build/noise.md")


def _uniform(rng: np.random.Generator, side: int) -> Levels:
    return rng.uniform(0, 255, (side, side))


def _gaussian(rng: np.random.Generator, side: int) -> Levels:
    return rng.normal(128, 40, (side, side))


def _binary(rng: np.random.Generator, side: int) -> Levels:
    return np.where(rng.random((side, side)) < 0.5, 255.0, 0.0)


def _sparse(rng: np.random.Generator, side: int) -> Levels:
    """Binary noise of which less than half is ink."""
    return np.where(rng.random((side, side)) < rng.uniform(0.02, 0.5), 0.0, 255.0)


def _blob(rng: np.random.Generator, side: int) -> Levels:
    """A round Gaussian blob anywhere in the image, dark or light."""
    return _levels(rng, _bump(rng, side, rng.uniform(0.05, 0.3)))


def _centered_blob(rng: np.random.Generator, side: int) -> Levels:
    """A dark Gaussian blob in the middle."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    return np.asarray(255 - 255 * np.exp(-(rows**2 + columns**2) / (2 * rng.uniform(0.1, 0.3) ** 2)), np.float64)


def _oval(rng: np.random.Generator, side: int) -> Levels:
    """A Gaussian blob of two different widths, turned."""
    return _levels(rng, _bump(rng, side, *rng.uniform(0.05, 0.3, 2)))


def _blobs(rng: np.random.Generator, side: int) -> Levels:
    """The sum of two to eight round Gaussian blobs."""
    number = int(rng.integers(2, 9))
    return _levels(rng, np.sum([_bump(rng, side, rng.uniform(0.04, 0.15)) for _ in range(number)], axis=0))


def _low_passed(rng: np.random.Generator, side: int) -> Levels:
    """White noise after a low-pass, from grains of a few pixels to clouds."""
    return _levels(rng, ndimage.gaussian_filter(rng.standard_normal((side, side)), side * rng.uniform(0.02, 0.2)))


def _bump(rng: np.random.Generator, side: int, along: float, across: float | None = None) -> Levels:
    """A Gaussian of these widths, as shares of the side, turned at random."""
    rows, columns = (np.mgrid[:side, :side] + 0.5) / side - rng.uniform(0.2, 0.8, (2, 1, 1))
    turn = rng.uniform(0, np.pi)
    u, v = np.cos(turn) * rows + np.sin(turn) * columns, np.cos(turn) * columns - np.sin(turn) * rows
    bump: Levels = np.exp(-((u / along) ** 2 + (v / (across or along)) ** 2) / 2)
    return bump


def _levels(rng: np.random.Generator, surface: Levels) -> Levels:
    """A surface of any heights as grey levels, dark on light or light on dark."""
    levels: Levels = 255 * (surface - surface.min()) / max(float(np.ptp(surface)), 1e-9)
    return levels if rng.integers(2) else 255 - levels


KINDS: Final[Mapping[str, Callable[[np.random.Generator, int], Levels]]] = {
    "uniform": _uniform,
    "gaussian": _gaussian,
    "binary": _binary,
    "sparse binary": _sparse,
    "blob": _blob,
    "oval blob": _oval,
    "blobs": _blobs,
    "low-passed": _low_passed,
    "centered blob": _centered_blob,
}


def draw_noise(kind: str, side: int, number: int, seed: int = 18) -> Iterator[Image.Image]:
    """Square greyscale images of ``side`` pixels of one of `KINDS`; the same seed draws the same images."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), side])
    for _ in range(number):
        yield Image.fromarray(np.rint(KINDS[kind](rng, side)).clip(0, 255).astype(np.uint8))


def read_noise(kind: str, side: int, number: int, seed: int = 18) -> list[Reading]:
    """The readings of these images; those in which nothing stands out are left out."""
    readings = []
    for image in draw_noise(kind, side, number, seed):
        try:
            readings.append(read(image))
        except ImageError:
            continue
    return readings


def count_accepted(recognizer: Recognizer, readings: list[Reading]) -> dict[str, int]:
    """How many of the readings are accepted as each family, and with ``auto``."""
    names = (*recognizer.families, AUTO)
    if not readings:
        return dict.fromkeys(names, 0)
    options = DecisionOptions(recognizer.min_confidence)
    glyphs = np.stack([glyph for reading in readings for glyph in reading.glyphs])
    features = recognizer.extractor(glyphs)
    return {
        name: sum(
            not decide(recognition, reading, options).reasons
            for recognition, reading in choose_each(readings, recognizer.classify(features, [name] * len(glyphs)))
        )
        for name in names
    }


def main() -> None:
    """Print the table and write it."""
    recognizer, _ = load_recognizer(None, "auto")
    names = (*recognizer.families, AUTO)
    lines = table_header("kind", "side", *(f"{name}, %" for name in names))
    print(*lines, sep="\n")
    for kind in KINDS:
        for side in SIDES:
            accepted = count_accepted(recognizer, read_noise(kind, side, PER_KIND))
            lines.append(f"| {kind} | {side} | {' | '.join(f'{accepted[n] / PER_KIND:.1%}'[:-1] for n in names)} |")
            print(lines[-1], flush=True)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
