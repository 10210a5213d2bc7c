"""What a history, a comparison and a rebuild tell the caller."""

from typing import Any, NamedTuple

from headwater.storage.commit_log import Origin


class Revision(NamedTuple):
    """One version of a document.

    Attributes:
        ts: Timestamp of the commit that made it.
        origin: Where that commit came from.
        document: The document as it was from then on, None if the commit deleted it.
        changed: Fields that differ from the version before, by name: their old and their new
            value, MISSING for a field that was absent. A field differs if its stored bytes do, so
            a change from 1 to 1.0 is one. Empty if the version before is not known.
        is_cut: Whether there was a version before this one that the log does not have any more.
            Only the last of a history can be; what is older is lost.
    """

    ts: int
    origin: Origin
    document: dict[str, Any] | None
    changed: dict[str, tuple[Any, Any]]
    is_cut: bool = False


class DocumentChange(NamedTuple):
    """How one document differs between two states.

    Attributes:
        table: Name of its table.
        id: The document.
        before: As it is in the first state, None if it is not there.
        after: As it is in the second state, None if it is not there.
        changed: Fields that differ, by name: their old and their new value, MISSING for a field
            that is absent. A field differs if its stored bytes do.
    """

    table: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    changed: dict[str, tuple[Any, Any]]


class RebuildReport(NamedTuple):
    """What a rebuild has made.

    Attributes:
        commits: Commits in the log.
        documents: Documents, those of the catalog included.
        deleted: Documents that are deleted and have a history.
        entries: Index entries.
    """

    commits: int
    documents: int
    deleted: int
    entries: int
