"""How far back the log goes: the commit below which it has been trimmed."""

from typing import Final

from headwater.errors import LogTrimmedError
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction

META_TRIMMED: Final = b"trimmed"


def horizon(reader: ReadTransaction) -> int:
    """Timestamp of the oldest commit whose state the log still gives whole; 0 if it was never cut.

    Nanoseconds since the epoch. The state at the horizon itself can be read. O(log n).
    """
    stored = reader.get(Database.META, META_TRIMMED)
    return 0 if stored is None else int.from_bytes(stored, "big")


def check_horizon(reader: ReadTransaction, ts: int) -> None:
    """Refuse a moment that the log does not reach any more.

    Args:
        reader: What is read from.
        ts: Nanoseconds since the epoch.

    Raises:
        LogTrimmedError: The log was trimmed to a later commit.
    """
    oldest = horizon(reader)
    if ts < oldest:
        raise LogTrimmedError(
            f"moment {ts} was asked for, and the log has been trimmed (db.trim_log()): what it "
            f"still tells begins at {oldest}. Ask for {oldest} or later, or open a backup from "
            "before the trimming",
            ts=ts,
            horizon=oldest,
        )
