"""Starting, trying and undoing migrations. It is ``db.migrations``."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from headwater.errors import ArgumentError, MigrationFailedError, UsageError
from headwater.functions.migrations import Migration, MigrationRun, Migrations
from headwater.functions.purity import refuse_inside
from headwater.functions.runner import Runner
from headwater.services.executing import Executing
from headwater.services.migration_work import MigrationWork
from headwater.tables.horizon import check_horizon
from headwater.tables.records import count_documents
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import TableMissing, Transaction
from headwater.transactions.undo import undo
from headwater.transactions.undone_commits import commits_of
from headwater_indexes.values import MISSING

_START: Final = "_start_migrations"
_CANCEL: Final = "_cancel_migration"
_UNDO: Final = "_undo_migration"

T = TypeVar("T")

_UNENDED: Final = ("pending", "running")
_RESUMED: Final = ("failed", "canceled")


class MigrationChange(NamedTuple):
    """What a migration would do to a document.

    Attributes:
        before: The document.
        after: What would become of it; None if it would be deleted.
    """

    before: dict[str, Any]
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class MigrationPreview:
    """What a migration would do.

    Attributes:
        name: The migration.
        processed: How many documents were tried.
        changed: How many of them made it write something.
        sample: The first of these.
        error: Why it would fail; empty if it would not.
        document: The document at which it would; empty if it would not.
    """

    name: str
    processed: int
    changed: int
    sample: tuple[MigrationChange, ...]
    error: str
    document: str


class MigrationClient:
    """The migrations of a database. Each call is a transaction of its own, durable on return.

    Args:
        runner: Runs functions.
        executing: Does the work.
    """

    def __init__(self, runner: Runner, executing: Executing) -> None:
        self._runner = runner
        self._store = runner.store
        self._executing = executing

    # -- doing ----------------------------------------------------------------------------------

    def start(self, *migrations: Migration[Any], force: bool = False) -> Sequence[MigrationRun]:
        """Begin migrations, or let those go on that failed or were canceled; does not wait.

        Those that they come after are started as well. What runs, and what has succeeded, is left
        as it is. The batches are done in the background, by any process that has the database open
        with their modules. O(documents) for one that begins anew, to know how many there are.

        Args:
            *migrations: By default all that the modules declare.
            force: Run them on all documents again, also if they have succeeded.

        Returns:
            How each of them stands now, in the order in which they run.

        Raises:
            UsageError: One is of no module that the database was opened with, or is being undone.
        """
        refuse_inside()
        given = self._known(migrations)
        series = _series(given)
        stored = self._look(lambda reader: {one.name: _find(reader, one.name) for one in series})
        totals = {
            one.name: self._count(one)
            for one in series
            if _is_anew(stored[one.name], one, force=force and one in given)
        }

        def run(transaction: Transaction) -> list[MigrationRun]:
            writer = ServiceWriter(transaction, self._store.rules)
            return [
                self._start(writer, one, totals.get(one.name, 0), force=force and one in given)
                for one in series
            ]

        return self._runner.serve(_START, run)

    def run(self, *migrations: Migration[Any], force: bool = False) -> Sequence[MigrationRun]:
        """Start migrations and do them here, on this thread, until they have ended.

        For scripts and tests. Interrupted, they are as after a kill: whoever has the database open
        with their modules goes on.

        Args:
            *migrations: By default all that the modules declare.
            force: Run them on all documents again, also if they have succeeded.

        Returns:
            How each of them ended.

        Raises:
            MigrationFailedError: One failed or was canceled; what it had done before stays.
            UsageError: One is of no module that the database was opened with, or is being undone.
            StorageError: The system failed. They go on later.
        """
        started = self.start(*migrations, force=force)
        ended: list[MigrationRun] = []
        for one in started:
            try:
                ended.append(self._run(one["name"]))
            finally:
                self._let_go(one["name"])
        return ended

    def cancel(self, migration: Migration[Any]) -> bool:
        """Do no more batches; whether it had not ended before. What was done stays.

        `start` goes on where it was, `undo` takes back what it did.
        """
        refuse_inside()

        def run(transaction: Transaction) -> bool:
            writer = ServiceWriter(transaction, self._store.rules)
            found = _find(writer, migration.name)
            if found is None or found["state"] not in _UNENDED:
                return False
            ended = {"state": "canceled", "endedTime": transaction.moment.now_ms, "owner": MISSING}
            writer.patch(found["_id"], ended)
            return True

        return self._runner.serve(_CANCEL, run)

    # -- looking --------------------------------------------------------------------------------

    def get(self, migration: Migration[Any]) -> MigrationRun | None:
        """How a migration stands, None if it was never started."""
        refuse_inside()
        return self._look(lambda reader: _find(reader, migration.name))

    def list(self) -> Sequence[MigrationRun]:
        """How all stand that were ever started, by name."""
        refuse_inside()
        index = Migrations.by_name
        return self._look(lambda reader: reader.query(Migrations).with_index(index).collect())

    def dry_run(
        self, migration: Migration[Any], *, sample: int = 5, limit: int | None = None
    ) -> MigrationPreview:
        """Try a migration on the documents as they are; nothing is written. O(documents).

        It ends at the first document at which it fails. Each batch is tried on the newest state and
        does not see what those before it would have done, so that a unique key which documents of
        different batches would share is not found.

        Args:
            migration: A migration of a module that the database was opened with.
            sample: How many documents that would change to give.
            limit: How many documents to try; all by default.

        Raises:
            UsageError: It is of no such module, or writes into a table that is not there yet.
            ArgumentError: ``sample`` or ``limit`` is no number, or below 0.
        """
        refuse_inside()
        self._known([migration])
        for name, value in (("sample", sample), ("limit", 0 if limit is None else limit)):
            if type(value) is not int or value < 0:
                raise ArgumentError(f"dry_run({name}={value!r}): expected a number, 0 or more")
        processed = changed = 0
        shown: list[MigrationChange] = []
        after: dict[str, Any] = {}
        while True:
            count = migration.batch_documents
            if limit is not None:
                count = min(count, limit - processed)
            tried = self._try(migration, after, count, sample - len(shown))
            processed, changed = processed + tried["processed"], changed + tried["changed"]
            shown += [MigrationChange(**one) for one in tried["sample"]]
            after = tried["after"]
            if tried["isDone"] or processed == limit:
                name = migration.name
                error, document = tried["error"], tried["document"]
                return MigrationPreview(name, processed, changed, tuple(shown), error, document)

    # -- undoing --------------------------------------------------------------------------------

    def undo(self, migration: Migration[Any], *, override: bool = False) -> int:
        """Take back all that the last run did: one undo per batch, the newest first.

        Each is a commit, see `Database.undo`, and the effect and how far it came are one. If it
        stops in the middle, because a document has changed since or because of a kill, what was
        undone stays so, and the next call goes on. Afterwards `start` begins from the first
        document. O(documents that it changed).

        Args:
            migration: One that has ended.
            override: Whether documents that have changed since are written over.

        Returns:
            How many batches were undone.

        Raises:
            UsageError: It has not ended, or another one that comes after it was not undone.
            UndoConflictError: Documents have changed since.
            DocumentInvalidError: A version does not fit the type that its table has now.
            UniqueViolationError: A unique index holds one of the keys meanwhile.
            LogTrimmedError: The log does not reach back to its beginning.
        """
        refuse_inside()
        run = self._runner.serve(
            _UNDO, lambda transaction: self._begin_undo(transaction, migration)
        )
        if run is None:
            return 0
        count = 0
        for ts in self._commits(run):
            undo(self._store, ts, override=override, along=self._undone(run, {"undone": ts}))
            count += 1
        self._runner.serve(_UNDO, self._undone(run, {"state": "undone"}))
        return count

    def _begin_undo(
        self, transaction: Transaction, migration: Migration[Any]
    ) -> MigrationRun | None:
        """Mark a migration as being undone; None if there is nothing to undo."""
        writer = ServiceWriter(transaction, self._store.rules)
        run = _find(writer, migration.name)
        if run is None or run["state"] == "undone":
            return None
        if run["state"] in _UNENDED:
            raise UsageError(
                f"migration {migration.name!r} is {run['state']}; cancel it with "
                "db.migrations.cancel() before it is undone"
            )
        for other in self._runner.application.migrations.values():
            found = _find(writer, other.name) if migration in other.after else None
            if found is not None and found["state"] != "undone":
                raise UsageError(
                    f"migration {other.name!r} comes after {migration.name!r} and is "
                    f"{found['state']}; undo that first"
                )
        if "began" in run:
            check_horizon(transaction.snapshot.reader, run["began"])
        writer.patch(run["_id"], state="undoing")
        return run

    def _commits(self, run: MigrationRun) -> Sequence[int]:
        """The commits that are to be undone, newest first."""
        began = run.get("began")
        if began is None:
            return []
        with closing(self._store.snapshot()) as snapshot:
            found = commits_of(snapshot, run["_id"], began)
        return [ts for ts in found if ts < run.get("undone", ts + 1)]

    def _undone(self, run: MigrationRun, changes: dict[str, Any]) -> Callable[[Transaction], None]:
        def note(transaction: Transaction) -> None:
            ServiceWriter(transaction, self._store.rules).patch(run["_id"], changes)

        return note

    # -- inside ---------------------------------------------------------------------------------

    def _known(self, migrations: Sequence[Migration[Any]]) -> Sequence[Migration[Any]]:
        declared = self._runner.application.migrations
        for one in migrations:
            if not isinstance(one, Migration):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(
                    f"expected a function that is declared with @hw.migration, got {one!r}"
                )
            if declared.get(one.name) is not one:
                raise UsageError(
                    f"migration {one.name!r} is in no module that this database was opened with; "
                    f"open it with modules=[..., {one.module}]"
                )
        return list(migrations or declared.values())

    def _count(self, migration: Migration[Any]) -> int:
        """How many documents there are."""
        with closing(self._store.snapshot()) as snapshot:
            table = snapshot.catalog.by_name.get(migration.table.table_name)
            return 0 if table is None else count_documents(snapshot.reader, table.bounds)

    def _start(
        self, writer: ServiceWriter, migration: Migration[Any], total: int, *, force: bool
    ) -> MigrationRun:
        run = _find(writer, migration.name)
        path = self._runner.application.path_of(migration.step) or migration.step.path
        table = migration.table.table_name
        declared = {"name": migration.name, "function": path, "table": table}
        fresh = {**declared, "state": "pending", "processed": 0, "changed": 0, "total": total}
        if run is None:
            id = writer.insert(Migrations, {**fresh, "run": 1})
            return _there(writer.get(id))
        id = run["_id"]
        if run["state"] == "undoing":
            raise UsageError(
                f"migration {migration.name!r} is being undone; finish that with "
                "db.migrations.undo() first"
            )
        if _is_anew(run, migration, force=force):
            writer.replace(id, {**fresh, "run": run["run"] + 1})
        elif run["state"] in _RESUMED:
            again = dict.fromkeys(("endedTime", "error", "document"), MISSING)
            writer.patch(id, {**again, "function": path, "state": "pending"})
        return _there(writer.get(id))

    def _run(self, name: str) -> MigrationRun:
        """Do batches until a migration has ended."""
        while True:
            run = _there(self._look(lambda reader: _find(reader, name)))
            if run["state"] == "success":
                return run
            if run["state"] not in _UNENDED:
                raise _failed(run)
            work = self._executing.migrations
            if not self._executing.do(work.task(run)) and self._look(partial(_waits, work, name)):
                raise _failed(run)

    def _let_go(self, name: str) -> None:
        """Leave a migration that has not ended to others."""
        work = self._executing.migrations
        run = self._look(lambda reader: _find(reader, name))
        me = self._store.environment.member
        if run is not None and run["state"] in _UNENDED and run.get("owner") == me:
            task = work.task(run)
            self._runner.serve(_START, lambda transaction: work.release(transaction, task, me))

    def _look(self, look: Callable[[Reader], T]) -> T:
        with closing(self._store.snapshot()) as snapshot:
            return look(Reader(self._store.begin(snapshot, seconds_limit=None, is_read_only=True)))

    def _try(
        self, migration: Migration[Any], after: dict[str, Any], count: int, sample: int
    ) -> dict[str, Any]:
        """Do a batch in a transaction that nobody commits."""
        arguments = {"after": after, "count": count, "sample": sample}
        call = self._runner.make_call(migration.preview, arguments)
        with closing(self._store.snapshot()) as snapshot:
            transaction = self._store.begin(snapshot, function=migration.step.path)
            try:
                tried: dict[str, Any] = self._runner.run_inside(call, transaction)
            except TableMissing as missing:
                raise UsageError(
                    f"migration {migration.name!r} writes into {missing.name!r}, which is not "
                    "there yet, and a dry run makes no table; declare it in one of the modules"
                ) from None
            finally:
                transaction.end()
        return tried


def _is_anew(run: MigrationRun | None, migration: Migration[Any], *, force: bool) -> bool:
    """Whether a start begins with the first document."""
    if run is None or run["state"] == "undone":
        return True
    if run["table"] != migration.table.table_name:
        return True
    return force and run["state"] not in _UNENDED


def _series(migrations: Sequence[Migration[Any]]) -> list[Migration[Any]]:
    """Migrations, each behind those that it comes after."""
    found: dict[Migration[Any], None] = {}
    for one in migrations:
        found.update(dict.fromkeys(_series(one.after)))
        found[one] = None
    return list(found)


def _find(reader: Reader, name: str) -> MigrationRun | None:
    return reader.query(Migrations).with_index(Migrations.by_name, name).first()


def _waits(work: MigrationWork, name: str, reader: Reader) -> bool:
    """Whether a migration waits for another one, which somebody has undone."""
    run = _find(reader, name)
    return run is not None and run["state"] in _UNENDED and work.waits_for(reader, run) is not None


def _there(run: MigrationRun | None) -> MigrationRun:
    assert run is not None, "the migration was started"
    return run


def _failed(run: MigrationRun) -> MigrationFailedError:
    name, id, reason = run["name"], run.get("document", ""), run.get("error", "")
    where = f" at document {id}" if id else ""
    what = f"failed{where}: {reason}" if run["state"] == "failed" else f"is {run['state']}"
    return MigrationFailedError(
        f"migration {name!r} {what}. It changed {run['changed']} of {run['processed']} documents "
        "before, and goes on from there when it is started again; db.migrations.undo() takes that "
        "back",
        name=name,
        document=id,
        reason=reason,
    )
