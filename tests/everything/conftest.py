"""What takes too long for every day runs where it is asked for: ``pytest tests/everything``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def registry(qgis_app, qgis_processing) -> Iterator:
    """The registry of Processing, with our provider in it."""
    from qgis.core import QgsApplication

    from oq_processing.provider import OpenQuakeProvider

    registry = QgsApplication.processingRegistry()
    provider = None
    if registry.providerById("openquake") is None:
        provider = OpenQuakeProvider()
        assert registry.addProvider(provider)
    yield registry
    if provider is not None:
        registry.removeProvider(provider)
