"""Stored documents against what is about to be declared of their table.

Most of them are looked at on snapshots, while others write. Those that were written meanwhile are
looked at by the transaction that changes the declaration, which runs in turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Final

from headwater.errors import SchemaMismatchError
from headwater.schema.explain import ValidationError
from headwater.schema.references import ReferenceDefinition
from headwater.storage.format import Database
from headwater.tables.catalog import TableInfo
from headwater.tables.progress import Progress, Report
from headwater.tables.records import count_documents, decode_document
from headwater.tables.snapshot import DOCUMENTS_SPACE, Snapshot
from headwater.transactions.changes_since import touched_keys
from headwater.transactions.declared_table import Check
from headwater.transactions.store import Store
from headwater.transactions.transaction import Transaction
from headwater_indexes.errors import NotStorableError

_SHOWN_MAX: Final = 5
"""Offending documents that an error names."""


class StoredDocuments:
    """The documents of one table that has another type, or other references, from now on.

    Args:
        table: The table as it is.
        check: What each of them has to pass; None if they do.
        references: Those of their references that are not known to hold.
    """

    def __init__(
        self, table: TableInfo, check: Check | None, references: Sequence[ReferenceDefinition]
    ) -> None:
        self._table = table
        self._check = check
        self._references = references
        self._targets: set[str] = set()
        self._first: list[tuple[str, str]] = []
        self._total = 0

    def look_through(self, store: Store, report: Report | None) -> None:
        """Look at all documents, on several snapshots so that none is held for long.

        Raises:
            SchemaMismatchError: Some of them do not fit.
        """
        if self._check is None and not self._references:
            return
        step = f"checking documents of {self._table.name}"
        low, high = self._table.bounds
        done, total, limit = 0, 0, store.limits.backfill_documents
        while True:
            with closing(store.snapshot()) as snapshot:
                if report is not None:
                    total = total or count_documents(snapshot.reader, self._table.bounds)
                    report(Progress(step, min(done, total), total))
                chunk = list(islice(snapshot.records(low, high, reverse=False), limit))
                documents = [decode_document(key, record) for key, record in chunk]
                there = self._there(snapshot, documents)
            for document in documents:
                self._look_at(document, there)
            self._targets |= there
            done += len(chunk)
            if len(chunk) < limit:
                break
            low = chunk[-1][0] + b"\x00"
        if report is not None:
            report(Progress(step, total, total))
        self._refuse()

    def holds_since(self, store: Store, transaction: Transaction, since_ts: int) -> bool:
        """Look at the documents that were written after a moment, in turn.

        Returns:
            False if all has to be looked at again, because documents that others referred to are
            gone meanwhile.

        Raises:
            SchemaMismatchError: Some of them do not fit.
        """
        if self._check is None and not self._references:
            return True
        number = self._table.number
        catalog = transaction.snapshot.catalog
        for key in sorted(set(touched_keys(store, transaction, DOCUMENTS_SPACE, since_ts))):
            id = key.decode("ascii")
            if id in self._targets and not transaction.exists(key):
                return False
            table = catalog.table_of(id)
            document = transaction.read(key) if table and table.number == number else None
            if document is not None:
                self._look_at(document, self._there_now(transaction, document))
        self._refuse()
        return True

    # -- one document ---------------------------------------------------------------------------

    def _look_at(self, document: Mapping[str, Any], there: set[str]) -> None:
        reason = self._misfit(document) or self._dangling(document, there)
        if reason is not None:
            self._total += 1
            if self._total <= _SHOWN_MAX:
                self._first.append((document["_id"], reason))

    def _misfit(self, document: Mapping[str, Any]) -> str | None:
        """Why a document does not fit the new type; None if it does."""
        if self._check is None:
            return None
        try:
            self._check({name: value for name, value in document.items() if name[0] != "_"})
        except (ValidationError, NotStorableError) as error:
            return str(error)
        return None

    def _dangling(self, document: Mapping[str, Any], there: set[str]) -> str | None:
        """Why a document cannot have its references; None if it can."""
        for field, table, _ in self._references:
            target = document.get(field)
            if target is not None and target not in there:
                return f"field {field!r} refers to {target!r}, which is not in {table!r}"
        return None

    def _refuse(self) -> None:
        if not self._total:
            return
        listed = "; ".join(f"{id}: {reason}" for id, reason in self._first)
        some = (
            f"{self._total} of its documents do" if self._total > 1 else "one of its documents does"
        )
        first = f" (the first {_SHOWN_MAX})" if self._total > _SHOWN_MAX else ""
        raise SchemaMismatchError(
            f"table {self._table.name!r}: {some} not fit the declared type{first}: {listed}. "
            "Nothing was changed. Change these documents with the old declaration first, or "
            "declare a type that accepts them (NotRequired, a union)",
            table=self._table.name,
            documents=self._first,
        )

    # -- what they refer to ---------------------------------------------------------------------

    def _named(self, documents: Iterable[Mapping[str, Any]]) -> set[str]:
        """Ids that documents name; whatever else stands there is found by the check of the type."""
        found = {one.get(reference.field) for one in documents for reference in self._references}
        return {id for id in found if type(id) is str and id.isascii()}

    def _there(self, snapshot: Snapshot, documents: Sequence[Mapping[str, Any]]) -> set[str]:
        """Those of the ids that documents name that are there."""
        named = sorted(self._named(documents))
        keys = [id.encode("ascii") for id in named]
        records = snapshot.reader.get_many(Database.DOCUMENTS, keys)
        return {id for id, record in zip(named, records, strict=True) if record is not None}

    def _there_now(self, transaction: Transaction, document: Mapping[str, Any]) -> set[str]:
        named = self._named([document])
        return {id for id in named if transaction.exists(id.encode("ascii"))}
