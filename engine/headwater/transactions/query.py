"""Queries over one table: a range of an index, an order, filters, and what to take."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast, overload

from headwater.errors import NotUniqueError, UsageError
from headwater.schema.tables import Id, TableIndex
from headwater.tables.catalog import TableInfo
from headwater.transactions.key_ranges import KeyRange, key_range
from headwater.transactions.page import begin_page, empty_page, read_page
from headwater.transactions.pagination import PaginationOptions, PaginationResult
from headwater.transactions.scan import Scan, Visible
from headwater.transactions.transaction import Transaction
from headwater_indexes.definition import UNBOUNDED

if TYPE_CHECKING:
    from headwater.transactions.followed_query import FollowedQuery, LookUp

D = TypeVar("D")
F = TypeVar("F")
_NO_BOUNDS: Final[Mapping[str, object]] = {}
Order: TypeAlias = Literal["asc", "desc"]


class TableQuery(Generic[D]):
    """A query that has not run yet. Each step returns a new one; the last step runs it.

    Without an index the order is that of creation: ``_creationTime``, then ``_id``. Equal keys of
    an index are in that order too.
    """

    __slots__ = ("_filters", "_look_up", "_order", "_range", "_table", "_transaction", "_visible")

    def __init__(  # noqa: PLR0913 - each is a part of a query, and given by name
        self,
        transaction: Transaction,
        table: TableInfo | None,
        *,
        look_up: "LookUp",
        range: KeyRange | None = None,
        order: Order | None = None,
        filters: tuple[Callable[[D], object], ...] = (),
        visible: Visible | None = None,
    ) -> None:
        self._transaction = transaction
        self._table = table
        self._look_up = look_up
        self._range = range
        self._order: Order | None = order
        self._filters = filters
        self._visible = visible

    @property
    def transaction(self) -> Transaction:
        """What it reads from; for the floors above."""
        return self._transaction

    # -- building -------------------------------------------------------------------------------

    @overload
    def with_index(
        self: "TableQuery[dict[str, Any]]",
        index: str,
        *equal: object,
        gt: object = ...,
        gte: object = ...,
        lt: object = ...,
        lte: object = ...,
    ) -> "TableQuery[dict[str, Any]]": ...

    @overload
    def with_index(
        self,
        index: TableIndex[D] | Literal["by_id", "by_creation_time"],
        *equal: object,
        gt: object = ...,
        gte: object = ...,
        lt: object = ...,
        lte: object = ...,
    ) -> "TableQuery[D]": ...

    def with_index(
        self,
        index: Any,
        *equal: object,
        gt: object = UNBOUNDED,
        gte: object = UNBOUNDED,
        lt: object = UNBOUNDED,
        lte: object = UNBOUNDED,
    ) -> Any:
        """Read a range of an index.

        Args:
            index: An index of this table, or its name.
            *equal: Values of the first fields, in the index's order. `hw.MISSING` stands for an
                absent field.
            gt: Exclusive lower bound of the next field.
            gte: Inclusive lower bound of the next field.
            lt: Exclusive upper bound of the next field.
            lte: Inclusive upper bound of the next field.

        Raises:
            IndexNotFoundError: The table has no such index.
            IndexBuildingError: The index is still being filled.
            IndexRangeError: More values than fields, two lower or two upper bounds.
        """
        if self._range is not None:
            raise UsageError("with_index() was called twice; a query reads one range of one index")
        if self._table is None:
            return self
        bounds: Mapping[str, object] = _NO_BOUNDS
        if not (gt is gte is lt is lte is UNBOUNDED):
            bounds = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
        name = index if isinstance(index, str) else index.name
        found = key_range(self._table, name, equal, bounds)
        return self._made(found, self._order, self._filters)

    def order(self, order: Order) -> "TableQuery[D]":
        """``"asc"`` (the default) or ``"desc"``, of the index or of creation."""
        if order not in ("asc", "desc"):
            raise UsageError(f"order({order!r}): expected 'asc' or 'desc'")
        if self._order is not None:
            raise UsageError("order() was called twice; a query has one order")
        return self._made(self._range, order, self._filters)

    def filter(self, predicate: Callable[[D], object]) -> "TableQuery[D]":
        """Keep the documents for which the predicate is true.

        Every document of the range is read, and depended on, up to the last one that is taken;
        an index reads less.
        """
        filters = (*self._filters, predicate)
        return self._made(self._range, self._order, filters)

    def follow(self, reference: Callable[[D], Id[F] | None]) -> "FollowedQuery[F]":
        """The documents that these refer to, in the order of these.

        Through a join table: ``ctx.db.referring(Memberships, user).follow(lambda m: m["team"])``.
        """
        from headwater.transactions.followed_query import FollowedQuery, followed

        step = followed(reference, self._look_up)
        return FollowedQuery(self._transaction, self._scan(), self._look_up, (step,))

    # -- running --------------------------------------------------------------------------------

    def collect(self) -> list[D]:
        """Every document of the range."""
        return self._take(None)

    def take(self, count: int) -> list[D]:
        """The first ``count`` documents; depends on nothing behind them."""
        if type(count) is not int or count < 0:
            raise UsageError(f"take({count!r}): expected a whole number, 0 or more")
        return self._take(count)

    def first(self) -> D | None:
        """The first document, or None."""
        documents = self._take(1)
        return documents[0] if documents else None

    def unique(self) -> D | None:
        """The only document, or None.

        Raises:
            NotUniqueError: There are several.
        """
        documents = self._take(2)
        if len(documents) > 1:
            ids = [cast("dict[str, Any]", document)["_id"] for document in documents]
            table = self._table.name if self._table else "?"
            raise NotUniqueError(
                f"unique() found more than one document in {table!r}: {', '.join(ids)}; use "
                "first() or take(), or declare the index with unique=True",
                ids=ids,
            )
        return documents[0] if documents else None

    def count(self) -> int:
        """How many documents there are. Reads all of them: O(n)."""
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[D]:
        """Documents in order, read in chunks. What is not consumed is no dependency."""
        scan = self._scan()
        return iter(()) if scan is None else cast("Iterator[D]", scan.documents())

    def paginate(self, options: PaginationOptions) -> PaginationResult[D]:
        """One page. The cursor keeps its place while documents come and go.

        Raises:
            InvalidCursorError: The cursor was made by another query.
            UsageError: ``numItems`` is below 1, or this run has paginated already.
        """
        begin_page(self._transaction, options)
        scan = self._scan()
        page = empty_page(None) if scan is None else read_page(scan, options)
        return cast("PaginationResult[D]", page)

    # -- inside ---------------------------------------------------------------------------------

    def _made(
        self,
        range: KeyRange | None,
        order: Order | None,
        filters: tuple[Callable[[D], object], ...],
    ) -> "TableQuery[D]":
        """The query with something changed; its rule stays."""
        # As __init__ does, at about half of the price: queries are made of several steps.
        made = object.__new__(type(self))
        made._transaction = self._transaction
        made._table = self._table
        made._look_up = self._look_up
        made._range = range
        made._order = order
        made._filters = filters
        made._visible = self._visible
        return made

    def _take(self, count: int | None) -> list[D]:
        scan = self._scan()
        return [] if scan is None else cast("list[D]", scan.take(count))

    def _scan(self) -> Scan | None:
        if self._table is None:
            return None
        return Scan(
            self._transaction,
            self._table,
            self._range or KeyRange(self._table.order, *self._table.order_bounds),
            self._filters,
            is_descending=self._order == "desc",
            visible=self._visible,
        )
