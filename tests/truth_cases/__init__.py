"""How the outputs of each family are loaded to be compared with the engine's CSV export."""
