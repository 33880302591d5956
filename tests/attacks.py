"""The image files of `benchmarks.hostile`, under the name that tests know them by."""

from benchmarks.hostile import (
    comments,
    exif_segments,
    frames,
    junk_between_segments,
    many_scans,
    palettes,
    pixel_chunks,
    sub_blocks,
    tables,
    text_chunks,
    truncated_png,
    white_webp,
)

__all__ = [
    "comments",
    "exif_segments",
    "frames",
    "junk_between_segments",
    "many_scans",
    "palettes",
    "pixel_chunks",
    "sub_blocks",
    "tables",
    "text_chunks",
    "truncated_png",
    "white_webp",
]
