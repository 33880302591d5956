"""How wide the strokes of a drawing are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def stroke_width(solid: npt.NDArray[np.bool_]) -> float:
    """The mean width of strokes in pixels: twice their area over the length of their outline."""
    outline = np.count_nonzero(solid[1:] != solid[:-1]) + np.count_nonzero(solid[:, 1:] != solid[:, :-1])
    return 2 * int(np.count_nonzero(solid)) / max(int(outline), 1)
