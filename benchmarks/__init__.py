"""Measurements of the service and of its peers, under load from wrk."""
