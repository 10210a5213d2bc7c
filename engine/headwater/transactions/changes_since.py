"""What was committed between an earlier snapshot and a transaction that runs in turn."""

from collections.abc import Iterator

from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction


def touched_keys(
    store: Store, transaction: Transaction, space: int, since_ts: int
) -> Iterator[bytes]:
    """Keys of a space that were changed after ``since_ts``, in no order, some of them twice.

    The commits of the transaction's own batch are among them, its own writes are not.

    Raises:
        LogTrimmedError: Some of the commits have been trimmed away.
    """
    for commit in store.recent.since(transaction.snapshot, since_ts):
        yield from commit.keys_of(space)
    assert transaction.below is not None, "only what runs in turn knows all that came before it"
    if space == DOCUMENTS_SPACE:
        yield from transaction.below.documents
    else:
        yield from transaction.below.touched().get(space, ())
