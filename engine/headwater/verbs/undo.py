"""Taking back: commits undone, documents restored."""

from typing import Any

from headwater.functions.purity import refuse_inside
from headwater.schema.tables import Id
from headwater.verbs.opened import Opened


class UndoVerbs(Opened):
    """New commits that write earlier versions again."""

    def undo(self, ts: int, *, override: bool = False) -> int:
        """Undo a commit: every document that it changed goes back to its version before.

        That is a new commit, so undoing it does the change again. What the commit inserted is
        deleted, what it deleted comes back with its id and its creation time. All of it or
        nothing; durable on return. O(documents of the commit).

        A document has changed since if it is neither what the commit left nor what it is to become.
        So commits can be undone one after the other, the newest one first.

        Args:
            ts: Timestamp of the commit, as `history` and the log give them.
            override: Whether documents that have changed since are written over.

        Returns:
            Timestamp of the new commit; 0 if every document was what it is to become.

        Raises:
            UndoConflictError: Documents have changed since.
            UsageError: No commit has that timestamp; or it changed tables or indexes.
            LogTrimmedError: The log does not reach back to it.
            DocumentInvalidError: A version does not fit the type that its table has now.
            UniqueViolationError: A unique index holds one of the keys meanwhile.
            DanglingReferenceError: A version refers to a document that is gone meanwhile.
            ReferencedError: Others refer by now to what the commit inserted; with ``override``
                they are dealt with as a deletion deals with them.
        """
        from headwater.transactions.undo import undo

        refuse_inside()
        return undo(self._store, ts, override=override)

    def restore(self, id: Id[Any], ts: int, *, override: bool = False) -> int:
        """Let one document go back to what it was after all commits up to a moment.

        That is a new commit. A document that was deleted since comes back with its id and its
        creation time; one that was not there at that moment is deleted. Durable on return.
        O(versions since).

        Args:
            id: The document.
            ts: Nanoseconds since the epoch, such as the timestamp of a commit.
            override: Whether more than one change since is written over.

        Returns:
            Timestamp of the new commit; 0 if the document is what it was.

        Raises:
            UndoConflictError: More than one commit has changed the document since.
            InvalidIdError: The string is no id of a table of the application.
            DocumentNotFoundError: The log knows no version of the document.
            LogTrimmedError: The log does not reach back to that moment.
            DocumentInvalidError: The version does not fit the type that its table has now.
            UniqueViolationError: A unique index holds one of its keys meanwhile.
            DanglingReferenceError: The version refers to a document that is gone meanwhile.
            ReferencedError: Others refer to the document, which was not there at that moment.
            UsageError: What referred to the document is being deleted: a large deletion of it has
                not ended.
        """
        from headwater.transactions.undo import restore

        refuse_inside()
        return restore(self._store, id, ts, override=override)
