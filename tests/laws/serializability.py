"""A checker of serializability for recorded histories, in two ways that share no code.

`replay` runs the committed programs again, one after the other in the order of their timestamps,
on a model: every read has to give what it gave, and every write has to be what the log says. That
is the law in its strongest form, and it names the transaction that broke it.

`find_cycle` builds the direct serialization graph of Adya from what the reads saw: write-read,
write-write and read-write edges, those of ranges included, and looks for a cycle. It does not trust
timestamps for anything but the order of versions of one document.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.laws.programs import ModelCells, Program, query_of, run_operation

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
    """All committed transactions, and what the log says that each of them wrote."""

    transactions: list[Ran] = field(default_factory=list)
    log: dict[int, list[Written]] = field(default_factory=dict)

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

Edge = tuple[str, str, str]
"""From, to, and why."""


def find_cycle(history: History) -> list[Edge] | None:
    """A cycle of dependencies, or None if there is an order that explains every read."""
    graph: dict[str, dict[str, str]] = {ran.name: {} for ran in history.transactions}
    for start, end, why in edges(history):
        if start != end and start in graph and end in graph:
            graph[start].setdefault(end, why)
    return _cycle_in(graph)


def edges(history: History) -> Iterator[Edge]:
    """All dependencies between committed transactions."""
    names = {ran.ts: ran.name for ran in history.transactions if not ran.is_read_only}
    versions: dict[str, list[tuple[str, dict[str, Any] | None]]] = {}
    for ts in sorted(history.log):
        for written in history.log[ts]:
            name = names.get(ts, f"commit {ts}")
            versions.setdefault(written.cell, []).append((name, written.fields))
    for cell, chain in versions.items():
        for (earlier, _), (later, _) in pairwise(chain):
            yield earlier, later, f"ww {cell}"
    for ran in history.transactions:
        yield from _read_edges(ran, versions)


def _read_edges(ran: Ran, versions: Mapping[str, Any]) -> Iterator[Edge]:
    own: set[str] = set()
    for operation, seen in zip(ran.program, ran.seen, strict=True):
        name = operation[0]
        if name == "get":
            yield from _point_edges(ran.name, operation[1], seen, versions, own)
        elif name in READS:
            yield from _range_edges(ran.name, operation, seen, versions, own)
        elif name == "insert":
            own.add(seen)
        else:
            own.add(operation[1])


def _point_edges(
    name: str, cell: str, seen: Any, versions: Mapping[str, Any], own: set[str]
) -> Iterator[Edge]:
    chain = versions.get(cell, [])
    if cell in own or not chain:
        return
    if seen is None:
        at = next((i for i, (_, fields) in enumerate(chain) if fields is None), -1)
    else:
        writers = [writer for writer, _ in chain]
        assert seen["writer"] in writers, f"{name} saw a version that nobody committed: {seen}"
        at = writers.index(seen["writer"])
    yield from _around(name, cell, chain, at, at)


def _around(name: str, cell: str, chain: Sequence[Any], first: int, last: int) -> Iterator[Edge]:
    """It comes after the version that it saw, or saw the end of, and before the next one."""
    if first >= 0:
        yield chain[first][0], name, f"wr {cell}"
    if last + 1 < len(chain):
        yield name, chain[last + 1][0], f"rw {cell}"


def _range_edges(
    name: str,
    operation: Sequence[Any],
    seen: Sequence[Any],
    versions: Mapping[str, Any],
    own: set[str],
) -> Iterator[Edge]:
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
            yield from _point_edges(name, cell, found[cell], versions, own)
        else:
            yield from _absence_edges(name, cell, chain, holds)


def _absence_edges(name: str, cell: str, chain: Sequence[Any], holds: Any) -> Iterator[Edge]:
    """A cell that the range did not hold: it ran while the cell was elsewhere, or was not.

    With several such times nothing is certain, and no edge is drawn.
    """
    is_inside = [False, *(holds(cell, fields) for _, fields in chain)]
    outside = [at for at, inside in enumerate(is_inside) if not inside]
    runs = sum(1 for at in outside if at == 0 or is_inside[at - 1])
    if runs == 1:
        yield from _around(name, cell, chain, outside[0] - 1, outside[-1] - 1)


def _cycle_in(graph: Mapping[str, Mapping[str, str]]) -> list[Edge] | None:
    done: set[str] = set()
    for root in graph:
        if root in done:
            continue
        path, stack = [root], [iter(graph[root])]
        while stack:
            nearest = next(stack[-1], None)
            if nearest is None:
                done.add(path.pop())
                stack.pop()
            elif nearest in path:
                ring = [*path[path.index(nearest) :], nearest]
                return [(a, b, graph[a][b]) for a, b in pairwise(ring)]
            elif nearest not in done:
                path.append(nearest)
                stack.append(iter(graph[nearest]))
    return None


def check(history: History) -> list[Violation]:
    """Both ways; an empty list if the history is serializable."""
    violations = []
    if (violation := replay(history)) is not None:
        violations.append(violation)
    if (cycle := find_cycle(history)) is not None:
        violations.append(Violation(f"cycle: {cycle}"))
    return violations
