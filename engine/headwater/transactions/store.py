"""The open database beneath functions: snapshots, transactions, and the way into the log."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from headwater.clock import Clock
from headwater.errors import ConflictError
from headwater.limits import Limits
from headwater.schema.explain import TableNumbers
from headwater.storage.commit_log import Origin, head
from headwater.storage.environment import Environment
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction, Version
from headwater.tables.catalog import Catalog, TableInfo, load_catalog
from headwater.tables.projection import META_CATALOG
from headwater.tables.snapshot import Snapshot
from headwater.transactions.batch import Batch
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.committer import Committer
from headwater.transactions.feeding import Feeding
from headwater.transactions.moment import Moment
from headwater.transactions.origins import origin_of
from headwater.transactions.overlay import Overlay
from headwater.transactions.recent_commits import RecentCommits
from headwater.transactions.rules import TableRules
from headwater.transactions.system_tables import insert_declared, insert_table
from headwater.transactions.transaction import Transaction
from headwater.transactions.usage import Usage
from headwater.transactions.writer import Writer

if TYPE_CHECKING:
    from headwater.transactions.declared_table import DeclaredTable

_NS_PER_MS = 1_000_000
_TICK_NS = 245
"""Just above 1/4096 ms, the distance of two creation times."""


class Observer(Protocol):
    """Who watches the transactions of a store."""

    def transaction(
        self,
        snapshot: Snapshot,
        usage: Usage,
        *,
        moment: Moment,
        is_read_only: bool,
        below: Overlay | None,
    ) -> Transaction:
        """Make a transaction, of a kind that tells what it does."""
        ...

    def looking(self) -> None:
        """This thread is about to take a snapshot."""
        ...

    def published(self, batch: Batch) -> None:
        """A batch is durable, and nobody has been told yet."""
        ...


class Store:
    """Everything that transactions share.

    Attributes:
        tables: How this database numbers its tables, for the checks of ids.
        rules: What documents have to pass.
        feeding: Which projections this process can feed.
        on_commit: Called by whoever committed after each batch, before its callers go on.
        on_doubt: Called there after a batch that failed and may be durable all the same.
        tell_others: Called after either: wakes other processes on the same directory.
        service_table: The declaration of a service's table, which is made when it is first written
            to; None for any other name.
        on_catalog: Called when this process sees another catalog, by whoever looked; must not look
            itself.
        observer: Watches what transactions read and what is committed, while histories are
            recorded.
    """

    def __init__(self, environment: Environment, *, limits: Limits, clock: Clock) -> None:
        self.environment = environment
        self.limits = limits
        self.clock = clock
        self.tables: TableNumbers = TableNumbers(self._number_of, self._name_of)
        self.rules: TableRules = TableRules(self.tables, nesting=limits.nesting)
        self.feeding: Feeding = Feeding(limits, clock)
        self.on_commit: Callable[[list[CommitKeys]], None] | None = None
        self.on_doubt: Callable[[], None] | None = None
        self.tell_others: Callable[[], object] | None = None
        self.service_table: Callable[[str], DeclaredTable | None] = _no_service
        self.on_catalog: Callable[[Catalog], None] | None = None
        self.observer: Observer | None = None
        self._catalog_lock = threading.Lock()
        self._now_lock = threading.Lock()
        self._now_ns = 0
        with environment.read() as reader:
            self._known = _Known(
                reader.version(), head(reader), _catalog_ts(reader), load_catalog(reader)
            )
        self.recent: RecentCommits = RecentCommits(self._known.head_ts, limits)
        self.committer: Committer = Committer(self)
        environment.batches = self.committer

    @property
    def catalog(self) -> Catalog:
        """The newest catalog that this process has seen."""
        return self._known.catalog

    def _number_of(self, name: str) -> int | None:
        table = self.catalog.by_name.get(name)
        return table.number if table else None

    def _name_of(self, number: int) -> str | None:
        table = self.catalog.by_number.get(number)
        return table.name if table else None

    # -- snapshots ------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """A snapshot of the newest commit, of any process."""
        if self.observer is not None:
            self.observer.looking()
        reader = self.environment.read()
        try:
            return self.snapshot_of(reader)
        except BaseException:
            reader.close()
            raise

    def snapshot_of(self, reader: ReadTransaction) -> Snapshot:
        """What a storage transaction sees, with the catalog as of then."""
        known, version = self._known, reader.version()
        if version != known.version:
            known = self._look_at(reader, version)
        return Snapshot(reader, known.catalog, known.head_ts)

    def _look_at(self, reader: ReadTransaction, version: Version) -> "_Known":
        """The head of a snapshot and the catalog in it; kept if it is newer than what is known."""
        ts = head(reader)
        with self._catalog_lock:
            catalog_ts = _catalog_ts(reader)
            known = self._known
            catalog = known.catalog if catalog_ts == known.catalog_ts else load_catalog(reader)
            found = _Known(version, ts, catalog_ts, catalog)
            if ts >= known.head_ts:
                self._known = found
                if _are_renumbered(known.catalog, catalog):
                    self.tables.renumbered()
                if self.on_catalog is not None and catalog is not known.catalog:
                    self.on_catalog(catalog)
            return found

    # -- transactions ---------------------------------------------------------------------------

    def begin(
        self,
        snapshot: Snapshot,
        *,
        function: str = "",
        below: Overlay | None = None,
        seconds_limit: str | None = "mutation_seconds",
        is_read_only: bool = False,
    ) -> Transaction:
        """A transaction over a snapshot, with a time and a seed of its own."""
        usage = Usage(self.limits, self.clock, seconds_limit=seconds_limit, function=function)
        make = Transaction if self.observer is None else self.observer.transaction
        return make(
            snapshot,
            usage,
            moment=Moment(self._next_now_ms, self.clock.seed),
            is_read_only=is_read_only,
            below=below,
        )

    def _next_now_ms(self) -> float:
        """The clock, but never the same creation time for two transactions of this process."""
        with self._now_lock:
            self._now_ns = max(self.clock.now_ns(), self._now_ns + _TICK_NS)
            return self._now_ns / _NS_PER_MS

    def ended(self, transaction: Transaction) -> None:
        """Let the next transaction begin after the creation times that this one has given out."""
        end_ns = transaction.creation_end_ms * _NS_PER_MS
        if end_ns > self._now_ns:
            with self._now_lock:
                self._now_ns = max(self._now_ns, int(end_ns))

    def writer(self, transaction: Transaction) -> Writer:
        """The tables as a mutation sees them."""
        return Writer(transaction, self.rules)

    def feed(self, transaction: Transaction, writer: str = "") -> None:
        """Feed the projections with what a transaction has written, as writes of its own.

        Args:
            transaction: Its function has returned.
            writer: The projection on whose behalf it writes; empty for anybody else.

        Raises:
            ProjectionTableError: It has written to a table of another projection.
            Exception: What a projection raises.
        """
        if transaction.snapshot.catalog.projections:
            self.feeding.feed(transaction, writer)

    def commit(self, transaction: Transaction, origin: Origin, *, writer: str = "") -> int:
        """Feed, validate and commit a transaction that has run, and return its timestamp.

        What it wrote is durable on return. A transaction that wrote nothing has nothing to commit:
        it is serialized at its snapshot.

        Args:
            transaction: Its function has returned.
            origin: Where it comes from.
            writer: The projection on whose behalf it writes; empty for anybody else.

        Raises:
            ConflictError: Another commit changed something that it read.
            ProjectionTableError: It has written to a table of another projection.
            Exception: What a projection raises.
        """
        if not transaction.own:
            return transaction.snapshot.ts
        self.feed(transaction, writer)
        request = CommitRequest(origin, transaction=transaction)
        self.committer.run(request)
        self.ended(transaction)
        return request.ts

    def create_table(self, name: str, made: set[int] | None = None) -> TableInfo:
        """The table of that name, created in a commit of its own if it does not exist.

        Args:
            name: Of the table.
            made: Takes the timestamp of that commit.
        """
        while (info := self.catalog.by_name.get(name)) is None:
            snapshot = self.snapshot()
            try:
                transaction = self.begin(snapshot)
                if name not in snapshot.catalog.by_name:
                    declared = self.service_table(name)
                    if declared is None:
                        insert_table(transaction, name, schema=None)
                    else:
                        insert_declared(transaction, declared)
                    ts = self.commit(transaction, origin_of("_create_table"))
                    if made is not None:
                        made.add(ts)
            except ConflictError:
                continue  # somebody else has changed the tables, perhaps created this one
            finally:
                snapshot.close()
        return info

    def published(self, batch: Batch) -> None:
        """A batch is durable: remember its keys and tell the live queries."""
        if not batch.commits:
            return
        self.recent.add(batch.keys)
        if self.observer is not None:
            self.observer.published(batch)
        if batch.catalog_ts is not None:
            self.snapshot().close()
        else:
            with self._catalog_lock:
                known = self._known
                if known.head_ts == batch.head_ts:
                    self._known = _Known(
                        batch.version, batch.last_ts, known.catalog_ts, known.catalog
                    )
        if self.on_commit is not None:
            self.on_commit(batch.keys)
        if self.tell_others is not None:
            self.tell_others()

    def look_again(self) -> None:
        """Have whoever watches look at the log: it may have commits that no batch has told of."""
        if self.on_doubt is not None:
            self.on_doubt()
        if self.tell_others is not None:
            self.tell_others()

    def close(self) -> None:
        """Finish what is queued and release the files."""
        self.committer.close()
        self.environment.close()


def _no_service(_: str) -> "DeclaredTable | None":
    """Where there are no services."""
    return None


class _Known(NamedTuple):
    """The newest commit that this process has seen, and the catalog as of then."""

    version: Version
    head_ts: int
    catalog_ts: int
    catalog: Catalog


def _are_renumbered(old: Catalog, new: Catalog) -> bool:
    """Whether a table has another number now, as after an import."""
    return old is not new and any(
        table.number != new.by_name[name].number
        for name, table in old.by_name.items()
        if name in new.by_name
    )


def _catalog_ts(reader: ReadTransaction) -> int:
    stored = reader.get(Database.META, META_CATALOG)
    return 0 if stored is None else int.from_bytes(stored, "big")
