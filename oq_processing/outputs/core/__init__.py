"""What all readers are made of: tables, choices, words, the sources of bytes."""
