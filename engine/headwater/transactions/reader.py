"""What a query sees of the database."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from headwater.errors import InvalidIdError, WriteInQueryError
from headwater.schema.tables import AnyDocument, Id, Table
from headwater.tables.catalog import TableInfo
from headwater.transactions.query import TableQuery
from headwater.transactions.transaction import Transaction
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import decode_id
from headwater_indexes.ids import table_number_of as number_in

D = TypeVar("D")
E = TypeVar("E", bound=AnyDocument)

_WRITES: Final = frozenset(
    {
        *("insert", "patch", "replace", "delete"),
        *("insert_many", "patch_many", "delete_many", "patch_where", "delete_where"),
    }
)

_IDS_AT_ONCE: Final = 1024
"""Documents that are read before they are counted against the limits."""


class Reader:
    """Reads of one snapshot, own writes included."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in _WRITES:
                raise self.refusal(name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def refusal(self, verb: str) -> WriteInQueryError:
        """The error for a write where only reads are allowed; for the floors above."""
        return _write_in_query(self._transaction.usage.function, verb)

    def get(self, id: Id[D]) -> D | None:
        """The document with that id, or None. O(log n).

        Raises:
            InvalidIdError: The string is no id.
        """
        document: Any = self._transaction.read(key_of_id(id))
        if document is None:
            table_number_of(id)
        return document  # type: ignore[no-any-return]

    def get_many(self, ids: Iterable[Id[D]]) -> list[D | None]:
        """The documents with those ids, in their order; None for one that is not there.

        Depends on those documents and on nothing else, as `get` of each does. O(log n) each.

        Raises:
            InvalidIdError: One of the strings is no id.
        """
        return cast("list[D | None]", [document for _, document in self._each_document(ids)])

    @overload
    def query(self, table: type[Table[E]]) -> TableQuery[E]: ...

    @overload
    def query(self, table: str) -> TableQuery[dict[str, Any]]: ...

    def query(self, table: Any) -> Any:
        """Begin a query over a table. A table that does not exist is empty."""
        info = self._transaction.table(name_of(table))
        return TableQuery(self._transaction, info, look_up=self.get_many)

    @overload
    def referring(
        self, table: type[Table[E]], id: Id[Any], *, by: str | None = None
    ) -> TableQuery[E]: ...

    @overload
    def referring(
        self, table: str, id: Id[Any], *, by: str | None = None
    ) -> TableQuery[dict[str, Any]]: ...

    def referring(self, table: Any, id: Id[Any], *, by: str | None = None) -> Any:
        """Begin a query over the documents of a table that refer to a document.

        It reads the range of the reference's index, and is in the order of that: of creation, where
        the index has no other field. Whether there is a document with that id is not looked at.

        Args:
            table: The table of those that refer.
            id: The document that they refer to.
            by: Their field, which has to be said where several refer to the same table.

        Raises:
            UsageError: They have no such reference, declared with `hw.references`, or several.
            InvalidIdError: The string is no id.
            IndexBuildingError: The index is still being filled.
        """
        query = self.query(table)
        info = self._transaction.table(name_of(table))
        if info is None:
            return query
        from headwater.transactions.references import index_of_reference

        index = index_of_reference(info, info_of(self._transaction, id), by)
        return query.with_index(index, id)

    @overload
    def normalize_id(self, table: type[Table[E]], id: str) -> Id[E] | None: ...

    @overload
    def normalize_id(self, table: str, id: str) -> Id[Any] | None: ...

    def normalize_id(self, table: Any, id: str) -> Any:
        """The string as an id of the table, or None if it is none.

        Says nothing about whether the document exists.
        """
        info = self._transaction.table(name_of(table))
        try:
            number, _ = decode_id(id)
        except MalformedIdError:
            return None
        return id if info is not None and info.number == number else None

    def _each_document(self, ids: Iterable[str]) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Each id and what is stored under it."""
        remaining = iter(each_id(ids, "get_many"))
        while given := list(islice(remaining, _IDS_AT_ONCE)):
            documents = self._transaction.read_many([key_of_id(id) for id in given])
            for id, document in zip(given, documents, strict=True):
                if document is None:
                    table_number_of(id)
                yield id, document

    def without_rules(self) -> "Reader":
        """The same tables without their rules, for trusted code in a public function.

        It is itself where no rules apply: see `headwater.functions.access`.
        """
        return self


def name_of(table: type[Table[Any]] | str) -> str:
    """The name of a table given by class or by name."""
    return table if isinstance(table, str) else table.table_name


def each_id(ids: Iterable[str], verb: str) -> list[str]:
    """The ids that a batch is given.

    Raises:
        InvalidIdError: It is given one, and no collection of them.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise not_an_id(ids, f"{verb}() takes several, as a list")
    return list(ids)


def key_of_id(id: str) -> bytes:
    """The key of a document in storage.

    Raises:
        InvalidIdError: It is no string, or has other characters than an id.
    """
    try:
        return id.encode("ascii")
    except (AttributeError, UnicodeEncodeError):
        raise not_an_id(id, "ids are strings of lower-case letters and digits") from None


def _write_in_query(function: str, verb: str) -> WriteInQueryError:
    if function:
        return WriteInQueryError(
            f"{function} is a query, it cannot {verb}. Make it a mutation (@hw.mutation), or move "
            f"the {verb} into one"
        )
    return WriteInQueryError(
        f"a snapshot only reads, it cannot {verb}. Write in a mutation, db.transact() or "
        "db.transaction()"
    )


def table_number_of(id: str) -> int:
    """The table of an id.

    Raises:
        InvalidIdError: The string is no id.
    """
    try:
        return decode_id(id)[0]
    except MalformedIdError as error:
        raise not_an_id(id, str(error)) from None


def leading_number_of(id: str) -> int:
    """The table that an id begins with. Far cheaper: its checksum is not looked at.

    Enough for a document that is then found under the id.

    Raises:
        InvalidIdError: No id begins so.
    """
    try:
        return number_in(id)
    except MalformedIdError as error:
        raise not_an_id(id, str(error)) from None


def info_of(transaction: Transaction, id: str) -> TableInfo | None:
    """The table of an id, None if it is of none here.

    Raises:
        InvalidIdError: The string is no id.
    """
    key_of_id(id)  # which refuses what is no string
    return _info_by_number(transaction, table_number_of(id))


def _info_by_number(transaction: Transaction, number: int) -> TableInfo | None:
    info = transaction.snapshot.catalog.by_number.get(number)
    if info is None:  # perhaps of one that this transaction has made
        info = next((one for one in transaction.tables.values() if one.number == number), None)
    return info


def table_of(transaction: Transaction, id: str) -> TableInfo:
    """The table that an id belongs to; of something that is no id perhaps the one it looks like.

    Raises:
        InvalidIdError: Nothing like an id, an id of no table here, or of a system table.
    """
    info = _info_by_number(transaction, leading_number_of(id))
    if info is None or info.is_system:
        what = "a system table" if info else "no table of this database"
        raise InvalidIdError(f"{id!r} is an id of {what}, expected one of a table you may write to")
    return info


def not_an_id(id: object, reason: str) -> InvalidIdError:
    """The error for something that is no id."""
    return InvalidIdError(
        f"{id!r} ({type(id).__name__}) is no document id: {reason}; expected the _id of a document"
    )
