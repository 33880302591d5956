"""From the bytes of an image file to one canonical glyph."""
