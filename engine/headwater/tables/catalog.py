"""The catalog: which tables and indexes there are.

Tables, indexes and projections are documents of the system tables ``_tables``, ``_indexes`` and
``_projections``, so that the log alone says what they are, and a change of them is a commit like
any other. A `Catalog` is an immutable picture of them at one timestamp.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from itertools import starmap
from typing import Any, Final, Literal, TypeAlias

from headwater.schema.references import ReferenceDefinition, from_stored
from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction
from headwater.tables.projection_info import ProjectionInfo, Projections, projection_info
from headwater.tables.records import decode_document
from headwater.tables.reference_graph import ReferenceGraph, Referrer, referrers_of
from headwater_indexes.definition import CREATION_ORDER, CREATION_TIME, IndexDefinition
from headwater_indexes.ids import encode_id, table_bounds, table_number_of
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.keys import compile_entry_encoder, component_ends

TABLES_NUMBER: Final = 513
INDEXES_NUMBER: Final = 514
PROJECTIONS_NUMBER: Final = 515
POSITIONS_NUMBER: Final = 516
SERVICE_TABLES_FROM: Final = 1001
"""The tables of services have numbers from here on, and are made when one is first used. An import
may give the table of stored files another one below, which is that of Convex's."""

CASCADES: Final = "_cascades"
"""The table of the deletions that are under way; see `headwater.transactions.cascades`."""

USER_TABLES_FROM: Final = 10_001
SYSTEM_NAMES: Final = {
    TABLES_NUMBER: "_tables",
    INDEXES_NUMBER: "_indexes",
    PROJECTIONS_NUMBER: "_projections",
    POSITIONS_NUMBER: "_projection_positions",
}
CATALOG_TABLES: Final = (TABLES_NUMBER, INDEXES_NUMBER, PROJECTIONS_NUMBER)
CATALOG_NUMBERS: Final = frozenset(CATALOG_TABLES)
"""The tables that the catalog is read from. How far a projection is changes with each batch."""

IndexState: TypeAlias = Literal["building", "ready"]


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """One index of one table. ``space`` numbers its keys and is never shared.

    Attributes:
        key_of: The logical key of a document's entry, from its fields and its id. For an index of a
            table with foreign ids the fields have to have ``_creationTime``.
        has_time: Whether its keys have the creation time between the declared fields and the id.
    """

    id: str
    space: int
    table_number: int
    definition: IndexDefinition
    state: IndexState
    key_of: Callable[[Mapping[str, Any], str], bytes] = field(repr=False, compare=False)
    has_time: bool = False

    @property
    def name(self) -> str:
        """The name that the table gives it."""
        return self.definition.name

    @property
    def is_declared(self) -> bool:
        """Whether the application has declared it; ``by_creation_time`` comes by itself."""
        return self.definition != CREATION_ORDER

    def fields_of(self, key: bytes, id_length: int) -> bytes:
        """The encoded fields in a logical key: what of it counts for uniqueness."""
        if self.has_time:
            return key[: component_ends(key, len(self.definition.fields))[-1]]
        return key[:-id_length]


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table. ``schema`` is the stored JSON of its document type, None if it has none.

    Attributes:
        foreign_ids: Whether there may be ids that do not begin with their document's creation time.
            Then all index keys have the creation time before the id.
        order: The index that has the order of creation; None where the ids have it.
        order_bounds: Where that order begins and ends, in its own key space.
        projection: The projection that writes it, and nobody else; empty for any other table.
        references: What its documents refer to.
        referrers: What refers to its documents.
    """

    id: str
    name: str
    number: int
    schema: Any
    foreign_ids: bool = False
    indexes: tuple[IndexInfo, ...] = ()
    bounds: tuple[bytes, bytes] = (b"", b"")
    id_length: int = 0
    order: IndexInfo | None = None
    order_bounds: tuple[bytes, bytes] = (b"", b"")
    unique_indexes: tuple[int, ...] = ()
    by_name: Mapping[str, IndexInfo] = field(
        default_factory=dict[str, IndexInfo], repr=False, compare=False
    )
    projection: str = ""
    references: tuple[ReferenceDefinition, ...] = ()
    referrers: tuple[Referrer, ...] = ()

    def index(self, name: str) -> IndexInfo | None:
        """The index of that name, ready or not."""
        return self.by_name.get(name)

    def index_of(self, field: str) -> IndexInfo | None:
        """An index that is ready and begins with a field, None if there is none."""
        for index in self.indexes:
            if index.definition.fields[0] == field and index.state == "ready":
                return index
        return None

    @property
    def is_system(self) -> bool:
        """Whether it is one of the database's own tables."""
        return self.number < USER_TABLES_FROM

    @property
    def is_service(self) -> bool:
        """Whether it belongs to a service: stored like any table, written by its service alone."""
        return self.is_system and self.number not in SYSTEM_NAMES

    @property
    def is_catalog(self) -> bool:
        """Whether a change of it is a change of the catalog."""
        return self.number in CATALOG_NUMBERS


_NO_PROJECTIONS: Final = Projections()


class Catalog:
    """All tables, indexes and projections at one timestamp. Immutable; compared by identity."""

    __slots__ = ("_graph", "by_name", "by_number", "indexes_by_space", "projections")

    def __init__(
        self,
        tables: Iterator[TableInfo] | list[TableInfo],
        projections: Projections = _NO_PROJECTIONS,
    ) -> None:
        self.projections: Projections = projections
        listed = list(tables)
        owners = projections.owners
        referrers = referrers_of({table.name: table.references for table in listed})
        self.by_number: dict[int, TableInfo] = {
            table.number: _completed(table, owners, referrers) for table in listed
        }
        self.by_name: dict[str, TableInfo] = {
            table.name: table for table in self.by_number.values()
        }
        self.indexes_by_space: dict[int, IndexInfo] = {
            index.space: index for table in self.by_number.values() for index in table.indexes
        }
        self._graph: ReferenceGraph | None = None

    @property
    def graph(self) -> ReferenceGraph:
        """How tables refer to each other. Found once, O(references)."""
        if self._graph is None:
            self._graph = ReferenceGraph(
                {table.name: table.references for table in self if table.references}
            )
        return self._graph

    def __iter__(self) -> Iterator[TableInfo]:
        return iter(self.by_number.values())

    def user_tables(self) -> list[TableInfo]:
        """Tables of the application, by name."""
        return sorted((t for t in self if not t.is_system), key=lambda table: table.name)

    def table_of(self, id: str) -> TableInfo | None:
        """The table that a stored document's id belongs to."""
        return self.by_number.get(table_number_of(id))

    def name_of(self, table_number: int) -> str:
        """The table's name, or its number for one that is not known."""
        table = self.by_number.get(table_number)
        return table.name if table else f"table {table_number}"

    def next_table_number(self) -> int:
        """The number that a new table takes."""
        return max([USER_TABLES_FROM - 1, *self.by_number]) + 1


def _completed(
    table: TableInfo,
    owners: Mapping[str, ProjectionInfo],
    referrers: Mapping[str, Sequence[Referrer]],
) -> TableInfo:
    """A table with what other documents of the catalog say of it.

    That is a part of it, so that a transaction that has written to it under another catalog loses.
    """
    owner, known = owners.get(table.name), tuple(referrers.get(table.name, ()))
    if owner is None and not known:
        return table
    return replace(table, projection="" if owner is None else owner.name, referrers=known)


def load_catalog(reader: ReadTransaction) -> Catalog:
    """Read the catalog as of a snapshot. O(tables + indexes)."""
    tables, indexes, projections = (
        tuple(reader.scan(Database.DOCUMENTS, *table_bounds(number))) for number in CATALOG_TABLES
    )
    return catalog_of(tables, indexes, projections)


Records: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Keys and documents of a table, as they are stored."""


@lru_cache(maxsize=8)  # what a database had when it was closed, it has when it is opened again
def catalog_of(of_tables: Records, of_indexes: Records, of_projections: Records) -> Catalog:
    """The catalog that the documents of its three tables say."""
    indexes: dict[int, list[dict[str, Any]]] = {}
    for document in starmap(decode_document, of_indexes):
        indexes.setdefault(document["table"], []).append(document)
    tables = [
        table_info(document, indexes.get(document["number"], []))
        for document in starmap(decode_document, of_tables)
    ]
    projections = map(projection_info, starmap(decode_document, of_projections))
    return Catalog([*map(_system_table, SYSTEM_NAMES), *tables], Projections(projections))


def table_info(document: Mapping[str, Any], indexes: Iterable[Mapping[str, Any]]) -> TableInfo:
    """A table from its document in ``_tables`` and those of its indexes in ``_indexes``."""
    foreign_ids: bool = document.get("foreign_ids", False)
    infos = [index_info(index, foreign_ids=foreign_ids) for index in indexes]
    ordered = tuple(sorted(infos, key=lambda index: index.space))
    order = next((index for index in ordered if not index.is_declared), None)
    bounds = table_bounds(document["number"])
    return TableInfo(
        document["_id"],
        document["name"],
        document["number"],
        document["schema"],
        foreign_ids,
        ordered,
        bounds,
        _id_length(document["number"]),
        order,
        bounds if order is None else (b"", KEYS_END),
        tuple(at for at, index in enumerate(ordered) if index.definition.unique),
        {index.name: index for index in ordered},
        references=from_stored(document.get("references", ())),
    )


def index_info(document: Mapping[str, Any], *, foreign_ids: bool = False) -> IndexInfo:
    """An index from its document in ``_indexes``.

    Args:
        document: The document.
        foreign_ids: Whether its table has foreign ids.
    """
    definition = _definition(document)
    paths = [name.split(".") for name in definition.fields]
    has_time = foreign_ids and definition != CREATION_ORDER
    return IndexInfo(
        document["_id"],
        document["space"],
        document["table"],
        definition,
        document["state"],
        compile_entry_encoder([*paths, [CREATION_TIME]] if has_time else paths),
        has_time,
    )


def _definition(document: Mapping[str, Any]) -> IndexDefinition:
    if document["name"] == CREATION_ORDER.name:
        return CREATION_ORDER
    return IndexDefinition(document["name"], tuple(document["fields"]), unique=document["unique"])


@cache  # there are four, the same in every database
def _system_table(number: int) -> TableInfo:
    bounds, length = table_bounds(number), _id_length(number)
    return TableInfo(
        "",
        SYSTEM_NAMES[number],
        number,
        None,
        bounds=bounds,
        id_length=length,
        order_bounds=bounds,
    )


@lru_cache(maxsize=1024)
def _id_length(table_number: int) -> int:
    return len(encode_id(table_number, bytes(16)))
