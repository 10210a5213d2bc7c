"""What stands in the place of a transaction that was taken away, and says why."""

from typing import TYPE_CHECKING, Final, cast

from headwater.errors import ForkedError, SnapshotTooOldError
from headwater.storage.transactions import Gone

if TYPE_CHECKING:
    import lmdb


def _gone(gone: Gone) -> "lmdb.Transaction[bytes]":
    return cast("lmdb.Transaction[bytes]", gone)


TOO_OLD: Final = _gone(
    Gone(
        SnapshotTooOldError,
        "this snapshot was held for longer than the limit snapshot_seconds and was taken away, as "
        "the file cannot reuse space that an open snapshot sees; take a new one and read in "
        "shorter steps, or raise it: hw.open(..., limits=hw.Limits(snapshot_seconds=...))",
    )
)
OUTGROWN_TEXT: Final = (
    "this snapshot was taken away because the file had to be opened anew (it outgrew its memory "
    "map, was compacted, or a write of its head failed); take a new one"
)
OUTGROWN: Final = _gone(Gone(SnapshotTooOldError, OUTGROWN_TEXT))
FORKED_TEXT: Final = (
    "opened before a fork; open it again in the child process: where a worker starts (gunicorn: in "
    "post_fork) or at its first use"
)
FORKED: Final = _gone(
    Gone(
        ForkedError,
        "this transaction was begun before a fork and belongs to the parent process; open the "
        "database in the child",
    )
)
