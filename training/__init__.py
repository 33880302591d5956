"""Offline training: from the data sets to the artifacts that `app` serves."""
