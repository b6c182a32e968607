"""The algorithms: one file each, named after its id."""
