"""What a verification can find."""

from typing import Final, Literal, NamedTuple, TypeAlias

ProblemKind: TypeAlias = Literal[
    "manifest_damaged",  # headwater.json is missing or not what was written
    "file_damaged",  # the data file cannot be opened: missing, cut short, older than it was
    "journal_damaged",  # the journal, or that it does not have what the data file may lose
    "pages_damaged",  # the form of a page, or of the tree that it belongs to
    "check_died",  # the process that looked was killed by what it read
    "storage_damaged",  # LMDB could not go on reading
    "commit_damaged",  # checksum or form of a commit
    "commit_missing",  # a commit does not follow the one before it in the log
    "history_broken",  # an event does not follow the one before it of its document
    "id_malformed",  # an event of something that is no id
    "document_damaged",  # checksum of a document
    "document_missing",  # in the log, not in the table
    "document_extra",  # in the table, not in the log, or deleted there
    "document_differs",  # another version or other fields than in the log
    "creation_time_differs",  # another creation time than in its id, or in the log
    "tombstone_damaged",
    "tombstone_missing",
    "tombstone_extra",
    "tombstone_differs",
    "table_missing",  # a document of a table that the catalog does not have
    "format_differs",  # the data file notes another format than its manifest
    "horizon_differs",  # the log is noted to be trimmed to a commit that it does not have
    "catalog_damaged",  # the tables and indexes cannot be read
    "catalog_differs",  # the timestamp of its last change is not that of the log
    "entry_missing",  # of an index
    "entry_extra",
    "entry_differs",
    "reference_dangling",  # a reference that holds names a document that is not there
]


class Problem(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: What it is; stable.
        table: Name of the table it belongs to, empty if it belongs to none.
        id: The document, empty if it is about none.
        ts: The commit, 0 if it is about none.
        message: All of it in one line.
    """

    kind: ProblemKind
    table: str
    id: str
    ts: int
    message: str

    @property
    def advice(self) -> str:
        """What can be done about it."""
        return _ADVICE.get(self.kind, _REPAIR)


_REBUILD: Final = (
    "db.rebuild() makes tables and indexes anew from the log; if the log is damaged as well, close "
    "the database everywhere and run hw.repair(path)"
)
_REPAIR: Final = (
    "restore a backup; if there is none, or it is too old: close the database everywhere and run "
    "hw.repair(path), which saves what can be saved and says what cannot"
)
_ADVICE: Final[dict[ProblemKind, str]] = dict.fromkeys(
    (
        "document_damaged",
        "document_missing",
        "document_extra",
        "document_differs",
        "creation_time_differs",
        "tombstone_damaged",
        "tombstone_missing",
        "tombstone_extra",
        "tombstone_differs",
        "table_missing",
        "catalog_damaged",
        "catalog_differs",
        "entry_missing",
        "entry_extra",
        "entry_differs",
    ),
    _REBUILD,
)
_ADVICE["reference_dangling"] = (
    "let the document refer to another one, or delete it; db.restore(id, ts) brings back one that "
    "was deleted"
)
