"""Whether the session that a caller's token belongs to still goes on, as a live query."""

from typing import Final

from headwater.functions.accounts import AccountSession
from headwater.functions.runner import Runner
from headwater.reactive.evaluation import Evaluation
from headwater.reactive.live_queries import Wanted
from headwater.schema.tables import Id
from headwater.storage.codec import pack
from headwater.tables.snapshot import Snapshot
from headwater.transactions.reader import Reader

GOES_ON: Final = pack("goes on")
"""What it gives as long as the session is there."""
_HAS_ENDED: Final = pack("has ended")


def session_goes_on(runner: Runner, session: Id[AccountSession]) -> Wanted:
    """A query that says whether a session is there; it is run again when that may have changed."""
    store = runner.store

    def evaluate(snapshot: Snapshot, journal: str | None) -> Evaluation:
        transaction = store.begin(snapshot, is_read_only=True)
        goes_on = Reader(transaction).get(session) is not None
        intervals = tuple(transaction.reads.intervals())
        return Evaluation(GOES_ON if goes_on else _HAS_ENDED, None, intervals, journal)

    return ("_session_goes_on", session), evaluate
