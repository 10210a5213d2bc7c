"""How far a database had come when it was last closed: a lower bound, noted beside the file.

A data file that has less went back in time: it is an old copy, or a bit of a head page was
flipped, which LMDB cannot tell. Transactions are LMDB's, and a flipped root leads to an old state
under a new number; so the newest commit is noted as well.
"""

from pathlib import Path
from typing import NamedTuple

from headwater.storage.format import LAST_TRANSACTION_NAME
from headwater.storage.manifest import read_small, write_durably


class Newest(NamedTuple):
    """What there was at least. Zeros where it is not known.

    Attributes:
        transaction: Number of LMDB's newest transaction.
        ts: Timestamp of the newest commit, nanoseconds since the epoch.
    """

    transaction: int
    ts: int


def read_newest(directory: Path) -> Newest:
    """What was noted; zeros for a note that is missing or makes no sense."""
    try:
        numbers = [int(word) for word in read_small(directory, LAST_TRANSACTION_NAME).split()]
    except (OSError, ValueError):
        return Newest(0, 0)
    transaction, ts = (*numbers, 0, 0)[:2]
    return Newest(transaction, ts)


def write_newest(directory: Path, newest: Newest) -> None:
    """Note it, durably.

    Raises:
        OSError: Of the system.
    """
    write_durably(directory / LAST_TRANSACTION_NAME, f"{newest.transaction} {newest.ts}".encode())
