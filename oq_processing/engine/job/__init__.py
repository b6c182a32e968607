"""From an .ini file, a folder or a zip to the archive that is sent."""
