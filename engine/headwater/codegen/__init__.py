"""Floor 10: the functions and tables of an application, written down for other languages."""
