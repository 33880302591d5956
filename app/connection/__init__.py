"""Connections: what bounds them before a request reaches the app."""
