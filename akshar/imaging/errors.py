"""What is wrong with an image."""

from __future__ import annotations


class ImageError(Exception):
    """An image that cannot become a glyph. ``code`` is stable and names the reason; the text is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
