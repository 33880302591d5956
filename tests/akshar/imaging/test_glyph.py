import numpy as np

from akshar.imaging.glyph import from_png, to_png


def test_a_glyph_survives_its_png() -> None:
    glyph = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    np.testing.assert_allclose(from_png(to_png(glyph)), glyph, atol=0.5 / 255)
