"""What a mutation sees of the database."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, TypeVar, cast, overload

from headwater.errors import (
    DeclarationError,
    DocumentInvalidError,
    DocumentNotFoundError,
    LimitExceededError,
    UniqueViolationError,
    ValueNotStorableError,
)
from headwater.schema.explain import ValidationError
from headwater.schema.tables import AnyDocument, Id, Table
from headwater.storage.codec import pack
from headwater.tables.catalog import IndexInfo, TableInfo
from headwater.transactions.batch_writer import BatchWriter
from headwater.transactions.existing import Existing
from headwater.transactions.reader import name_of, not_an_id, table_number_of, table_of
from headwater.transactions.rules import TableRules
from headwater.transactions.transaction import Fields, Transaction
from headwater_indexes.errors import NotStorableError
from headwater_indexes.keys import decode, prefix_end
from headwater_indexes.values import MISSING, check_document

E = TypeVar("E", bound=AnyDocument)


_ROWS_AT_ONCE: Final = 256


class Writer(BatchWriter):
    """Reads and writes of one transaction. Reads see own writes, in index order."""

    __slots__ = ("_rules",)

    def __init__(self, transaction: Transaction, rules: TableRules) -> None:
        self._transaction = transaction
        self._rules = rules

    @overload
    def insert(self, table: type[Table[E]], document: Mapping[str, object]) -> Id[E]: ...

    @overload
    def insert(self, table: str, document: Mapping[str, object]) -> Id[Any]: ...

    def insert(self, table: Any, document: Mapping[str, object]) -> Any:
        """Add a document and return its id. A table that does not exist is created.

        Args:
            table: The table, by class or by name.
            document: Its fields; ``_id`` and ``_creationTime`` are added.

        Raises:
            DocumentInvalidError: It does not match the table's type.
            ValueNotStorableError: It holds something that is no value.
            UniqueViolationError: A unique index holds one of its keys already.
            DanglingReferenceError: It refers to a document that is not there.
            LimitExceededError: It is too large, or the transaction is.
        """
        return self._insert(self._table_for_writing(table), document)

    @overload
    def insert_many(
        self, table: type[Table[E]], documents: Iterable[Mapping[str, object]]
    ) -> list[Id[E]]: ...

    @overload
    def insert_many(
        self, table: str, documents: Iterable[Mapping[str, object]]
    ) -> list[Id[Any]]: ...

    def insert_many(self, table: Any, documents: Iterable[Mapping[str, object]]) -> Any:
        """Add documents in their order and return their ids; all of them or none.

        Half the cost of as many calls of `insert`, for a table without a unique index. Raises what
        `insert` raises.
        """
        info = self._table_for_writing(table)
        with self._transaction.nested():
            return self._insert_all(info, documents)

    def patch(
        self,
        id: Id[Any],
        fields: Mapping[str, object] | None = None,
        /,
        **more: object,
    ) -> None:
        """Set some fields of a document; `hw.MISSING` removes a field.

        Args:
            id: The document.
            fields: Fields whose names are no Python names.
            **more: All other fields.

        Raises:
            DocumentNotFoundError: There is no such document.
            DocumentInvalidError: The result does not match the table's type.
            DanglingReferenceError: It refers to a document that is not there.
        """
        self._patch(id, {**(fields or {}), **more})

    def replace(self, id: Id[Any], document: Mapping[str, object]) -> None:
        """Replace all fields of a document. ``_id`` and ``_creationTime`` stay, and may be given.

        Raises:
            DocumentNotFoundError: There is no such document.
            DocumentInvalidError: The document does not match the table's type.
            DanglingReferenceError: It refers to a document that is not there.
        """
        info, existing = self._existing(id, "replace")
        document = _fields_of(info, document)
        system = {"_id": id, "_creationTime": existing.creation_time}
        new = {
            name: value
            for name, value in document.items()
            if name not in system or value != system[name]
        }
        self._update(info, id, existing, new)

    def delete(self, id: Id[Any]) -> None:
        """Delete a document, and do what references to it want.

        What a cascade deletes is a part of the transaction, up to ``limits.cascade_documents``
        documents; if it is more, only this document is deleted here, and the rest soon after.

        Raises:
            DocumentNotFoundError: There is no such document.
            ReferencedError: A document that stays refers to it, or to one that would be deleted
                along with it.
        """
        self._delete(id)

    def without_rules(self) -> "Writer":
        """The same tables without their rules, for trusted code in a public function.

        It is itself where no rules apply.
        """
        return self

    # -- inside ---------------------------------------------------------------------------------

    def _table_for_writing(self, table: type[Table[Any]] | str) -> TableInfo:
        name = name_of(table)
        if name.startswith("_"):
            raise DeclarationError(
                f"{name!r} is a table of the database itself or of one of its services, and is "
                "written by that alone; names of your tables begin with a letter"
            )
        return self._transaction.table_for_writing(name)

    def _table_of(self, id: str) -> TableInfo:
        return table_of(self._transaction, id)

    def _row(self, info: TableInfo, document: Mapping[str, object]) -> tuple[dict[str, Any], bytes]:
        # A plain dict is only looked at; anything else has to become one first.
        given: Any = document
        fields: dict[str, Any] = given if type(document) is dict else _fields_of(info, document)
        return fields, self._packed(info, fields, "insert")

    def _insert_all(self, info: TableInfo, documents: Iterable[Mapping[str, object]]) -> list[str]:
        if info.unique_indexes:  # each document has to see those before it
            return [self._insert(info, document) for document in documents]
        ids: list[str] = []
        remaining = iter(documents)
        while rows := [self._row(info, document) for document in islice(remaining, _ROWS_AT_ONCE)]:
            if info.references:
                self._check_references_of(info, [fields for fields, _ in rows])
            ids += self._transaction.insert_many(info, rows)
        return ids

    def _insert(self, info: TableInfo, document: Mapping[str, object]) -> str:
        transaction = self._transaction
        transaction.usage.check_time()
        fields, body = self._row(info, document)
        if info.references:
            self._check_references(info, "", fields)
        id, creation_time = transaction.new_id(info)
        if info.unique_indexes:
            self._check_unique(info, id, fields)
        transaction.insert(info, id, creation_time, fields, body)
        return id

    def _update(self, info: TableInfo, id: str, existing: Existing, new: dict[str, Any]) -> None:
        """Write a new state; one that is equal to the old is no write."""
        body = self._packed(info, new, id)
        if info.references:
            self._check_references(info, id, new, existing.fields)
        if info.unique_indexes:
            self._check_unique(info, id, new)
        if body != existing.body:
            self._transaction.update(info, id, existing, new, body)

    def _remove(self, info: TableInfo, id: str, existing: Existing) -> None:
        if info.referrers:
            from headwater.transactions.deletion import delete_documents

            delete_documents(self._transaction, {id: info})
        else:
            self._transaction.remove(info, id, existing)

    def _existing(self, id: str, verb: str) -> tuple[TableInfo, Existing]:
        """The table and the state of the document that a write replaces."""
        if type(id) is not str:
            raise not_an_id(id, "ids are strings of lower-case letters and digits")
        info = self._table_of(id)
        existing = self._transaction.existing(id.encode("ascii"))
        if existing is None:
            table_number_of(id)  # which says what is wrong with what is no id
            raise not_found(info, id, verb)
        return info, existing

    def _packed(self, info: TableInfo, fields: dict[str, Any], where: str) -> bytes:
        """The fields, checked against the table's type and packed."""
        limits = self._transaction.usage.limits
        check = self._rules.check_of(info)
        try:
            if check is None:
                check_document(fields, nesting=limits.nesting)
            else:
                check(fields)
            body = pack(fields)
        except ValidationError as error:
            raise DocumentInvalidError(
                f"{info.name} ({where}): {error}", table=info.name, path=error.path
            ) from None
        except NotStorableError as error:
            raise ValueNotStorableError(
                f"{info.name} ({where}): {error}", path=error.path
            ) from None
        if len(body) > limits.document_bytes:
            raise LimitExceededError(
                f"{info.name} ({where}): the document takes {len(body):,} bytes, the limit "
                f"document_bytes is {limits.document_bytes:,}; split it, keep large things in "
                "files, or raise it: hw.open(..., limits=hw.Limits(document_bytes=...))",
                limit="document_bytes",
                value=len(body),
                maximum=limits.document_bytes,
            )
        return body

    def _check_references(
        self, info: TableInfo, id: str, fields: Fields, before: Fields | None = None
    ) -> None:
        from headwater.transactions.references import check_references

        check_references(self._transaction, info, id, fields, before)

    def _check_references_of(self, info: TableInfo, rows: Iterable[Fields]) -> None:
        """Check new documents; those that name the same as one before are not looked at again."""
        names = [reference.field for reference in info.references]
        known: set[tuple[Any, ...]] = set()
        for fields in rows:
            targets = tuple([fields.get(name) for name in names])
            if targets not in known:
                known.add(targets)
                self._check_references(info, "", fields)

    def _check_unique(self, info: TableInfo, id: str, fields: dict[str, Any]) -> None:
        for at in info.unique_indexes:
            index = info.indexes[at]
            key = index.definition.key_of(fields, id)[: -len(id)]
            holder = self._holder(info, index, key, id)
            if holder is not None:
                raise _unique_violation(info, index, key, holder)

    def _holder(self, info: TableInfo, index: IndexInfo, key: bytes, id: str) -> str | None:
        """Another document with the same key. An absent field makes a key unlike any other."""
        if MISSING in decode(key):
            return None
        return self._transaction.holder(info, index, key, prefix_end(key), id)


def not_found(info: TableInfo, id: str, verb: str) -> DocumentNotFoundError:
    """The error for a write to a document that is not there."""
    return DocumentNotFoundError(
        f"cannot {verb} {id!r}: there is no such document in {info.name!r}; it was deleted, or "
        "never committed",
        id=id,
    )


def _fields_of(info: TableInfo, document: object) -> dict[str, Any]:
    """The fields of a document that is no plain dict."""
    if isinstance(document, Mapping):
        return dict(cast("Mapping[str, Any]", document))
    raise DocumentInvalidError(
        f"{info.name}: a document is {document!r} ({type(document).__name__}), expected a dict of "
        "its fields",
        table=info.name,
    )


def _unique_violation(
    info: TableInfo, index: IndexInfo, key: bytes, holder: str
) -> UniqueViolationError:
    values = decode(key)
    shown = ", ".join(
        f"{field}={value!r}" for field, value in zip(index.definition.fields, values, strict=True)
    )
    return UniqueViolationError(
        f"{info.name}.{index.name} is unique, and document {holder} already holds {shown}; patch "
        "that document, or choose another key",
        table=info.name,
        index=index.name,
        key=values,
        holder=holder,
    )
