"""Fonts as pens write them: strokes of one width, the same way at every call."""

from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from akshar.model.classes import CATALOGUE
from training.data.fonts import read_fonts
from training.data.stroke_fonts import TIMES, written


def page() -> Image.Image:
    """Type's contrast: a heavy bar above, a hairline below."""
    drawn = Image.new("L", (384, 384), 255)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((80, 100, 300, 139), 0)
    pen.rectangle((80, 250, 300, 255), 0)
    pen.rectangle((187, 100, 196, 255), 0)
    return drawn


def widths(image: Image.Image) -> tuple[int, int]:
    """Pixels of ink in a column that crosses both bars: in the upper and in the lower one."""
    ink = np.asarray(image) < 128
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    column = ink[:, columns[len(columns) // 4]]
    middle = (rows[0] + rows[-1]) // 2
    return int(column[:middle].sum()), int(column[middle:].sum())


def test_strokes_have_one_width_and_each_writing_a_different_one() -> None:
    upper, lower = widths(page())
    assert upper > 5 * lower
    writings = list(written(page()))
    assert len(writings) == TIMES
    for writing in writings:
        upper, lower = widths(writing)
        assert lower > 0
        assert abs(upper - lower) <= 2
    assert len({widths(writing)[0] for writing in writings}) == TIMES


def test_the_same_page_is_always_written_the_same_way() -> None:
    first, again = ([np.asarray(writing) for writing in written(page())] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_every_character_of_a_font_is_written() -> None:
    folder = Path(str(files("fontpkg_kalam"))) / "files"
    printed, by_pen = read_fonts(folder), read_fonts(folder, written)
    assert len(by_pen) == TIMES * len(printed)
    assert set(by_pen.joint) == set(range(sum(map(len, CATALOGUE.values()))))
    assert not set(by_pen.content) & set(printed.content)
