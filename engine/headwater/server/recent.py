"""Moments that clients may ask about: those of now, and of a short while ago.

A client that runs several queries on one moment asks for its timestamp first. What lies further
back is not for clients: what was deleted is gone for them.
"""

from contextlib import closing
from http import HTTPStatus
from typing import Final

from headwater.errors import RequestInvalidError
from headwater.reactive.log_reading import read_log
from headwater.server.refusals import RefusalError
from headwater.tables.log_entries import Wanted
from headwater.transactions.store import Store

_NS_PER_SECOND: Final = 1_000_000_000


def newest_timestamp(store: Store) -> int:
    """That of the newest commit, 0 if there is none."""
    with closing(store.snapshot()) as snapshot:
        return snapshot.ts


def check_recent(store: Store, at: int) -> None:
    """Refuse a moment that lies too far back, or is yet to come. Reads one entry of the log.

    Raises:
        RequestInvalidError: It has not come yet.
        RefusalError: Its state was replaced longer than ``limits.query_at_seconds`` ago.
        LogTrimmedError: The log does not reach back so far.
    """
    if at > newest_timestamp(store):
        raise RequestInvalidError("ts: that of no commit yet; ask /api/query_ts for the newest one")
    seconds = store.limits.query_at_seconds
    # What counts is how long ago its state was replaced, not how long ago it began.
    following = read_log(store, at, 1, Wanted(None))
    if following and following[0].ts < store.clock.now_ns() - int(seconds * _NS_PER_SECOND):
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            "OutOfRetention",
            f"ts: its state was replaced more than {seconds:g} s ago, the limit query_at_seconds",
        )
