"""Writes of many documents at once, made of the same steps as those of one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from headwater.errors import DocumentNotFoundError, UsageError
from headwater.schema.tables import Id
from headwater.tables.catalog import TableInfo
from headwater.transactions.existing import Existing
from headwater.transactions.query import TableQuery
from headwater.transactions.reader import Reader, each_id
from headwater_indexes.values import MISSING


class BatchWriter(Reader, ABC):
    """Each batch is a sub-transaction: if it raises, nothing of it is written.

    Within it, documents are written one after the other, and each sees those before it. So a batch
    does what a loop over its documents does, and refuses what the loop refuses.
    """

    __slots__ = ()

    def patch_many(self, patches: Mapping[Id[Any], Mapping[str, object]]) -> None:
        """Patch documents in the order of the mapping, each like `patch`; all of them or none.

        Args:
            patches: What to set, by id: ``{id: {"field": value}}``. `hw.MISSING` removes a field.

        Raises:
            DocumentNotFoundError: One of them is not there.
            DocumentInvalidError: A result does not match the table's type.
            UniqueViolationError: A key is taken, be it by a document whose turn comes later: each
                is checked as it is written.
            DanglingReferenceError: A result refers to a document that is not there.
            LimitExceededError: They are more than a transaction may write.
        """
        given = _checked(patches)
        with self._transaction.nested():
            for id, changes in given.items():
                self._patch(id, changes)

    def delete_many(self, ids: Iterable[Id[Any]]) -> None:
        """Delete documents in the order of the ids, each like `delete`; all of them or none.

        Raises:
            DocumentNotFoundError: One of them is not there, or not any more, as when its id is
                given twice.
            ReferencedError: A document that stays refers to one of them.
            LimitExceededError: They are more than a transaction may write.
        """
        given = each_id(ids, "delete_many")
        with self._transaction.nested():
            for id in given:
                self._delete(id)

    def patch_where(
        self,
        query: TableQuery[Any],
        fields: Mapping[str, object] | None = None,
        /,
        **more: object,
    ) -> int:
        """Set some fields of every document of a query, in its order; all of them or none.

        What the query matches is read first, then written.

        Args:
            query: Of this transaction: ``ctx.db.query(...)``, with an index and filters.
            fields: Fields whose names are no Python names.
            **more: All other fields.

        Returns:
            How many there were; those that had these values already are counted.

        Raises:
            UsageError: The query is none of this transaction.
            DocumentInvalidError: A result does not match the table's type.
            UniqueViolationError: A key is taken.
            LimitExceededError: They are more than a transaction may read or write.
        """
        changes = {**(fields or {}), **more}
        return self._for_each(query, lambda id: self._patch(id, changes))

    def delete_where(self, query: TableQuery[Any]) -> int:
        """Delete every document of a query, in its order; all of them or none.

        What the query matches is read first, then deleted.

        Args:
            query: Of this transaction: ``ctx.db.query(...)``, with an index and filters.

        Returns:
            How many were deleted by themselves, and not along with one before them.

        Raises:
            UsageError: The query is none of this transaction.
            ReferencedError: A document that stays refers to one of them.
            LimitExceededError: They are more than a transaction may read or write.
        """
        return self._for_each(query, self._delete)

    # -- inside ---------------------------------------------------------------------------------

    def _for_each(self, query: TableQuery[Any], write: Callable[[str], None]) -> int:
        """Write all that a query matches; returns how many were still there in their turn."""
        transaction = self._transaction
        with transaction.nested():
            _check_query(query, is_own=getattr(query, "transaction", None) is transaction)
            count = 0
            for id in [document["_id"] for document in query]:
                try:
                    write(id)
                except DocumentNotFoundError as error:
                    if error.id != id:
                        raise
                else:
                    count += 1
        return count

    def _patch(self, id: str, changes: Mapping[str, object]) -> None:
        info, existing = self._existing(id, "patch")
        new = dict(existing.fields)
        for name, value in changes.items():
            if value is MISSING:
                new.pop(name, None)
            else:
                new[name] = value
        self._update(info, id, existing, new)

    def _delete(self, id: str) -> None:
        info, existing = self._existing(id, "delete")
        self._remove(info, id, existing)

    @abstractmethod
    def _existing(self, id: str, verb: str) -> tuple[TableInfo, Existing]: ...

    @abstractmethod
    def _update(
        self, info: TableInfo, id: str, existing: Existing, new: dict[str, Any]
    ) -> None: ...

    @abstractmethod
    def _remove(self, info: TableInfo, id: str, existing: Existing) -> None: ...


def _checked(patches: object) -> dict[str, Mapping[str, object]]:
    """The patches, of which the caller keeps none."""
    if not isinstance(patches, Mapping):
        raise UsageError(
            f"patch_many() got {patches!r} ({type(patches).__name__}), expected a dict of what to "
            "set by id: {id: {'field': value} for id in ids}"
        )
    given = dict(cast("Mapping[str, object]", patches))
    for id, changes in given.items():
        if not isinstance(changes, Mapping):
            raise UsageError(
                f"patch_many() is to set {changes!r} ({type(changes).__name__}) on {id!r}, "
                "expected a dict of fields: {id: {'field': value}}"
            )
    return cast("dict[str, Mapping[str, object]]", given)


def _check_query(query: object, *, is_own: bool) -> None:
    if not isinstance(query, TableQuery):
        raise UsageError(
            f"expected a query that has not run, as ctx.db.query(...).with_index(...), got "
            f"{query!r} ({type(query).__name__}); documents that are read already are written by "
            "patch_many() and delete_many(), by their ids"
        )
    if not is_own:
        raise UsageError(
            "the query is of another transaction, and reads what that one sees; begin it with "
            "query() of the same ctx.db that writes"
        )
