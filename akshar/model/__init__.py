"""From glyphs to recognitions: the extractor, the SVC of each family, and how far each answer can be trusted."""
