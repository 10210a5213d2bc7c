"""The log as the one order of all processes, replayed against what each mutation saw."""

from typing import Any, NamedTuple

from headwater.storage import commit_log
from headwater.storage.codec import unpack
from headwater.storage.commit_log import Commit


class Step(NamedTuple):
    """One mutation, by the receipt in its commit."""

    ts: int
    writer: str
    operation: list[Any]
    seen: Any


def log_of(db) -> list[Commit]:
    """Every commit, oldest first."""
    with db._store.environment.read() as reader:
        return list(commit_log.after(reader, 0))


def steps(db) -> list[Step]:
    """Every mutation of the application, in the order of the log."""
    numbers = {table.number: table.name for table in db._store.catalog.user_tables()}
    found = []
    for commit in log_of(db):
        for event in commit.events:
            table = db._store.catalog.table_of(event.id)
            if event.body is not None and numbers.get(table.number) == "receipts":
                receipt = unpack(event.body)
                found.append(
                    Step(commit.ts, receipt["writer"], receipt["operation"], receipt["seen"])
                )
    return found


def replay(history: list[Step]) -> dict[str, int]:
    """The counters at the end, if every mutation saw what those before it had left behind.

    Raises:
        AssertionError: One of them saw something else: no order of the log explains it.
    """
    counters: dict[str, int] = {}
    tickets: dict[int, list[int]] = {}
    for step in history:
        kind, subject = step.operation
        if kind == "bump":
            expected: Any = counters.get(subject)
            counters[subject] = 1 if expected is None else expected + 1
        elif kind == "issue":
            numbers = tickets.setdefault(subject, [])
            expected = numbers[:-3:-1]
            numbers.append(numbers[-1] + 1 if numbers else 0)
        else:
            expected = len(tickets.get(subject, []))
            counters[f"settled {subject}"] = expected
        assert step.seen == expected, f"{step} should have seen {expected}"
    return counters
