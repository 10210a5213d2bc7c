"""The state of one database written into another, empty one."""

from itertools import islice
from typing import Final

from headwater.storage.format import META_FORMAT, META_JOURNAL, META_UUID, Database
from headwater.storage.transactions import ReadTransaction, WriteTransaction
from headwater.tables.catalog import load_catalog
from headwater.tables.fill_notes import FILL_NOTES, FILL_NOTES_END
from headwater.tables.index_entries import write_indexes
from headwater.tables.progress import Report, reported

_OF_THE_DATABASE: Final = frozenset({META_FORMAT, META_UUID, META_JOURNAL})
_CHUNK: Final = 1000


def copy_state(
    writer: WriteTransaction, source: ReadTransaction, progress: Report | None = None
) -> None:
    """Write the log and the documents that ``source`` sees, and make the indexes anew.

    Everything but the name of the database comes along, history included. O(entries).
    """
    for database in (Database.META, Database.LOG, Database.DOCUMENTS, Database.DELETED):
        step = f"copying {database.name.lower()}"
        total = source.count(database) if progress else 0
        entries = reported(source.scan(database, b"", None), step, total, progress)
        if database is Database.META:
            entries = (entry for entry in entries if _belongs_to_state(entry[0]))
        while chunk := list(islice(entries, _CHUNK)):
            writer.put_many(database, chunk, append=database is not Database.META)
    write_indexes(writer, load_catalog(writer), progress)


def _belongs_to_state(key: bytes) -> bool:
    """Whether an entry says something of the documents, not of the file that holds them."""
    return key not in _OF_THE_DATABASE and not FILL_NOTES <= key < FILL_NOTES_END
