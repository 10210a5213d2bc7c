"""The steps of cascades as transactions of their own, whoever takes them."""

from contextlib import closing

from headwater.errors import ConflictError
from headwater.storage.commit_log import Origin
from headwater.transactions.cascades import advance, underway
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction

_FUNCTION = "_cascade"
"""The origin of the commits that are made here."""


def finish_cascades(store: Store) -> None:
    """Take all the steps that there are to take. Must not be called on the committer's thread."""
    while take_step(store):
        pass


def take_step(store: Store) -> bool:
    """Take a step of the oldest cascade; returns whether there was one.

    Several processes may do so at once: of two that take the same step, one loses and goes on.

    Raises:
        Exception: What a projection raises that is fed with it.
    """
    for _ in range(store.limits.optimistic_attempts):
        with closing(store.snapshot()) as snapshot:
            transaction = store.begin(snapshot, function=_FUNCTION, seconds_limit=None)
            id = _advance_oldest(transaction)
            try:
                if id:
                    store.commit(transaction, _origin(id))
            except ConflictError:
                continue
            return bool(id)
    # Whoever writes to what it deletes cannot come between here.
    request = CommitRequest(Origin(function=_FUNCTION), run=_advance_oldest)
    store.committer.submit(request)
    return bool(request.wait())


def _advance_oldest(transaction: Transaction) -> str:
    """Take a step of the oldest cascade; returns its document's id, empty if there is none."""
    oldest = next(underway(transaction), None)
    if oldest is None:
        return ""
    id: str = oldest["_id"]
    advance(transaction, id)
    return id


def _origin(id: str) -> Origin:
    return Origin(function=_FUNCTION, details={"cascade": id})
