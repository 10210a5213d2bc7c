"""What a history, a comparison and a rebuild tell the caller."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from headwater.storage.commit_log import Origin
from headwater.tables.problems import Problem


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


class ProjectionStatus(NamedTuple):
    """How a projection stands.

    Attributes:
        name: What it is called.
        version: Of the code that it is made by.
        state: "building" while it is made from the log, "ready", or "stale" once a process that
            does not know it has made changes that it was not fed with.
        feed: "commit" or "later".
        position: Every commit up to this timestamp has been applied.
        lag: Commits since then with changes that it is fed with.
        error: What the last attempt of this process to bring it forward has raised, None if it has
            raised nothing.
    """

    name: str
    version: int
    state: str
    feed: str
    position: int
    lag: int
    error: Exception | None


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


class TrimReport(NamedTuple):
    """What one call of `Database.trim_log` has removed.

    Attributes:
        horizon: Timestamp of the oldest commit whose state can be read; 0 if nothing was ever
            trimmed.
        commits: Commits that are gone from the log.
        versions: Versions of documents that are gone from it, deletions among them.
        deleted: Deleted documents of which nothing is left.
    """

    horizon: int
    commits: int
    versions: int
    deleted: int


class Lost(NamedTuple):
    """One thing that a repair could not save.

    Attributes:
        table: Name of its table, empty if that is not known.
        id: The document, empty for a commit.
        ts: The commit that wrote it, 0 if that is not known.
        after: For a commit, the newest one before it that was saved. Nothing says whether there
            were others between the two; if so, they are lost as well. 0 for all else.
        kind: "commit": one of which all or some may be lost; "version": an older version of a
            document; "document": a document as a whole.
        message: All of it in one line.
    """

    table: str
    id: str
    ts: int
    after: int
    kind: Literal["commit", "version", "document"]
    message: str


class RepairReport(NamedTuple):
    """What a repair has found and done.

    Attributes:
        path: The database.
        kept: Directory inside of it with the damaged files; None if nothing was wrong, and
            nothing was done.
        problems: What was wrong.
        lost: What could not be saved; empty if nothing that was ever committed is missing.
        commits: Commits in the new log.
        documents: Documents in the new tables, those of the catalog included.
    """

    path: Path
    kept: Path | None
    problems: list[Problem]
    lost: list[Lost]
    commits: int
    documents: int


class CompactReport(NamedTuple):
    """What `Database.compact` has given back.

    Attributes:
        bytes_before: Size of the data file before.
        bytes_after: Its size now; the same if there was nothing to give back.
    """

    bytes_before: int
    bytes_after: int
