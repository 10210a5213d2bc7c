"""Floor 8: what can be done with an open database, by what it is for."""
