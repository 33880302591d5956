import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from akshar.model.recognizer import Recognizer
from tests.akshar.model.test_recognizer import drawn
from training.data.dataset import Dataset

GLYPHS = drawn()
NAMES = ["numerals", "consonants", "consonants"]


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(0, len(GLYPHS) - 1), min_size=1, max_size=70), noise=st.integers(0, 2**32 - 1))
def test_a_recognition_does_not_depend_on_the_rest_of_the_batch(
    recognizer: Recognizer, rows: list[int], noise: int
) -> None:
    """Drawn glyphs among random neighbours: noise, and each other."""
    alone = [
        recognizer.recognize(glyph[None], [name]).recognitions[0] for glyph, name in zip(GLYPHS, NAMES, strict=True)
    ]
    random = np.random.default_rng(noise)
    neighbours = random.random((random.integers(0, 60), 32, 32), np.float32)
    glyphs = np.concatenate([GLYPHS[rows], neighbours])
    names = [NAMES[row] for row in rows] + random.choice(NAMES, len(neighbours)).tolist()
    order = random.permutation(len(glyphs))
    together = recognizer.recognize(glyphs[order], [names[row] for row in order]).recognitions
    for index, source in enumerate(order):
        if source < len(rows):
            one, other = alone[rows[source]].best, together[index].best
            assert one.entry == other.entry
            assert abs(one.confidence - other.confidence) <= 1e-5


def test_real_images_are_recognized_alike_in_batches_of_any_size(recognizer: Recognizer, nhcd: Dataset) -> None:
    random = np.random.default_rng(1)
    rows = random.choice(len(nhcd), 300, replace=False)
    part = nhcd[rows]
    alone = [
        recognizer.recognize(glyph[None], [family]).recognitions[0].best
        for glyph, family in zip(part.glyphs, part.family, strict=True)
    ]
    start = 0
    while start < len(rows):
        batch = slice(start, start + int(random.integers(2, 65)))
        together = recognizer.recognize(part.glyphs[batch], part.family[batch].tolist()).recognitions
        for one, other in zip(alone[batch], together, strict=True):
            assert one.entry == other.best.entry
            assert abs(one.confidence - other.best.confidence) <= 1e-5
        start = batch.stop
