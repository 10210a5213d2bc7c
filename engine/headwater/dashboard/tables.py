"""Tables and their rows, now or at a moment."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cmp_to_key
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final, NamedTuple

from headwater.dashboard.asked import Asked
from headwater.errors import RequestInvalidError
from headwater.exchange.conditions import (
    Condition,
    ConditionInvalidError,
    field_of,
    narrowed,
    read_condition,
)
from headwater.exchange.json_values import write_value
from headwater.schema.explain import nearest
from headwater.tables.catalog import TableInfo
from headwater.tables.snapshot import Snapshot
from headwater.transactions.explicit import SnapshotReader, snapshot_at
from headwater.transactions.query import Order, TableQuery
from headwater.transactions.store import Store
from headwater_indexes.values import compare

ROWS_MAX: Final = 1000
LOOKED_AT_MAX: Final = 20_000
"""Documents that are read for one list: a filter without an index must not read for minutes."""

_COUNTED_MAX: Final = 10_000
_ORDERS: Final[tuple[Order, ...]] = ("asc", "desc")
_CREATION: Final = "_creationTime"

_by_order: Final[Callable[[Any], Any]] = cmp_to_key(compare)


class _Found(NamedTuple):
    """Rows of a table.

    Attributes:
        rows: The first ones.
        has_more: Whether there are others.
        is_cut: Whether the table has documents that were not looked at.
    """

    rows: list[dict[str, Any]]
    has_more: bool
    is_cut: bool


class Tables:
    """What tables there are, and what is in them.

    Args:
        store: The database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, asked: Asked) -> dict[str, Any]:
        """All tables of the application and of services, with their sizes up to a bound."""
        with closing(snapshot_at(self._store, asked.moment("at"))) as snapshot:
            shown = [table for table in snapshot.catalog if is_shown(table)]
            shown.sort(key=lambda table: (table.is_system, table.name))
            facts = [table_facts(table) | _count(snapshot, table) for table in shown]
            return {"ts": str(snapshot.ts), "tables": facts}

    def rows(self, asked: Asked) -> dict[str, Any]:
        """Rows of one table: filtered, in an order, the first so many."""
        with SnapshotReader(self._store, asked.moment("at")) as snapshot:
            name = asked.text("table")
            query = snapshot.query(name)
            catalog = query.transaction.snapshot.catalog
            info = catalog.by_name.get(name)
            if info is None or not is_shown(info):
                close = nearest(name, catalog.by_name)
                meant = f"; did you mean {close!r}?" if close else ""
                raise RequestInvalidError(f"there is no table {name!r} at that moment{meant}")
            found = _find(query, info, asked)
            return {
                "ts": str(snapshot.ts),
                "table": table_facts(info),
                "rows": found.rows,
                "hasMore": found.has_more,
                "isCut": found.is_cut,
                "lookedAt": LOOKED_AT_MAX,
            }


def is_shown(table: TableInfo) -> bool:
    """Whether a table holds something of the application's, or of a service's."""
    return table.is_service or not table.is_system


def table_facts(table: TableInfo) -> dict[str, Any]:
    """What the page knows of a table. Ids of its documents lie between the two bounds."""
    low, high = table.bounds
    return {
        "name": table.name,
        "isService": table.is_service,
        "projection": table.projection,
        "schema": table.schema,
        "idLow": low.decode("ascii"),
        "idHigh": high.decode("ascii"),
        "indexes": [
            {
                "name": index.name,
                "fields": list(index.definition.fields),
                "unique": index.definition.unique,
                "state": index.state,
            }
            for index in table.indexes
            if index.is_declared
        ],
        "references": [{"field": one.field, "table": one.table} for one in table.references],
    }


def _count(snapshot: Snapshot, table: TableInfo) -> dict[str, Any]:
    records = snapshot.records(*table.bounds, reverse=False, expected=_COUNTED_MAX)
    count = sum(1 for _ in islice(records, _COUNTED_MAX + 1))
    return {"documents": min(count, _COUNTED_MAX), "isMore": count > _COUNTED_MAX}


def _find(query: TableQuery[dict[str, Any]], info: TableInfo, asked: Asked) -> _Found:
    where = [_condition(text) for text in asked.texts("where")]
    search = asked.text("search", "").casefold()
    limit = asked.count("limit", 50, ROWS_MAX)
    order: Order = asked.one_of("order", _ORDERS, "desc")
    sort = asked.text("sort", _CREATION) or _CREATION
    index = info.index_of(sort)
    in_order = sort == _CREATION or index is not None
    ranged = narrowed(query, info, index.name if index is not None else None, where)
    seen = _Seen(ranged.order(order if in_order else "desc"))
    matching = (one for one in seen if _matches(one, where, search))
    if in_order:
        rows = list(islice(matching, limit + 1))
    else:
        first = nsmallest if order == "asc" else nlargest
        rows = first(limit + 1, matching, key=lambda one: _by_order(field_of(one, sort)))
    return _Found(rows[:limit], len(rows) > limit, seen.is_cut and len(rows) <= limit)


class _Seen:
    """Documents up to the bound on how many are looked at.

    Attributes:
        is_cut: Whether there were more.
    """

    def __init__(self, query: TableQuery[dict[str, Any]]) -> None:
        self._query = query
        self.is_cut: bool = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number, document in enumerate(self._query):
            if number >= LOOKED_AT_MAX:
                self.is_cut = True
                return
            yield document


def _condition(text: str) -> Condition:
    try:
        return read_condition(text)
    except ConditionInvalidError as error:
        raise RequestInvalidError(f"where: {error}") from None


def _matches(document: dict[str, Any], where: list[Condition], search: str) -> bool:
    if not all(condition.holds(document) for condition in where):
        return False
    return not search or search in write_value(document, "exact").casefold()
