"""One batch of a migration: the next documents, in the transaction that notes how far it came.

What was there when a migration began is walked in the order of creation, up to the last of it. What
others insert after that is found in the log, commit by commit. A document that is inserted late,
with an earlier creation time, belongs to the walk if that has not come to it yet, and to the log
otherwise. So each is met once, whatever is inserted when.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import repeat
from typing import Any, Final, Literal, cast

from headwater.errors import ReturnValueError
from headwater.functions.contexts import MutationCtx
from headwater.functions.migrations import Migration, MigrationPosition, MigrationRun
from headwater.schema.tables import Id
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit
from headwater.storage.format import Database
from headwater.tables.catalog import TableInfo
from headwater.tables.horizon import check_horizon
from headwater.tables.replay import creation_time
from headwater.tables.snapshot import DOCUMENTS_SPACE
from headwater.transactions.key_ranges import KeyRange
from headwater.transactions.overlay import Overlay
from headwater.transactions.reader import Reader
from headwater.transactions.scan import CHUNK_MAX, Scan, limited
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer
from headwater_indexes.definition import CREATION_TIME
from headwater_indexes.ids import table_number_of
from headwater_indexes.values import MISSING

_COMMITS_AT_ONCE: Final = 1000
"""Commits that one batch looks through."""

_FAILED_AT: Final = "headwater_migrated_document"
_ERROR_CHARACTERS: Final = 4000


def first_position(transaction: Transaction, table: str) -> dict[str, Any]:
    """Where a migration of a table begins: what is there now is walked, the rest is in the log."""
    last = Reader(transaction).query(table).order("desc").first()
    seen = _seen_ts(transaction)
    begun: dict[str, Any] = {"seen": seen, "began": seen}
    return begun if last is None else {**begun, "end": _position_of(last)}


def take_batch(migration: Migration[Any], ctx: MutationCtx, id: Id[MigrationRun]) -> bool:
    """Do the next batch, and note that; returns whether it was the last.

    Raises:
        LogTrimmedError: The log does not say any more what was inserted meanwhile.
        Exception: What the function raised; `failed_at` says at which document.
    """
    writer = ServiceWriter.of(ctx.db)
    run = writer.get(id)
    assert run is not None, "the run is there, or it would not have begun"
    batch = _Batch(migration, ctx, run)
    is_done = batch.look_at_new() and batch.walk()
    batch.close(is_last=is_done)
    writer.patch(id, batch.progress)
    return is_done


def failed_at(error: BaseException) -> str | None:
    """The document at which a batch has failed, None if it was at none."""
    id: str | None = getattr(error, _FAILED_AT, None)
    return id


class _Batch:
    """A transaction's part of a migration.

    Attributes:
        progress: What has changed of the run.
    """

    def __init__(self, migration: Migration[Any], ctx: MutationCtx, run: MigrationRun) -> None:
        self._migrate = _Migrator(migration, ctx)
        self._transaction = ctx.transaction
        self._table = ctx.transaction.table(run["table"])
        self._run = run
        self._left = migration.batch_documents
        self.progress: dict[str, Any] = {}

    # -- what was inserted since ----------------------------------------------------------------

    def look_at_new(self) -> bool:
        """Migrate what was inserted since the last batch; returns whether that was all."""
        reader, seen = self._transaction.snapshot.reader, self._run.get("seen", 0)
        skipped = self._run.get("seenEvents", 0)
        check_horizon(reader, seen)
        for count, commit in enumerate(commit_log.after(reader, seen)):
            for at, id, time in self._inserted(commit, skipped):
                if not self._left:
                    return self._has_seen(seen, at)
                self._insert(id, time)
            seen, skipped = commit.ts, 0
            if count >= _COMMITS_AT_ONCE:
                return self._has_seen(seen)
        return self._look_below(max(seen, self._transaction.snapshot.ts))

    def _look_below(self, seen: int) -> bool:
        """Migrate what was inserted by transactions that share the flush, and is in no log yet."""
        newest, below = _seen_ts(self._transaction), self._transaction.below
        if below is not None and seen < newest:
            inserted = list(self._inserted_below(below))
            # It could be this migration that has inserted them; the log says so, to the next batch.
            is_own = self._run["_id"].encode("ascii") in below.documents
            if is_own or len(inserted) > self._left:
                return self._has_seen(seen)
            for id, time in inserted:
                self._insert(id, time)
        self.progress |= {"seen": newest, "seenEvents": MISSING}
        return True

    def _has_seen(self, ts: int, events: int = 0) -> Literal[False]:
        """Note how far the log was looked at; this was not all of it."""
        self.progress |= {"seen": ts, "seenEvents": events or MISSING}
        return False

    def _inserted(self, commit: Commit, skipped: int) -> Iterator[tuple[int, str, float]]:
        """What a commit of somebody else has inserted into the table."""
        if self._table is None or commit.origin.details.get("job") == self._run["_id"]:
            return
        for at, event in enumerate(commit.events):
            is_new = at >= skipped and not event.previous_ts and event.body is not None
            if is_new and table_number_of(event.id) == self._table.number:
                yield at, event.id, creation_time(event)

    def _inserted_below(self, below: Overlay) -> Iterator[tuple[str, float]]:
        snapshot, number = self._transaction.snapshot, self._table and self._table.number
        for key, write in below.documents.items():
            if write.body is None or write.table.number != number:
                continue
            is_revived = snapshot.reader.get(Database.DELETED, key) is not None
            if snapshot.record(key) is None and not is_revived:
                yield key.decode("ascii"), write.creation_time

    def _insert(self, id: str, time: float) -> None:
        """Migrate a document that was inserted, unless the walk will come to it."""
        if not self._is_ahead((time, id)) and self._migrate.by_id(id):
            self._left -= 1
            self._count(is_inserted=True)

    def _is_ahead(self, place: tuple[float, str]) -> bool:
        """Whether the walk will come to a place."""
        cursor = self.progress.get("cursor", self._run.get("cursor"))
        end = self._run.get("end")
        if end is None or place > _place(end):
            return False
        return cursor is None or place > _place(cursor)

    # -- what was there -------------------------------------------------------------------------

    def walk(self) -> bool:
        """Migrate the next of what was there at the beginning; returns whether that was all."""
        cursor, end = self._run.get("cursor"), self._run.get("end")
        if end is None or cursor == end:
            return True
        if not self._left:
            return False
        wanted, count, own = self._left, 0, set(self._run.get("own", ()))
        for document in self._next(cursor, end, wanted):
            cursor = _position_of(document)
            count += 1
            if document["_id"] not in own:
                self._migrate(document)
                self._count()
        if count < wanted:
            cursor = end
        self.progress["cursor"] = cursor
        return cursor == end

    def _next(
        self, cursor: MigrationPosition | None, end: MigrationPosition, count: int
    ) -> Iterator[dict[str, Any]]:
        table = self._table
        assert table is not None, "it had documents"
        low = table.order_bounds[0] if cursor is None else _key_of(table, cursor) + b"\x00"
        bounds = KeyRange(table.order, low, _key_of(table, end) + b"\x00")
        return _documents(self._transaction, table, bounds, count)

    def _count(self, *, is_inserted: bool = False) -> None:
        run = self._run
        self.progress["processed"] = run["processed"] + self._migrate.processed
        self.progress["changed"] = run["changed"] + self._migrate.changed
        if is_inserted:
            self.progress["total"] = self.progress.get("total", run["total"]) + 1

    def close(self, *, is_last: bool) -> None:
        """Note what the next batches pass over, or let the last one end.

        It ends only if nobody inserts anything before the commit.
        """
        if is_last and self._table is not None:
            self._transaction.reads.add_range(DOCUMENTS_SPACE, *self._table.bounds, 0)
        if is_last:
            self.progress["total"] = self._run["processed"] + self._migrate.processed
        own = [] if is_last else [*self._run.get("own", ()), *self._own_ahead()]
        self.progress["own"] = own or MISSING

    def _own_ahead(self) -> Iterator[str]:
        """What this batch has inserted where the walk will come to, as if a clock was set back."""
        number = self._table and self._table.number
        for key, write in self._transaction.own.documents.items():
            is_new = write.body is not None and not write.previous_ts
            if is_new and write.table.number == number:
                id = key.decode("ascii")
                if self._is_ahead((write.creation_time, id)):
                    yield id


class _Migrator:
    """The function of a migration, applied to documents.

    Attributes:
        processed: Documents that it was handed.
        changed: Those that made it write something.
    """

    def __init__(self, migration: Migration[Any], ctx: MutationCtx) -> None:
        self._migration = migration
        self._ctx = ctx
        self._db: Writer = ctx.db
        self.processed: int = 0
        self.changed: int = 0

    def by_id(self, id: str) -> bool:
        """Migrate the document with that id; returns whether it is there."""
        document = self._db.get(Id[Any](id))
        if document is not None:
            self(document)
        return document is not None

    def __call__(self, document: dict[str, Any]) -> bool:
        """Migrate a document; returns whether anything was written."""
        id, time = document["_id"], document["_creationTime"]
        transaction = self._ctx.transaction
        writes = transaction.write_count
        try:
            fields = self._migration.handler(self._ctx, document)
            if fields is not None:
                system = {"_id": id, "_creationTime": time}
                self._db.patch(id, _patch_of(self._migration.step.path, fields, system))
        except Exception as error:
            with suppress(AttributeError):  # of one that takes no attributes
                setattr(error, _FAILED_AT, id)
            raise
        has_changed = transaction.write_count != writes
        self.processed += 1
        self.changed += has_changed
        return has_changed


def _patch_of(function: str, fields: object, system: Mapping[str, object]) -> dict[str, Any]:
    """What is set; the document itself may be returned."""
    if not isinstance(fields, Mapping):
        raise ReturnValueError(
            f"{function} returned {fields!r} ({type(fields).__name__}), expected a dict of the "
            "fields to set, or None to leave the document as it is",
            function=function,
        )
    given = cast("Mapping[str, Any]", fields)
    return {
        name: value for name, value in given.items() if name not in system or system[name] != value
    }


# Trying ------------------------------------------------------------------------------------------


def try_batch(
    migration: Migration[Any], ctx: MutationCtx, after: dict[str, Any], count: int, sample: int
) -> dict[str, Any]:
    """What a batch would do; in a transaction that nobody commits.

    Args:
        migration: The migration.
        ctx: The context.
        after: The place of the last document of the batch before; empty for none.
        count: How many documents to try.
        sample: How many changed documents to give.
    """
    migrate, db = _Migrator(migration, ctx), ctx.db
    tried: dict[str, Any] = {"sample": [], "error": "", "document": "", "after": after}
    for document in _rows_after(ctx.transaction, migration.table.table_name, after, count):
        tried["after"], id = dict(_position_of(document)), document["_id"]
        before = db.get(id) if len(tried["sample"]) < sample else None
        try:
            has_changed = migrate(document)
        except Exception as error:  # noqa: BLE001 - it is what was to be found out
            tried["error"] = error_text(error)
            tried["document"] = id
            break
        if has_changed and before is not None:
            tried["sample"].append({"before": before, "after": db.get(id)})
    is_done = bool(tried["error"]) or migrate.processed < count
    return {**tried, "processed": migrate.processed, "changed": migrate.changed, "isDone": is_done}


def _rows_after(
    transaction: Transaction, name: str, after: dict[str, Any], count: int
) -> Iterator[dict[str, Any]]:
    table = transaction.table(name)
    if table is None:
        return iter(())
    low, high = table.order_bounds
    if after:
        low = _key_of(table, cast("MigrationPosition", after)) + b"\x00"
    return _documents(transaction, table, KeyRange(table.order, low, high), count)


def error_text(error: BaseException) -> str:
    """Why something failed."""
    return f"{type(error).__name__}: {error}"[:_ERROR_CHARACTERS]


def _documents(
    transaction: Transaction, table: TableInfo, bounds: KeyRange, count: int
) -> Iterator[dict[str, Any]]:
    scan = Scan(transaction, table, bounds, (), is_descending=False)
    rows = scan.rows(repeat(min(count, CHUNK_MAX)), scan.open())
    return (document for _, document in limited(rows, count))


# Places ------------------------------------------------------------------------------------------


def _seen_ts(transaction: Transaction) -> int:
    """The newest commit that a transaction sees, also if it is not in the log yet."""
    below = () if transaction.below is None else transaction.below.documents.values()
    return max([transaction.snapshot.ts, *(write.ts for write in below)])


def _position_of(document: Mapping[str, Any]) -> MigrationPosition:
    return {"time": document["_creationTime"], "id": document["_id"]}


def _place(position: MigrationPosition) -> tuple[float, str]:
    return position["time"], position["id"]


def _key_of(table: TableInfo, position: MigrationPosition) -> bytes:
    """The key of a place in the order of creation of a table."""
    if table.order is None:
        return position["id"].encode("ascii")
    return table.order.key_of({CREATION_TIME: position["time"]}, position["id"])
