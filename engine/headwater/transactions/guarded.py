"""Tables behind rules: a document that they hide is as if absent, a write that they deny raises.

What the rules are is known to a `Guard`. Every read and write of a public function goes through
here; `Reader.without_rules` is the way around.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from headwater.errors import ReferencedError, UniqueViolationError
from headwater.schema.tables import Id
from headwater.storage.codec import unpack
from headwater.tables.catalog import TableInfo
from headwater.transactions.existing import Existing
from headwater.transactions.query import TableQuery
from headwater.transactions.reader import Reader, info_of, name_of
from headwater.transactions.rules import TableRules
from headwater.transactions.scan import Visible
from headwater.transactions.transaction import Fields, Transaction
from headwater.transactions.writer import Writer, not_found


class Guard(Protocol):
    """What the rules of all tables allow, in one run for one caller."""

    def visible(self, table: str) -> Visible | bool:
        """Which documents of a table are shown; True for all, False for none."""
        ...

    def check_insert(self, table: str, document: dict[str, Any]) -> None:
        """Refuse a document that must not be added; it has no system fields yet.

        Raises:
            PermissionDeniedError: It must not.
        """
        ...

    def check_modify(self, table: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Refuse a change that must not be made of a document that is visible.

        Raises:
            PermissionDeniedError: It must not.
        """
        ...

    def check_delete(self, table: str, document: dict[str, Any]) -> None:
        """Refuse to delete a document that is visible.

        Raises:
            PermissionDeniedError: It must not be deleted.
        """
        ...


class _Guarded(Reader):
    """Reads, as far as a guard allows them."""

    __slots__ = ()

    _guard: Guard

    # Type checkers see the signatures of Reader, which say the type of each document.
    if not TYPE_CHECKING:

        def get(self, id: Any) -> Any:
            """The document with that id, or None; None also if it is hidden."""
            document = super().get(id)
            if document is None or self._shows(self._table_name_of(id), document):
                return document
            return None

        def get_many(self, ids: Iterable[Any]) -> list[Any]:
            """The documents with those ids; None for one that is not there or hidden."""
            documents: list[Any] = []
            for id, document in self._each_document(ids):
                is_shown = document is None or self._shows(self._table_name_of(id), document)
                documents.append(document if is_shown else None)
            return documents

        def query(self, table: Any) -> Any:
            """Begin a query over what is visible of a table."""
            name = name_of(table)
            visible = self._guard.visible(name)
            if visible is False:
                return TableQuery(self._transaction, None, look_up=self.get_many)
            info = self._transaction.table(name)
            rule = None if visible is True else visible
            return TableQuery(self._transaction, info, look_up=self.get_many, visible=rule)

    def without_rules(self) -> Reader:
        """The same tables without their rules."""
        return Reader(self._transaction)

    def _shows(self, table: str, document: dict[str, Any]) -> bool:
        visible = self._guard.visible(table)
        return visible if isinstance(visible, bool) else visible(document)

    def _table_name_of(self, id: str) -> str:
        info = info_of(self._transaction, id)
        assert info is not None, f"{id} was found in a table"
        return info.name


class GuardedReader(_Guarded):
    """What a query sees of the database through a guard."""

    __slots__ = ("_guard",)

    def __init__(self, transaction: Transaction, guard: Guard) -> None:
        super().__init__(transaction)
        self._guard = guard


class GuardedWriter(_Guarded, Writer):
    """What a mutation sees of the database through a guard, and what it may write."""

    __slots__ = ("_guard",)

    def __init__(self, transaction: Transaction, rules: TableRules, guard: Guard) -> None:
        Writer.__init__(self, transaction, rules)
        self._guard = guard

    def without_rules(self) -> Writer:
        """The same tables without their rules."""
        return Writer(self._transaction, self._rules)

    def _insert_all(self, info: TableInfo, documents: Iterable[Mapping[str, object]]) -> list[str]:
        """Add documents in their order: the rule of each sees those before it."""
        return [self._insert(info, document) for document in documents]

    def _row(self, info: TableInfo, document: Mapping[str, object]) -> tuple[dict[str, Any], bytes]:
        fields, body = super()._row(info, document)
        self._guard.check_insert(info.name, unpack(body))
        return fields, body

    def _existing(self, id: str, verb: str) -> tuple[TableInfo, Existing]:
        info, existing = super()._existing(id, verb)
        if not self._shows(info.name, _document(id, existing, existing.body)):
            raise not_found(info, id, verb)
        return info, existing

    def _update(self, info: TableInfo, id: str, existing: Existing, new: dict[str, Any]) -> None:
        body = self._packed(info, new, id)  # first, so that the rule sees a document that fits
        old = _document(id, existing, existing.body)
        self._guard.check_modify(info.name, old, _document(id, existing, body))
        super()._update(info, id, existing, new)

    def _remove(self, info: TableInfo, id: str, existing: Existing) -> None:
        self._guard.check_delete(info.name, _document(id, existing, existing.body))
        try:
            super()._remove(info, id, existing)
        except ReferencedError as error:
            raise self._without_hidden(error, id) from None

    def _check_references(
        self, info: TableInfo, id: str, fields: Fields, before: Fields | None = None
    ) -> None:
        from headwater.transactions.references import check_references

        check_references(self._transaction, info, id, fields, before, self._is_shown)

    def _is_shown(self, id: str) -> bool:
        return self.get(Id[Any](id)) is not None

    def _without_hidden(self, error: ReferencedError, root: str) -> ReferencedError:
        """The same error without the documents that the caller must not know of."""
        children = [child for child in error.children if self._is_shown(child)]
        held = error.id if self._is_shown(error.id) else root
        if held == error.id and len(children) == len(error.children):
            return error
        return _hidden_holders(error, held, children)

    def _check_unique(self, info: TableInfo, id: str, fields: dict[str, Any]) -> None:
        try:
            super()._check_unique(info, id, fields)
        except UniqueViolationError as error:
            if self._is_shown(error.holder):
                raise
            raise _hidden_holder(error) from None


def _document(id: str, existing: Existing, body: bytes) -> dict[str, Any]:
    """A document for a rule to look at, which shares nothing with what is written."""
    return {**unpack(body), "_id": id, "_creationTime": existing.creation_time}


def _hidden_holders(error: ReferencedError, held: str, children: list[str]) -> ReferencedError:
    """The same error for somebody who must not know all documents that it names."""
    return ReferencedError(
        f"{held} is not deleted, because documents of {error.table!r} refer by {error.field!r} to "
        "it, or to one that would be deleted along with it; some of these you may not see. Nothing "
        "was written",
        id=held,
        table=error.table,
        field=error.field,
        index=error.index,
        children=children,
    )


def _hidden_holder(error: UniqueViolationError) -> UniqueViolationError:
    """The same error for somebody who must not know which document holds the key."""
    return UniqueViolationError(
        f"{error.table}.{error.index} is unique, and holds this key already; choose another one",
        table=error.table,
        index=error.index,
        key=error.key,
        holder="",
    )
