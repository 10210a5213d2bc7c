"""Operations of a transaction as plain values, and a model that runs the same ones.

Operations, with the ids of cells as strings::

    ["get", id]                                    -> the document or None
    ["range", index, equal, bounds, order, count]  -> documents; count None for all
    ["walk", order, count]                         -> documents in order of creation
    ["insert", group, number]                      -> the new id
    ["patch", id, fields]                          -> whether it was there
    ["replace", id, group, number]                 -> whether it was there
    ["delete", id]                                 -> whether it was there

Every write stores the name of the transaction that made it, so what a read returns says whose
version it saw, without asking the database.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from headwater.errors import DocumentNotFoundError

Program: TypeAlias = Sequence[Sequence[Any]]


def run_program(db: Any, writer: str, program: Program) -> list[Any]:
    """Run operations on a reader or writer of the database, or on a model of one."""
    return [run_operation(db, writer, operation) for operation in program]


def run_operation(db: Any, writer: str, operation: Sequence[Any]) -> Any:
    name, *arguments = operation
    return _OPERATIONS[name](db, writer, *arguments)


def _range(
    db: Any,
    _: str,
    index: str,
    equal: list[int],
    bounds: Mapping[str, int],
    order: str,
    count: int | None,
) -> Any:
    return _some(db.query("cells").with_index(index, *equal, **bounds).order(order), count)


def _some(query: Any, count: int | None) -> Any:
    return query.collect() if count is None else query.take(count)


def _if_there(write: Callable[[], None]) -> bool:
    try:
        write()
    except DocumentNotFoundError:
        return False
    return True


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "get": lambda db, _, cell: db.get(cell),
    "range": _range,
    "walk": lambda db, _, order, count: _some(db.query("cells").order(order), count),
    "insert": lambda db, writer, group, number: db.insert(
        "cells", {"group": group, "number": number, "writer": writer}
    ),
    "patch": lambda db, writer, cell, fields: _if_there(
        lambda: db.patch(cell, {**fields, "writer": writer})
    ),
    "replace": lambda db, writer, cell, group, number: _if_there(
        lambda: db.replace(cell, {"group": group, "number": number, "writer": writer})
    ),
    "delete": lambda db, _, cell: _if_there(lambda: db.delete(cell)),
}

INDEXES: Mapping[str, tuple[str, ...]] = {"by_number": ("number",), "by_group": ("group", "number")}


class ModelCells:
    """The table as a dict of documents, with the verbs that programs use.

    Args:
        documents: By id; changed in place.
        new_ids: Ids that the database gave to the inserts of the program that is replayed.
    """

    def __init__(self, documents: dict[str, dict[str, Any]], new_ids: Sequence[str] = ()) -> None:
        self.documents = documents
        self._new_ids = iter(new_ids)

    def get(self, cell: str) -> dict[str, Any] | None:
        return self.documents.get(cell)

    def insert(self, _: str, fields: Mapping[str, Any]) -> str:
        cell = next(self._new_ids)
        self.documents[cell] = {**fields, "_id": cell}
        return cell

    def patch(self, cell: str, fields: Mapping[str, Any]) -> None:
        self.documents[cell] = {**self._old(cell), **fields}

    def replace(self, cell: str, fields: Mapping[str, Any]) -> None:
        self._old(cell)
        self.documents[cell] = {**fields, "_id": cell}

    def delete(self, cell: str) -> None:
        self._old(cell)
        del self.documents[cell]

    def query(self, _: str) -> "ModelQuery":
        return ModelQuery(self.documents)

    def _old(self, cell: str) -> dict[str, Any]:
        if cell not in self.documents:
            raise DocumentNotFoundError("not there", id=cell)
        return self.documents[cell]


class ModelQuery:
    """A range of the model, found by looking at everything."""

    def __init__(self, documents: Mapping[str, dict[str, Any]]) -> None:
        self._documents = documents
        self._fields: tuple[str, ...] = ()
        self._equal: tuple[int, ...] = ()
        self._bounds: dict[str, int] = {}
        self._order = "asc"

    def with_index(self, index: str, *equal: int, **bounds: int) -> "ModelQuery":
        self._fields, self._equal, self._bounds = INDEXES[index], equal, bounds
        return self

    def order(self, order: str) -> "ModelQuery":
        self._order = order
        return self

    def key_of(self, document: Mapping[str, Any]) -> tuple[Any, ...]:
        """Where the document stands in the order of the query."""
        return (*(document[field] for field in self._fields), document["_id"])

    def matches(self, document: Mapping[str, Any]) -> bool:
        """Whether the range holds the document."""
        if any(document[f] != v for f, v in zip(self._fields, self._equal, strict=False)):
            return False
        if not self._bounds:
            return True
        value = document[self._fields[len(self._equal)]]
        return all(_COMPARE[name](value, bound) for name, bound in self._bounds.items())

    def collect(self) -> list[dict[str, Any]]:
        found = [document for document in self._documents.values() if self.matches(document)]
        return sorted(found, key=self.key_of, reverse=self._order == "desc")

    def take(self, count: int) -> list[dict[str, Any]]:
        return self.collect()[:count]


_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def query_of(operation: Sequence[Any]) -> tuple[ModelQuery, int | None]:
    """The range that an operation reads, over no documents, and how many it takes."""
    if operation[0] == "walk":
        return ModelQuery({}).order(operation[1]), operation[2]
    _, index, equal, bounds, order, count = operation
    return ModelQuery({}).with_index(index, *equal, **bounds).order(order), count
