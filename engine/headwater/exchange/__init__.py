"""Floor 6: documents to files and back, in formats that other programs read."""
