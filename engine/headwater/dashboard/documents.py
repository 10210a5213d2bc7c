"""Single documents: how they are, how they were, and changing them by hand."""

from contextlib import closing
from http import HTTPStatus
from typing import Any, Final

from headwater.dashboard.asked import Asked
from headwater.dashboard.log_facts import origin_facts, pair_facts
from headwater.dashboard.tables import is_shown, table_facts
from headwater.errors import DocumentNotFoundError, RequestInvalidError
from headwater.schema.tables import Id
from headwater.server.refusals import RefusalError
from headwater.tables.history import history
from headwater.tables.reports import Revision
from headwater.transactions.explicit import OpenTransaction, get_document
from headwater.transactions.store import Store
from headwater.transactions.undo import restore, undo
from headwater_indexes.values import compare

_REVISIONS_MAX: Final = 500
_SYSTEM_FIELDS: Final = ("_id", "_creationTime")


class Documents:
    """Reads documents and changes them. Every change is one commit, which can be undone.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- reading --------------------------------------------------------------------------------

    def get(self, asked: Asked) -> dict[str, Any]:
        """A document now or at a moment, and its table."""
        id = asked.text("id")
        document = get_document(self._store, id, asked.moment("at"))
        with closing(self._store.snapshot()) as snapshot:
            table = snapshot.catalog.table_of(id)
        is_there = table is not None and is_shown(table)
        return {
            "document": document if is_there else None,
            "table": None if table is None or not is_there else table_facts(table),
        }

    def history(self, asked: Asked) -> dict[str, Any]:
        """The versions of a document, newest first."""
        id = asked.text("id")
        with closing(self._store.snapshot()) as snapshot:
            revisions = history(snapshot, id)
        shown = revisions[:_REVISIONS_MAX]
        befores = [one.document for one in revisions[1 : len(shown) + 1]]
        befores += [None] * (len(shown) - len(befores))
        return {
            "count": len(revisions),
            "revisions": [
                _revision(one, before) for one, before in zip(shown, befores, strict=True)
            ],
        }

    # -- changing -------------------------------------------------------------------------------

    def insert(self, asked: Asked) -> dict[str, Any]:
        """A new document of a table."""
        fields = _own_fields(asked.members("text"))
        with OpenTransaction(self._store) as transaction:
            id = transaction.insert(asked.text("table"), fields)
        return {"id": id, "ts": str(transaction.ts)}

    def replace(self, asked: Asked) -> dict[str, Any]:
        """Other fields in place of those that somebody has seen."""
        id: Id[Any] = Id(asked.text("id"))
        fields, seen = _own_fields(asked.members("text")), asked.members("before")
        with OpenTransaction(self._store) as transaction:
            found = transaction.get(id)
            if found is None:
                raise DocumentNotFoundError(f"{id}: the document is not there any more", id=id)
            if compare(found, seen) != 0:
                raise _changed(id)
            transaction.replace(id, fields)
        return {"ts": str(transaction.ts)}

    def delete(self, asked: Asked) -> dict[str, Any]:
        """No such documents any more; all of them in one commit."""
        ids = asked.texts("ids")
        if not ids:
            raise RequestInvalidError("ids: expected at least one")
        with OpenTransaction(self._store) as transaction:
            for id in ids:
                transaction.delete(Id(id))
        return {"ts": str(transaction.ts), "count": len(ids)}

    # -- taking back ----------------------------------------------------------------------------

    def undo(self, asked: Asked) -> dict[str, Any]:
        """The versions before a commit, as a new commit."""
        ts = asked.required_moment("ts")
        return {"ts": str(undo(self._store, ts, override=asked.flag("override")))}

    def restore(self, asked: Asked) -> dict[str, Any]:
        """A document as it was at a moment, as a new commit."""
        id, ts = asked.text("id"), asked.required_moment("ts")
        return {"ts": str(restore(self._store, id, ts, override=asked.flag("override")))}


def _own_fields(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in _SYSTEM_FIELDS}


def _revision(revision: Revision, before: dict[str, Any] | None) -> dict[str, Any]:
    kind = "update"
    if revision.document is None:
        kind = "delete"
    elif before is None and not revision.is_cut:
        kind = "insert"
    return {
        "ts": str(revision.ts),
        "origin": origin_facts(revision.origin),
        "kind": kind,
        "document": revision.document,
        "changed": pair_facts(revision.changed),
        "isCut": revision.is_cut,
    }


def _changed(id: str) -> RefusalError:
    return RefusalError(
        HTTPStatus.CONFLICT,
        "ChangedMeanwhile",
        f"{id}: somebody has changed the document meanwhile; nothing was written",
    )
