"""A logged mutation run once more on the state that it had, and compared with what it wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headwater.errors import FunctionNotFoundError, NotReplayableError
from headwater.functions.arguments import CompiledFunction
from headwater.functions.declaration import Mutation
from headwater.functions.kinds import A_KIND
from headwater.functions.runner import Runner
from headwater.storage.commit_log import Commit, RecordedCall
from headwater.tables.history import change_of
from headwater.tables.records import decode_body
from headwater.tables.reports import DocumentChange
from headwater.tables.snapshot import Snapshot
from headwater.transactions.moment import Moment
from headwater.transactions.transaction import TableMissing, Transaction
from headwater_indexes.ids import creation_time_of, table_number_of


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a mutation did, and what it does when it is run again on the state that it had.

    Attributes:
        ts: Timestamp of its commit.
        function: Path of the mutation.
        arguments: What it was called with.
        result: What it returns now; None if it raises.
        error: What it raises now, None if it does not.
        recorded: What it changed then, in the order in which it did.
        replayed: What it would change now; empty if it raises.
    """

    ts: int
    function: str
    arguments: dict[str, Any]
    result: Any
    error: Exception | None
    recorded: tuple[DocumentChange, ...]
    replayed: tuple[DocumentChange, ...]

    @property
    def is_same(self) -> bool:
        """Whether it would write the same, to the byte."""
        return self.error is None and not self.differences

    @property
    def differences(self) -> list[DocumentChange]:
        """Documents that it would leave otherwise: ``before`` as recorded, ``after`` as replayed.

        A document that only one of the two runs touches is compared with what it was before.
        """
        then = {change.id: change for change in self.recorded}
        now = {change.id: change for change in self.replayed}
        pairs = [
            (then.get(id) or _untouched(now[id]), now.get(id) or _untouched(then[id]))
            for id in {**then, **now}
        ]
        compared = [change_of(old.table, old.id, old.after, new.after) for old, new in pairs]
        return [change for change in compared if change.changed or _appeared(change)]


def _untouched(change: DocumentChange) -> DocumentChange:
    return change._replace(after=change.before)


def _appeared(change: DocumentChange) -> bool:
    return (change.before is None) != (change.after is None)


def replay(runner: Runner, commit: Commit, before: Snapshot) -> Replayed:
    """Run the mutation that made a commit again, and write nothing.

    Args:
        runner: Knows the functions as they are now.
        commit: What the mutation did.
        before: The state right before the commit: what the mutation saw, by serializability.

    Raises:
        NotReplayableError: It is no commit of a function that records its arguments, or the
            function is gone.
    """
    compiled, call = _recorded(runner, commit)
    transaction = runner.store.begin(before, function=compiled.path)
    transaction.moment = Moment.fixed(now_ms=call.now_ms, seed=call.seed)
    result: Any = None
    error: Exception | None = None
    try:
        result = runner.run_again(compiled, transaction, call)
    except TableMissing as missing:
        error = _table_missing(commit, compiled.path, missing.name)
    except Exception as raised:  # noqa: BLE001 - it is the outcome
        error = raised
    recorded = tuple(_recorded_changes(commit, before))
    replayed = () if error is not None else tuple(_replayed_changes(transaction, before))
    if "job" in commit.origin.details:
        recorded = _without_notes(recorded, replayed)
    return Replayed(
        commit.ts,
        compiled.path,
        commit.origin.arguments or {},
        result,
        error,
        recorded,
        replayed,
    )


def _without_notes(
    recorded: tuple[DocumentChange, ...], replayed: tuple[DocumentChange, ...]
) -> tuple[DocumentChange, ...]:
    """What the function did, without what its executor has noted about it in the same commit."""
    from headwater.functions.crons import CronRuns

    touched = {change.id for change in replayed}
    return tuple(
        change
        for change in recorded
        if change.id in touched
        or not change.table.startswith("_")
        or (change.before is None and change.table != CronRuns.table_name)
    )


def _recorded(runner: Runner, commit: Commit) -> tuple[CompiledFunction[..., Any], RecordedCall]:
    origin, ts = commit.origin, commit.ts
    if origin.call is None:
        who = f"was made by {origin.function}" if origin.function else "was made by no function"
        raise NotReplayableError(
            f"commit {ts} {who}, and does not have its arguments; declare the mutation with "
            "@hw.mutation(record_arguments=True), and its commits from then on can be replayed",
            ts=ts,
            function=origin.function,
        )
    try:
        function = runner.application.function(origin.function)
    except FunctionNotFoundError as error:
        raise NotReplayableError(
            f"commit {ts} was made by {origin.function}, which the opened modules do not have: "
            f"{error}; open the database with the module that has it",
            ts=ts,
            function=origin.function,
        ) from None
    if not isinstance(function, Mutation):
        raise NotReplayableError(
            f"commit {ts} was made by {origin.function}, which is {A_KIND[function.kind]} now; "
            "expected a mutation",
            ts=ts,
            function=origin.function,
        )
    return runner.find(function), origin.call


def _table_missing(commit: Commit, function: str, table: str) -> NotReplayableError:
    return NotReplayableError(
        f"{function} writes to table {table!r} now, which was not there at commit {commit.ts}; try "
        "it on db.fork(at=...), which has the tables that are declared today",
        ts=commit.ts,
        function=function,
    )


def _recorded_changes(commit: Commit, before: Snapshot) -> Iterator[DocumentChange]:
    for event in commit.events:
        old = _document_before(before, event.id)
        new = None
        if event.body is not None:
            created = event.creation_time
            time = creation_time_of(event.id) if created is None else created
            new = decode_body(event.id.encode("ascii"), time, event.body)
        yield change_of(before.catalog.name_of(table_number_of(event.id)), event.id, old, new)


def _replayed_changes(transaction: Transaction, before: Snapshot) -> Iterator[DocumentChange]:
    for key, write in transaction.own.documents.items():
        if write.body is None and not write.previous_ts:
            continue  # inserted and deleted again: no commit would say so
        id = key.decode("ascii")
        new = None if write.body is None else decode_body(key, write.creation_time, write.body)
        yield change_of(write.table.name, id, _document_before(before, id), new)


def _document_before(before: Snapshot, id: str) -> dict[str, Any] | None:
    key = id.encode("ascii")
    record = before.record(key)
    return None if record is None else next(before.decode(iter([(key, record)])))
