"""Queries for the documents that others refer to: through a join table, or from many to one."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Generic, TypeAlias, TypeVar, cast

from headwater.errors import UsageError
from headwater.schema.tables import Id
from headwater.transactions.page import begin_page, empty_page, read_page
from headwater.transactions.pagination import PaginationOptions, PaginationResult
from headwater.transactions.scan import Row, Scan, Step, growing_chunks, parts
from headwater.transactions.transaction import Transaction

D = TypeVar("D")
F = TypeVar("F")

LookUp: TypeAlias = Callable[[Sequence[Id[Any]]], Sequence[Any]]
"""The documents with some ids, in their order; None for one that is not there, or hidden."""


class FollowedQuery(Generic[D]):
    """The documents that those of a `TableQuery` refer to. It has not run yet.

    They come in the order of those that refer to them. One that is not there, or hidden, is
    skipped, and a page goes on to the next; one that several refer to comes several times. Depends
    on the documents that refer, as far as they were looked at, and on each that they name.
    """

    __slots__ = ("_look_up", "_scan", "_steps", "_transaction")

    def __init__(
        self,
        transaction: Transaction,
        scan: Scan | None,
        look_up: LookUp,
        steps: tuple[Step, ...],
    ) -> None:
        self._transaction = transaction
        self._scan = scan
        self._look_up = look_up
        self._steps = steps

    # -- building -------------------------------------------------------------------------------

    def filter(self, predicate: Callable[[D], object]) -> "FollowedQuery[D]":
        """Keep the documents for which the predicate is true; all before them are read."""
        return FollowedQuery(
            self._transaction, self._scan, self._look_up, (*self._steps, _kept(predicate))
        )

    def follow(self, reference: Callable[[D], Id[F] | None]) -> "FollowedQuery[F]":
        """The documents that these refer to, in the same order."""
        step = followed(reference, self._look_up)
        return FollowedQuery(self._transaction, self._scan, self._look_up, (*self._steps, step))

    # -- running --------------------------------------------------------------------------------

    def collect(self) -> list[D]:
        """Every one of them."""
        return list(chain.from_iterable(self._parts(None)))

    def take(self, count: int) -> list[D]:
        """The first ``count``; depends on nothing behind them."""
        if type(count) is not int or count < 0:
            raise UsageError(f"take({count!r}): expected a whole number, 0 or more")
        return list(chain.from_iterable(self._parts(count)))

    def first(self) -> D | None:
        """The first one, or None."""
        documents = self.take(1)
        return documents[0] if documents else None

    def count(self) -> int:
        """How many there are. Reads all of them: O(n)."""
        return sum(map(len, self._parts(None)))

    def __iter__(self) -> Iterator[D]:
        """One after the other. What is not consumed is no dependency."""
        if self._scan is None:
            return
        for row in self._scan.rows(growing_chunks(), self._scan.open()):
            rows = [row]
            for step in self._steps:
                rows = step(rows)
            for _, document in rows:
                yield cast("D", document)

    def paginate(self, options: PaginationOptions) -> PaginationResult[D]:
        """One page. Its cursor is a place among the documents that refer.

        Raises:
            InvalidCursorError: The cursor was made by another query.
            UsageError: ``numItems`` is below 1, or this run has paginated already.
        """
        begin_page(self._transaction, options)
        scan = self._scan
        page = empty_page(None) if scan is None else read_page(scan, options, self._steps)
        return cast("PaginationResult[D]", page)

    def _parts(self, count: int | None) -> Iterator[list[D]]:
        if self._scan is not None and count != 0:
            for rows in parts(self._scan, self._scan.open(), count, self._steps):
                yield [cast("D", document) for _, document in rows]


def followed(reference: Callable[[Any], Id[Any] | None], look_up: LookUp) -> Step:
    """From documents to those that they refer to, looked up together."""

    def step(rows: list[Row]) -> list[Row]:
        named = [(key, id) for key, document in rows if (id := reference(document)) is not None]
        documents = look_up([id for _, id in named])
        found = zip(named, documents, strict=True)
        return [(key, document) for (key, _), document in found if document is not None]

    return step


def _kept(predicate: Callable[[Any], object]) -> Step:
    return lambda rows: [row for row in rows if predicate(row[1])]
