"""Data sets, their splits, and what is added to them: augmentation, fonts, other writers."""
