"""The service: reads handwritten Devanagari characters."""
