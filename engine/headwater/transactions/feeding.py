"""Projections fed in the transaction that changes what they are made from.

It happens after the transaction's function has returned and before anything is validated, so what
a projection reads and writes is part of the transaction. A projection that this process does not
know, because it was opened without its module, cannot be fed: it is marked as stale in the same
transaction, and a process that knows it catches up from the log.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from headwater.clock import Clock
from headwater.limits import Limits
from headwater.storage.format import open_document
from headwater.tables.log_entries import Change
from headwater.tables.projection_info import ProjectionInfo, Projections
from headwater.transactions.rules import not_writable
from headwater.transactions.system_tables import set_projection_state
from headwater.transactions.transaction import Transaction
from headwater.transactions.usage import Usage


class Feeder(Protocol):
    """The code that makes one projection."""

    def fits(self, info: ProjectionInfo) -> bool:
        """Whether it is this code that the stored projection is to be made by."""
        ...

    def apply(self, transaction: Transaction, changes: Sequence[Change]) -> None:
        """Bring the tables of the projection forward by some changes.

        Raises:
            Exception: Whatever the code raises.
        """
        ...


class Feeding:
    """What this process can feed.

    Attributes:
        feeders: By the name of the projection.
    """

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self.feeders: dict[str, Feeder] = {}

    def feed(self, transaction: Transaction, writer: str) -> None:
        """Feed all projections of a transaction's catalog with what it has written.

        Args:
            transaction: Its function has returned.
            writer: The projection that it writes for; empty for anybody else.

        Raises:
            ProjectionTableError: It has written to a table of another projection.
            Exception: What a projection raises.
        """
        projections = transaction.snapshot.catalog.projections
        _check_owners(transaction, projections, writer)
        before = transaction.usage
        try:
            for info in projections.by_name.values():
                if info.feed == "commit" and info.state == "ready" and info.name != writer:
                    self._feed_one(transaction, info)
        finally:
            transaction.usage = before

    def pass_by(self, transaction: Transaction) -> None:
        """Mark as stale what a transaction would have to feed, but must not.

        For writes under the write lock, where no code of an application runs: whoever knows the
        projections catches up from the log.

        Raises:
            ProjectionTableError: It has written to a table of a projection.
        """
        projections = transaction.snapshot.catalog.projections
        _check_owners(transaction, projections, "")
        for info in projections.by_name.values():
            is_fed = info.feed == "commit" and info.state == "ready"
            if is_fed and any(True for _ in net_changes(transaction, info)):
                set_projection_state(transaction, info, "stale")

    def _feed_one(self, transaction: Transaction, info: ProjectionInfo) -> None:
        changes = list(net_changes(transaction, info))
        if not changes:
            return
        # Of its own: what the function itself has used of its limits, it has used alone.
        transaction.usage = Usage(
            self._limits,
            self._clock,
            seconds_limit="mutation_seconds",
            function=f"projection {info.name}",
        )
        feeder = self.feeders.get(info.name)
        if feeder is not None and feeder.fits(info):
            feeder.apply(transaction, changes)
        else:
            set_projection_state(transaction, info, "stale")


def _check_owners(transaction: Transaction, projections: Projections, writer: str) -> None:
    """Refuse writes to tables that only a projection writes."""
    for name in _touched(transaction):
        owner = projections.owners.get(name)
        if owner is not None and owner.name != writer:
            raise not_writable(name, owner.name)


def _touched(transaction: Transaction) -> set[str]:
    """Names of the tables that it has written to."""
    by_number = transaction.snapshot.catalog.by_number
    new = {table.number: table for table in transaction.tables.values()}
    return {(by_number.get(n) or new[n]).name for n in transaction.own.by_table}


def net_changes(transaction: Transaction, info: ProjectionInfo) -> Iterator[Change]:
    """What the log is going to say of a transaction, as far as a projection is fed with it."""
    projections = transaction.snapshot.catalog.projections
    if not any(projections.takes(info, name) for name in _touched(transaction)):
        return
    for key, write in transaction.own.documents.items():
        table = write.table
        if table.is_system or write.is_nothing or not projections.takes(info, table.name):
            continue
        is_new = write.is_revival or not write.previous_ts
        before = None if is_new else _body_below(transaction, key)
        yield Change(table.name, key.decode("ascii"), write.creation_time, before, write.body)


def _body_below(transaction: Transaction, key: bytes) -> bytes | None:
    """A document as the transaction has found it."""
    for layer in transaction.layers[1:]:
        write = layer.documents.get(key)
        if write is not None:
            return write.body
    record = transaction.snapshot.record(key)
    return None if record is None else open_document(key, record)[2]
