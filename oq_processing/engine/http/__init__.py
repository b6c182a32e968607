"""Requests to the engine's server."""
