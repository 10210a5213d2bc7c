"""Options that several commands have; what is wrong is said before anything is measured."""

import argparse
from pathlib import Path


def positive(text: str) -> int:
    """A count."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def existing_directory(text: str) -> Path:
    """Where databases are put."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no directory {text}")
    return path


def new_file(text: str) -> Path:
    """What is written at the end, which may be an hour away."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written: no such directory, or is one")
    return path
