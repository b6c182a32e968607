"""An output becomes a figure, as data."""
