"""One module per family of outputs; each registers itself by ``OUTPUTS``."""
