"""Projections, as an application declares them: tables that are made from the changes of others."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from headwater.errors import DeclarationError, ProjectionTableError
from headwater.functions.purity import Pure
from headwater.schema.explain import is_list
from headwater.schema.tables import Table, is_table
from headwater.tables.log_entries import Change
from headwater.tables.projection_info import Feed, ProjectionInfo
from headwater.transactions.reader import each_id, name_of, table_number_of
from headwater.transactions.rules import TableRules
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

_FEEDS: Final = ("commit", "later")


class ProjectionState(Writer):
    """The tables of one projection, for its function to read and to write, and no others."""

    __slots__ = ("_into", "_name")

    def __init__(self, transaction: Transaction, rules: TableRules, info: ProjectionInfo) -> None:
        super().__init__(transaction, rules)
        self._name = info.name
        self._into = info.into

    # Type checkers see the signatures of Writer, which say the type of each document.
    if not TYPE_CHECKING:

        def get(self, id: Any) -> Any:
            """The document with that id, or None. O(log n)."""
            self._check_id(id)
            return super().get(id)

        def get_many(self, ids: Any) -> Any:
            """The documents with those ids, in their order; None for one that is not there."""
            given = each_id(ids, "get_many")
            for id in given:
                self._check_id(id)
            return super().get_many(given)

        def query(self, table: Any) -> Any:
            """Begin a query over a table of the projection."""
            self._check_table(name_of(table))
            return super().query(table)

        def normalize_id(self, table: Any, id: Any) -> Any:
            """The string as an id of the table, or None if it is none."""
            self._check_table(name_of(table))
            return super().normalize_id(table, id)

        def insert(self, table: Any, document: Any) -> Any:
            """Add a document and return its id."""
            self._check_table(name_of(table))
            return super().insert(table, document)

        def insert_many(self, table: Any, documents: Any) -> Any:
            """Add documents in their order and return their ids."""
            self._check_table(name_of(table))
            return super().insert_many(table, documents)

        def _existing(self, id: Any, verb: str) -> Any:
            if type(id) is str:
                self._check_id(id)
            return super()._existing(id, verb)

    def _check_id(self, id: str) -> None:
        catalog = self._transaction.snapshot.catalog
        if type(id) is str and id.isascii():
            table = catalog.by_number.get(table_number_of(id))
            if table is not None:
                self._check_table(table.name)

    def _check_table(self, name: str) -> None:
        if name in self._into:
            return
        raise ProjectionTableError(
            f"the projection {self._name!r} used table {name!r}, which is none of its own: it "
            f"reads and writes {', '.join(map(repr, self._into))} only, so that it depends on "
            "nothing but the changes that it is fed with. Name the table in into=, or keep what "
            "you need of it in a table of the projection",
            table=name,
            projection=self._name,
        )


Handler: TypeAlias = Callable[[ProjectionState, Change], object]


class Projection:
    """A declared projection; made by ``@projection``.

    Attributes:
        handler: The function itself.
        name: What it is called, in the database too.
        module: The dotted name of its module.
        version: Of its code; another one makes the tables anew.
        into: The tables that it makes.
        of: The tables whose changes it is fed with; None for all that no projection makes.
        feed: When it is fed.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        name: str | None,
        into: Sequence[type[Table[Any]]],
        of: Sequence[type[Table[Any]]] | None,
        version: int,
        feed: Feed,
    ) -> None:
        _check_handler(handler)
        self.handler: Handler = handler
        self.name: str = handler.__name__ if name is None else name
        self.module: str = handler.__module__ or "__main__"
        self.version: int = version
        self.into: tuple[type[Table[Any]], ...] = _tables(self.name, "into", into)
        self.of: tuple[type[Table[Any]], ...] | None = (
            None if of is None else _tables(self.name, "of", of)
        )
        self.feed: Feed = feed
        self.__doc__ = handler.__doc__
        self.__wrapped__ = handler
        self._check()

    def __call__(self, state: ProjectionState, event: Change) -> None:
        """Apply one change, as a test may want to."""
        self.handler(state, event)

    def __repr__(self) -> str:
        return f"<projection {self.name}>"

    @property
    def tables(self) -> tuple[type[Table[Any]], ...]:
        """All tables that it names."""
        return (*self.into, *(self.of or ()))

    def fields(self) -> dict[str, Any]:
        """What the database keeps of it."""
        return {
            "name": self.name,
            "version": self.version,
            "into": [table.table_name for table in self.into],
            "of": None if self.of is None else [table.table_name for table in self.of],
            "feed": self.feed,
        }

    def _check(self) -> None:
        where = f"projection {self.name!r}"
        if type(self.name) is not str or not self.name.isidentifier():
            raise DeclarationError(f"{where}: expected a name like that of a function")
        if type(self.version) is not int or self.version < 1:
            raise DeclarationError(
                f"{where}: version={self.version!r}; expected a whole number from 1"
            )
        if self.feed not in _FEEDS:
            raise DeclarationError(
                f"{where}: feed={self.feed!r}; expected 'commit' (in the transactions that change "
                "what it is made from) or 'later' (from the log)"
            )
        both = [table.table_name for table in self.into if table in (self.of or ())]
        if both:
            raise DeclarationError(
                f"{where}: table {both[0]!r} is in into and in of; a projection is not fed with "
                "what it writes itself"
            )


def _check_handler(handler: object) -> None:
    if not inspect.isfunction(handler):
        raise DeclarationError(
            f"@projection: expected a function, got {handler!r}; tables are given by name, as in "
            "@projection(into=[Balances], of=[Entries])"
        )
    if inspect.iscoroutinefunction(handler):
        raise DeclarationError(f"projection {handler.__name__!r}: expected def, got async def")
    parameters = list(inspect.signature(handler).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if len(parameters) != 2 or any(parameter.kind not in kinds for parameter in parameters):
        raise DeclarationError(
            f"projection {handler.__name__!r}: expected two parameters, as in "
            f"def {handler.__name__}(state: hw.ProjectionState, event: hw.Change) -> None"
        )


def _tables(name: str, what: str, tables: Any) -> tuple[type[Table[Any]], ...]:
    given: list[Any] = [*tables] if is_list(tables) or type(tables) is tuple else []
    if not given or not all(map(is_table, given)):
        raise DeclarationError(
            f"projection {name!r}: {what}={tables!r}: expected a list of the classes of one or "
            "more tables"
        )
    return tuple(dict.fromkeys(given))


def projection(
    *,
    into: Sequence[type[Table[Any]]],
    of: Sequence[type[Table[Any]]] | None = None,
    version: int = 1,
    feed: Feed = "commit",
    name: str | None = None,
) -> Callable[[Handler], Projection]:
    """Declares a projection: tables that are made from the changes of other tables.

    The function is called with a `ProjectionState` and one `Change`, for every change of every
    commit, in the order of the log. It is deterministic, reads and writes its own tables only, and
    does not know the time. What it raises fails the mutation (``feed="commit"``) or stops the
    projection where it is (``feed="later"``).

    Args:
        into: The tables that it makes. Nobody else can write to them; what they held before is
            deleted.
        of: The tables whose changes it is fed with; by default all that no projection makes.
        version: Of the code. With another one the tables are cleared and made anew from the log.
        feed: "commit": in the very transaction that changes something, so that readers never see
            the one without the other. "later": from the log, soon after, on a thread of the
            database; writers do not wait for it.
        name: What it is called in the database; by default the name of the function.

    Raises:
        DeclarationError: It cannot work as declared.
    """

    def declare(handler: Handler) -> Projection:
        return Projection(handler, name=name, into=into, of=of, version=version, feed=feed)

    return declare


def in_order(projections: Mapping[str, Projection]) -> dict[str, Projection]:
    """Projections, each after those that make what it is fed with.

    Raises:
        DeclarationError: Two of them make one table, or they feed each other.
    """
    makers: dict[str, Projection] = {}
    for one in projections.values():
        for table in one.into:
            other = makers.setdefault(table.table_name, one)
            if other is not one:
                raise DeclarationError(
                    f"table {table.table_name!r} is made by two projections, {other.name!r} and "
                    f"{one.name!r}; give each of them a table of its own"
                )
    waiting, ordered = dict(projections), dict[str, Projection]()
    while waiting:
        made = {table for one in waiting.values() for table in one.into}
        free = [name for name, one in waiting.items() if made.isdisjoint(one.of or ())]
        if not free:
            raise DeclarationError(
                f"the projections {', '.join(map(repr, waiting))} are fed with what they make of "
                "each other; take a table out of one's of="
            )
        ordered |= {name: waiting.pop(name) for name in free}
    return ordered


class Applying:
    """A declared projection as one database feeds it.

    Attributes:
        projection: As it was declared.
        rules: What its documents have to pass.
    """

    def __init__(self, projection: Projection, rules: TableRules) -> None:
        self.projection = projection
        self.rules: TableRules = rules.of_projection(projection.name)
        self._fields = projection.fields()

    def fits(self, info: ProjectionInfo) -> bool:
        """Whether the stored projection is this one, in this version."""
        of = None if info.of is None else list(info.of)
        stored: Mapping[str, Any] = {
            "name": info.name,
            "version": info.version,
            "into": list(info.into),
            "of": of,
            "feed": info.feed,
        }
        return stored == self._fields

    def apply(self, transaction: Transaction, changes: Sequence[Change]) -> None:
        """Bring the tables forward by some changes.

        Raises:
            Exception: What the function raises, with a note of the change.
        """
        name = self.projection.name
        info = transaction.snapshot.catalog.projections.by_name[name]
        state = ProjectionState(transaction, self.rules, info)
        handler = self.projection.handler
        for change in changes:
            try:
                with Pure(name, "projection"):
                    handler(state, change)
            except Exception as error:
                error.add_note(f"raised by the projection {name!r} for the {change!r}")
                raise
