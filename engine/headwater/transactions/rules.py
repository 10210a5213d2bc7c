"""The checks that documents have to pass before they are written."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from headwater.errors import ProjectionTableError
from headwater.schema.compile import compile_checker
from headwater.schema.explain import TableNumbers, ValidationError
from headwater.schema.json_form import from_json
from headwater.tables.catalog import TableInfo

Check: TypeAlias = Callable[[Mapping[str, Any]], None]

_ANOTHER_TYPE = (
    "this is the type that another process has declared since: open the database again with the "
    "modules that declare it"
)


class _Declared(NamedTuple):
    schema: Any
    compiled: Callable[[], Check]


class TableRules:
    """The check of each table: its declared type, and the stored one where that is another.

    They differ once another process has deployed another type while this one goes on, and for a
    table that only others declare. What is written has to fit both, so that a stored document
    always fits the stored type.
    """

    def __init__(self, tables: TableNumbers, *, nesting: int, writer: str = "") -> None:
        self._tables = tables
        self._nesting = nesting
        self._writer = writer
        self._declared: dict[str, _Declared] = {}
        self._known: dict[str, tuple[TableInfo, Check | None]] = {}

    def of_projection(self, name: str) -> "TableRules":
        """The same rules for what a projection writes: its tables may be written by nobody else."""
        rules = TableRules(self._tables, nesting=self._nesting, writer=name)
        rules._declared = self._declared  # also what is declared from now on
        return rules

    def declare(self, name: str, schema: Any, compiled: Callable[[], Check]) -> None:
        """Take in the declared type of a table.

        Args:
            name: Of the table.
            schema: The type as JSON.
            compiled: Gives its check; asked when the table is first written to.
        """
        self._declared[name] = _Declared(schema, compiled)

    def check_of(self, table: TableInfo) -> Check | None:
        """What a document of the table has to pass; None if it may be any.

        O(1) as long as the table stays the same.
        """
        known = self._known.get(table.name)
        if known is not None and known[0] is table:
            return known[1]
        check = self._make(table)
        self._known[table.name] = (table, check)
        return check

    def _make(self, table: TableInfo) -> Check | None:
        if table.projection not in ("", self._writer):
            return _refusing(table.name, table.projection)
        declared = self._declared.get(table.name)
        if declared is not None and table.schema in (None, declared.schema):
            return declared.compiled()
        stored = self._stored_check(table.schema)
        if declared is None or stored is None:
            return stored if declared is None else declared.compiled()
        return _both(declared.compiled(), stored)

    def _stored_check(self, schema: Any) -> Check | None:
        if schema is None:
            return None
        try:
            validator = from_json(schema)
        except ValueError:
            return None  # stored by a version that knew other types
        return compile_checker(validator, self._tables, nesting=self._nesting)


def not_writable(table: str, projection: str) -> ProjectionTableError:
    """The error for a write to a table that only a projection writes."""
    return ProjectionTableError(
        f"table {table!r} is made by the projection {projection!r} from other tables, and cannot "
        "be written otherwise; write to the tables that it is fed with, or to a table of your own",
        table=table,
        projection=projection,
    )


def _refusing(table: str, projection: str) -> Check:
    def check(_: Mapping[str, Any]) -> None:
        raise not_writable(table, projection)

    return check


def _both(declared: Check, stored: Check) -> Check:
    def check(fields: Mapping[str, Any]) -> None:
        declared(fields)
        try:
            stored(fields)
        except ValidationError as error:
            raise ValidationError(
                error.path,
                expected=error.expected,
                got=error.got,
                hint=_ANOTHER_TYPE,
                problem=error.problem,
            ) from None

    return check
