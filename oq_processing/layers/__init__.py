"""A table becomes a QGIS layer: sink, style, metadata."""
