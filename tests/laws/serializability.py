"""Whether recorded histories are serializable, asked in ways that share no code.

`replay` runs the committed programs again, one after the other in the order of their timestamps,
on a model: every read has to give what it gave, and every write has to be what the log says. That
is the law in its strongest form, and it names the transaction that broke it.

`described` makes of the same programs, from what they saw, a history for the product's own
`check_serializable`, which looks for a cycle of dependencies. And what the product's own recorder
saw below the programs is checked as well.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.laws.programs import ModelCells, Program, query_of, run_operation

from headwater import testing

READS = ("get", "range", "walk")


@dataclass
class Ran:
    """One committed transaction: its program and what each operation gave.

    Attributes:
        ts: Timestamp of its commit; of its snapshot, if it wrote nothing.
    """

    name: str
    program: Program
    seen: Sequence[Any]
    ts: int
    is_read_only: bool = False


@dataclass
class Written:
    """One version of a cell, as the log has it; ``fields`` is None for a deleted one."""

    cell: str
    fields: dict[str, Any] | None


@dataclass
class History:
    """All committed transactions, and what the log says that each of them wrote.

    Attributes:
        recorded: What the product's own recorder says of the same transactions.
    """

    transactions: list[Ran] = field(default_factory=list)
    log: dict[int, list[Written]] = field(default_factory=dict)
    recorded: testing.History | None = None

    def in_order(self) -> list[Ran]:
        """By timestamp; a reader comes after the commit that it saw last."""
        return sorted(self.transactions, key=lambda ran: (ran.ts, ran.is_read_only))


@dataclass
class Violation:
    """What is wrong, in words."""

    what: str


# Replay -----------------------------------------------------------------------------------------


def replay(history: History) -> Violation | None:
    """The first transaction that did not see, or do, what it would have in the order of ts."""
    documents: dict[str, dict[str, Any]] = {}
    by_ts = {ran.ts: ran for ran in history.transactions if not ran.is_read_only}
    for ts in sorted({*history.log, *(ran.ts for ran in history.transactions)}):
        before = dict(documents)
        ran = by_ts.get(ts)
        if ran is not None:
            violation = _run_again(ran, documents)
            if violation is None:
                violation = _compare_writes(ran.name, before, documents, history.log.get(ts, []))
            if violation is not None:
                return violation
        else:
            for written in history.log.get(ts, []):
                _apply(documents, written)
        for reader in history.transactions:
            if reader.is_read_only and reader.ts == ts:
                violation = _run_again(reader, documents)
                if violation is not None:
                    return violation
    return None


def _apply(documents: dict[str, dict[str, Any]], written: Written) -> None:
    if written.fields is None:
        documents.pop(written.cell, None)
    else:
        documents[written.cell] = {**written.fields, "_id": written.cell}


def _run_again(ran: Ran, documents: dict[str, dict[str, Any]]) -> Violation | None:
    pairs = list(zip(ran.program, ran.seen, strict=True))
    model = ModelCells(documents, [seen for operation, seen in pairs if operation[0] == "insert"])
    for operation, seen in pairs:
        expected = run_operation(model, ran.name, operation)
        if expected != without_times(seen):
            return Violation(
                f"{ran.name} at {ran.ts}: {list(operation)} gave {without_times(seen)}, in the "
                f"order of the commits it gives {expected}"
            )
    return None


def without_times(seen: Any) -> Any:
    """What an operation gave, without the creation times, which the model does not have."""
    if isinstance(seen, list):
        return [without_times(item) for item in seen]
    if isinstance(seen, dict):
        return {name: value for name, value in seen.items() if name != "_creationTime"}
    return seen


def _compare_writes(
    name: str,
    before: Mapping[str, dict[str, Any]],
    after: Mapping[str, dict[str, Any]],
    log: Sequence[Written],
) -> Violation | None:
    logged = dict(before)
    for written in log:
        _apply(logged, written)
    if logged != after:
        return Violation(f"{name} wrote {log}, in the order of the commits it leaves {dict(after)}")
    return None


# The graph --------------------------------------------------------------------------------------


def described(history: History) -> testing.History:
    """The same transactions as `check_serializable` takes them, from what their programs saw."""
    versions: dict[str, list[Version]] = {}
    by_ts = {ran.ts: ran for ran in history.transactions if not ran.is_read_only}
    for ts in sorted(history.log):
        for written in history.log[ts]:
            versions.setdefault(written.cell, []).append((ts, written.fields))
    found = [
        testing.RecordedTransaction(
            name=ran.name,
            ts=ran.ts,
            reads=list(_reads(ran, versions, by_ts)),
            writes=[] if ran.is_read_only else _cells(history, ran.ts),
        )
        for ran in history.transactions
    ]
    others = [ts for ts in history.log if ts not in by_ts]
    found += [
        testing.RecordedTransaction(name=f"commit {ts}", ts=ts, writes=_cells(history, ts))
        for ts in others
    ]
    return testing.History(found)


Version = tuple[int, dict[str, Any] | None]


def _cells(history: History, ts: int) -> list[str]:
    return [written.cell for written in history.log.get(ts, [])]


def _reads(
    ran: Ran, versions: Mapping[str, list[Version]], by_ts: Mapping[int, Ran]
) -> Iterator[testing.DocumentRead]:
    own: set[str] = set()
    for operation, seen in zip(ran.program, ran.seen, strict=True):
        name = operation[0]
        if name == "get":
            yield from _point(operation[1], seen, versions, by_ts, own)
        elif name in READS:
            yield from _range(operation, seen, versions, by_ts, own)
        elif name == "insert":
            own.add(seen)
        else:
            own.add(operation[1])


def _point(
    cell: str,
    seen: Any,
    versions: Mapping[str, list[Version]],
    by_ts: Mapping[int, Ran],
    own: set[str],
) -> Iterator[testing.DocumentRead]:
    """The version is known by the name of its writer, which is in it."""
    chain = versions.get(cell, [])
    if cell in own or not chain:
        return
    if seen is None:
        ts = next((ts for ts, fields in chain if fields is None), 0)
    else:
        ts = next((ts for ts, _ in chain if ts in by_ts and by_ts[ts].name == seen["writer"]), -1)
    yield testing.DocumentRead(id=cell, ts=ts, last_ts=ts, is_absent=seen is None)


def _range(
    operation: Sequence[Any],
    seen: Sequence[Any],
    versions: Mapping[str, list[Version]],
    by_ts: Mapping[int, Ran],
    own: set[str],
) -> Iterator[testing.DocumentRead]:
    query, count = query_of(operation)
    is_full = count is not None and len(seen) == count
    is_descending = "desc" in operation
    last = query.key_of(seen[-1]) if is_full and seen else None

    def holds(cell: str, fields: Mapping[str, Any] | None) -> bool:
        if fields is None or count == 0:
            return False
        document = {**fields, "_id": cell}
        if not query.matches(document):
            return False
        key = query.key_of(document)
        return last is None or (key >= last if is_descending else key <= last)

    found = {document["_id"]: document for document in seen}
    for cell, chain in versions.items():
        if cell in own:
            continue
        if cell in found:
            yield from _point(cell, found[cell], versions, by_ts, own)
        else:
            yield from _absence(cell, chain, holds)


def _absence(cell: str, chain: Sequence[Version], holds: Any) -> Iterator[testing.DocumentRead]:
    """A cell that the range did not hold: it ran while the cell was elsewhere, or was not.

    With several such times nothing is certain, and nothing is said.
    """
    is_inside = [False, *(holds(cell, fields) for _, fields in chain)]
    outside = [at for at, inside in enumerate(is_inside) if not inside]
    runs = sum(1 for at in outside if at == 0 or is_inside[at - 1])
    if runs == 1 and any(is_inside):
        times = [0, *(ts for ts, _ in chain)]
        yield testing.DocumentRead(
            id=cell,
            ts=times[outside[0]],
            last_ts=times[outside[-1]],
            through="a range",
            is_absent=True,
        )


def check(history: History) -> list[Violation]:
    """Every way; an empty list if the history is serializable."""
    violations = []
    if (violation := replay(history)) is not None:
        violations.append(violation)
    verdicts = [testing.check_serializable(described(history))]
    if history.recorded is not None:
        verdicts.append(testing.check_serializable(history.recorded))
    violations += [Violation(str(verdict)) for verdict in verdicts if not verdict]
    return violations
