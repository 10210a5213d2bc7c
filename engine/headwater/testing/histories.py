"""What transactions read and wrote, in a form that says nothing of how it was found out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

NEVER = 0
"""The version of a document that no commit has made yet."""
UNKNOWN = -1
"""A version that is in no commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead:
    """Which state of one document a transaction saw.

    Attributes:
        id: The document.
        ts: The commit whose version it saw, 0 for a document that none had made yet, -1 for a
            version that no commit has made.
        last_ts: The last commit whose version looks the same through the range: a document that is
            not in it may change without coming into it. The same as ``ts`` for all other reads.
        through: The table or index whose range was read, empty for a read by id.
        is_absent: Whether it was not there, or not in the range.
    """

    id: str
    ts: int
    last_ts: int
    through: str = ""
    is_absent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTransaction:
    """One transaction that was committed, or has only read.

    Attributes:
        name: What reports call it.
        ts: Timestamp of its commit; of the newest commit that it could see, if it wrote nothing.
        reads: What it saw of others, in order.
        writes: Ids of the documents that it made, changed or deleted.
        began: When it began, on a scale that all transactions of the history share; None if that is
            not known.
        ended: When it was acknowledged, on the same scale.
    """

    name: str
    ts: int
    reads: Sequence[DocumentRead] = ()
    writes: Sequence[str] = ()
    began: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Transactions of one database, in no order, for `check_serializable`.

    Attributes:
        transactions: Every commit is one of them; those that nobody recorded have no reads.
        tables: Table names by document id, for reports.
    """

    transactions: Sequence[RecordedTransaction]
    tables: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def merged(cls, histories: Iterable["History"]) -> "History":
        """One history of what several recorders saw of one database.

        A commit that one of them recorded and others only found in the log counts once.
        """
        tables: dict[str, str] = {}
        commits: dict[int, RecordedTransaction] = {}
        readers: list[RecordedTransaction] = []
        for history in histories:
            tables.update(history.tables)
            for transaction in history.transactions:
                if not transaction.writes:
                    readers.append(transaction)
                elif transaction.began is not None or transaction.ts not in commits:
                    commits[transaction.ts] = transaction
        return cls([*commits.values(), *readers], tables)

    def document(self, id: str) -> str:
        """A document, for reports."""
        table = self.tables.get(id)
        return f"{table}/{id}" if table else id
