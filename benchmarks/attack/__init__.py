"""A mixed attack beside normal load, and a flood of large images beside small ones."""
