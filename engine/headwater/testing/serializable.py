"""Whether a history is serializable, and if it is not, why, in words."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, TypeAlias

from headwater.testing.dependencies import (
    Cycle,
    Dependency,
    data_dependencies,
    log_dependencies,
    shortest_cycles,
    time_dependencies,
)
from headwater.testing.histories import UNKNOWN, DocumentRead, History, RecordedTransaction

AnomalyKind: TypeAlias = Literal[
    "circular writes",
    "dirty read",
    "fractured read",
    "lost update",
    "out of order",
    "phantom",
    "read-only anomaly",
    "read skew",
    "stale read",
    "write skew",
]

_READS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that no serial order of the transactions explains.

    Attributes:
        kind: What it is called.
        transactions: Names of those that take part.
        documents: Ids of the documents by which they are connected.
        explanation: What each of them read and wrote, and why they contradict each other.
    """

    kind: AnomalyKind
    transactions: tuple[str, ...]
    documents: tuple[str, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check_serializable` found. True if the history is serializable.

    Attributes:
        anomalies: One for each group of transactions that contradict each other.
        count: How many transactions there are.
    """

    anomalies: Sequence[Anomaly]
    count: int

    def __bool__(self) -> bool:
        return not self.anomalies

    def __str__(self) -> str:
        if self:
            return f"serializable: {self.count} transactions"
        return "\n\n".join(anomaly.explanation for anomaly in self.anomalies)

    def __repr__(self) -> str:
        return f"<{self}>"


def check_serializable(history: History) -> Verdict:
    """Look for an order of the transactions that explains everything that they saw.

    Strict serializability is what is checked: there is such an order, a transaction that began
    after another had ended comes after it, and commits are in the order of their timestamps.

    O(transactions, reads and writes together), and for what is found a little more.

    Returns:
        A verdict; ``assert check_serializable(history)`` shows what is wrong.
    """
    anomalies = list(_dirty_reads(history))
    promises = [data_dependencies, time_dependencies, log_dependencies]
    for count in range(1, len(promises) + 1):
        cycles = shortest_cycles(chain.from_iterable(find(history) for find in promises[:count]))
        anomalies += [_anomaly(history, cycle) for cycle in cycles]
        if anomalies:
            break
    return Verdict(anomalies, len(history.transactions))


def _dirty_reads(history: History) -> Iterator[Anomaly]:
    versions = {(i, ran.ts) for ran in history.transactions for i in ran.writes}
    for transaction in history.transactions:
        for read in transaction.reads:
            if read.ts == UNKNOWN or (read.ts and (read.id, read.ts) not in versions):
                what = (
                    f"dirty read: {transaction.name} read a version of "
                    f"{history.document(read.id)} that no commit has made"
                )
                yield Anomaly("dirty read", (transaction.name,), (read.id,), what)


def _anomaly(history: History, cycle: Cycle) -> Anomaly:
    kind = _kind_of(history, cycle)
    members = [history.transactions[dependency.before] for dependency in cycle]
    documents = tuple(dict.fromkeys(found.id for found in cycle if found.id))
    lines = [f"{kind}: no order of these transactions explains what they saw"]
    for member in members:
        lines += _described(history, member, documents)
    lines += [_reason(history, dependency) for dependency in cycle]
    return Anomaly(kind, tuple(member.name for member in members), documents, "\n".join(lines))


def _kind_of(history: History, cycle: Cycle) -> AnomalyKind:  # noqa: PLR0911 - one for each kind
    kinds = {dependency.kind for dependency in cycle}
    missed = [found for found in cycle if found.kind == "rw"]
    if "log" in kinds:
        return "out of order"
    if "time" in kinds:
        return "stale read"
    if not missed:
        return "circular writes"
    if any(_is_phantom(found.read) for found in missed):
        return "phantom"
    if len(cycle) == 2 and len(missed) == 1:
        if "ww" in kinds:
            return "lost update" if len({found.id for found in cycle}) == 1 else "write skew"
        return "fractured read"
    if any(not history.transactions[found.before].writes for found in cycle):
        return "read-only anomaly"
    return "write skew" if len(missed) > 1 else "read skew"


def _is_phantom(read: DocumentRead | None) -> bool:
    return read is not None and read.is_absent and bool(read.through)


# Words ------------------------------------------------------------------------------------------


def _described(
    history: History, transaction: RecordedTransaction, documents: Iterable[str]
) -> Iterator[str]:
    """A transaction with what it did to the documents of a cycle."""
    role = "commit" if transaction.writes else "wrote nothing; saw everything up to commit"
    yield f"  {transaction.name}, {role} {transaction.ts}"
    reads = [read for read in transaction.reads if read.id in documents]
    for read in dict.fromkeys(reads[:_READS_SHOWN]):
        yield f"    {_seen(history, read)}"
    written = [history.document(id) for id in transaction.writes if id in documents]
    if written:
        yield f"    wrote {', '.join(written)}"


def _seen(history: History, read: DocumentRead) -> str:
    document = history.document(read.id)
    through = f" through {read.through}" if read.through else ""
    if read.is_absent:
        since = f"since commit {read.ts}" if read.ts else "which had never been there"
        return f"did not find {document}{through}, {since}"
    writers = [t.name for t in history.transactions if t.ts == read.ts and read.id in t.writes]
    by = "".join(writers) or "somebody"
    return f"read {document}{through}, as {by} had left it in commit {read.ts}"


def _reason(history: History, dependency: Dependency) -> str:
    before = history.transactions[dependency.before].name
    after = history.transactions[dependency.after].name
    document = history.document(dependency.id)
    read = dependency.read
    if dependency.kind == "time":
        why = f"{before} had ended when {after} began"
    elif dependency.kind == "log":
        why = f"{before} is before {after} in the log"
    elif dependency.kind == "ww":
        why = f"{after} wrote {document} after {before} had written it"
    elif dependency.kind == "wr":
        why = f"{after} saw what {before} had done to {document}"
    elif _is_phantom(read):
        why = f"{before} did not see {document} in its range, into which {after} brought it"
    else:
        why = f"{before} read {document} as it was before {after} wrote it"
    return f"  {why}: so {before} comes before {after}"
