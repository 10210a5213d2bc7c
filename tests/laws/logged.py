"""A history of commits over two tables, beside a plain list of what each of them did.

Operations: ``["insert", table, number]``, ``["patch", which, number]``, ``["delete", which]``;
``which`` counts the documents that there were when the transaction began.
"""

from typing import Any, NamedTuple

from hypothesis import strategies as st

import headwater as hw

TABLES = ("apples", "pears")

operations = st.one_of(
    st.tuples(st.just("insert"), st.sampled_from(TABLES), st.integers(0, 2)),
    st.tuples(st.just("patch"), st.integers(0, 5), st.integers(0, 2)),
    st.tuples(st.just("delete"), st.integers(0, 5)),
)
transactions = st.lists(operations, min_size=1, max_size=5)


class Did(NamedTuple):
    """What one commit did to one document, as plain values."""

    table: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Model:
    """Documents by id, and what each commit did, by its timestamp, oldest first."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.table_of: dict[str, str] = {}
        self.commits: dict[int, list[Did]] = {}

    def commit(self, db: hw.Database, program: list[tuple[Any, ...]]) -> None:
        """Run a transaction on the database, and note what it did."""
        ids = list(self.documents)
        touched: dict[str, None] = {}
        with db.transaction() as tx:
            for verb, *arguments in program:
                if verb == "insert":
                    table, number = arguments
                    id = tx.insert(table, {"number": number})
                    self.table_of[id] = table
                    touched[id] = None
                elif ids and tx.get(id := ids[arguments[0] % len(ids)]) is not None:
                    number = tx.get(id)["number"]
                    if verb == "delete":
                        tx.delete(id)
                        touched[id] = None
                    elif number != arguments[1]:
                        tx.patch(id, number=arguments[1])
                        touched[id] = None
            after = {id: tx.get(id) for id in touched}
        did = [
            Did(self.table_of[id], id, self.documents.get(id), after[id])
            for id in touched
            if self.documents.get(id) is not None or after[id] is not None
        ]
        if did:
            self.commits[tx.ts] = did
        for id, document in after.items():
            if document is None:
                self.documents.pop(id, None)
            else:
                self.documents[id] = document

    def after(self, ts: int, tables: Any = None) -> list[tuple[int, list[Did]]]:
        """What a reader of the log has to see."""
        wanted = TABLES if tables is None else tables
        chosen = [
            (at, [one for one in did if one.table in wanted])
            for at, did in self.commits.items()
            if at > ts
        ]
        return [(at, did) for at, did in chosen if did]


def put(db: hw.Database, table: str, number: int) -> str:
    """Commit one document; returns its id."""
    return db.transact(lambda tx: tx.insert(table, {"number": number}))


def seen(entries: Any) -> list[tuple[int, list[Did]]]:
    """Entries of the log as plain values."""
    return [
        (entry.ts, [Did(c.table, c.id, c.before, c.after) for c in entry.changes])
        for entry in entries
    ]
