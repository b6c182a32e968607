"""The OpenQuake Engine's HTTP API as Python: no QGIS, only requests."""
