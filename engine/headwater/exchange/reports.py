"""What an export and an import tell the caller."""

from pathlib import Path
from typing import NamedTuple


class ExportReport(NamedTuple):
    """What was exported.

    Attributes:
        path: The directory or the file.
        ts: Timestamp of the last commit in it.
        documents: Number of documents by table.
        files: Number of stored files.
        file_bytes: Bytes of their contents.
    """

    path: Path
    ts: int
    documents: dict[str, int]
    files: int = 0
    file_bytes: int = 0


class ImportReport(NamedTuple):
    """What was imported, or would have been by a dry run.

    Attributes:
        path: From where.
        ts: Timestamp of the last commit of the import; of a dry run, that of the commit before.
        documents: Number of documents by table.
        skipped: What was there and is not imported: stored files (``_storage``) with
            ``files=False``, and tables that a projection makes here.
        files: Number of stored files.
        file_bytes: Bytes of their contents.
    """

    path: Path
    ts: int
    documents: dict[str, int]
    skipped: tuple[str, ...]
    files: int = 0
    file_bytes: int = 0
