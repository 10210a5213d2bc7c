"""Mutations of clients that send them again when a connection breaks: each has its effect once.

A client numbers the requests of its session. What a mutation returned is kept in the transaction
that has its effect, so that neither can be there without the other; sent again, the same request is
answered from there. One that wrote nothing, or failed, is not kept: running it again is harmless.

Source: the observable behaviour of Convex's sync protocol, which its client of npm relies on.
"""

import contextlib
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from headwater.functions.calls import Call
from headwater.functions.runner import Runner
from headwater.schema.tables import Document, Index, Table
from headwater.storage.codec import pack, unpack
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_MS: Final = 1000
_FORGOTTEN_AT_ONCE: Final = 1000


class ClientRequest(Document["ClientRequest"]):
    """One request of a client that has changed something. ``result`` is packed."""

    session: str
    request: int
    result: bytes


class ClientRequests(Table[ClientRequest], name="_client_requests", number=1060):
    """The requests of clients that have changed something, until they are forgotten."""

    by_request: ClassVar[Index] = Index("session", "request", unique=True)


class Answered(NamedTuple):
    """What has become of a mutation.

    Attributes:
        value: What it returned, now or when it was sent for the first time.
        ts: Timestamp of the commit that was made then; None if that was just now, or if nothing
            was changed.
    """

    value: Any
    ts: int | None


def run_once(
    runner: Runner, call: Call, session: str, request: int
) -> Callable[[Transaction], Answered]:
    """What runs a client's mutation on a transaction, unless it was committed before.

    Args:
        runner: Of the database.
        call: Of the mutation.
        session: Of the client; not to be guessed by another one.
        request: Its number in the session.
    """

    def run(transaction: Transaction) -> Answered:
        transaction.identity = call.caller
        writer = ServiceWriter.of(runner.store.writer(transaction))
        requests = writer.query(ClientRequests)
        known = requests.with_index(ClientRequests.by_request, session, request).unique()
        if known is not None:
            existing = transaction.existing(known["_id"].encode("ascii"))
            assert existing is not None, "it was just read"
            return Answered(unpack(known["result"]), existing.ts)
        value = runner.run_job(call, transaction)
        if transaction.own:
            fields = {"session": session, "request": request, "result": pack(value)}
            writer.insert(ClientRequests, fields)
        return Answered(value, None)

    return run


def forget_old(runner: Runner) -> int:
    """Forget the requests that no client sends again, and return how many there were.

    Those are older than ``limits.client_requests_seconds``. O(1) if there are none.
    """
    store = runner.store
    before = store.clock.now_ns() / 1_000_000 - store.limits.client_requests_seconds * _MS
    count = 0
    while _has_older(runner, before):
        forgotten = runner.serve("_client_requests", lambda tx: _forget(runner, tx, before))
        count += forgotten
        if forgotten < _FORGOTTEN_AT_ONCE:
            break
    return count


def _has_older(runner: Runner, before: float) -> bool:
    store = runner.store
    with contextlib.closing(store.snapshot()) as snapshot:
        info = snapshot.catalog.by_name.get(ClientRequests.table_name)
        if info is None:
            return False
        oldest = next(snapshot.decode(snapshot.records(*info.bounds, reverse=False)), None)
        return oldest is not None and oldest["_creationTime"] < before


def _forget(runner: Runner, transaction: Transaction, before: float) -> int:
    writer = ServiceWriter.of(runner.store.writer(transaction))
    forgotten = 0
    for request in writer.query(ClientRequests).take(_FORGOTTEN_AT_ONCE):
        if request["_creationTime"] >= before:
            break
        writer.delete(request["_id"])
        forgotten += 1
    return forgotten
