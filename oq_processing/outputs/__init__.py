"""An output of the engine as tables: pure Python, no QGIS."""
