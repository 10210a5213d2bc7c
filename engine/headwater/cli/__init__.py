"""Floor 10: the command ``headwater``."""
