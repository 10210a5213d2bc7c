"""What an export and an import tell the caller."""

from pathlib import Path
from typing import NamedTuple


class ExportReport(NamedTuple):
    """What was exported.

    Attributes:
        path: The directory or the file.
        ts: Timestamp of the last commit in it.
        documents: Number of documents by table.
    """

    path: Path
    ts: int
    documents: dict[str, int]


class ImportReport(NamedTuple):
    """What was imported.

    Attributes:
        path: From where.
        ts: Timestamp of the last commit of the import.
        documents: Number of documents by table.
        skipped: What was there and is not imported: stored files (``_storage``), and tables that a
            projection makes here.
    """

    path: Path
    ts: int
    documents: dict[str, int]
    skipped: tuple[str, ...]
