"""Predictions for test images, the runs that keep them, and what is measured from both."""
