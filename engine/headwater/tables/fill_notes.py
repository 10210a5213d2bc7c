"""How far the filling of an index has come: notes in ``meta``, by index space.

A note names the index it is about, so that one that was left behind says nothing about another
index in the same space.
"""

from typing import Final

from headwater.storage.format import Database
from headwater.storage.transactions import ReadTransaction, WriteTransaction
from headwater.tables.catalog import IndexInfo

FILL_NOTES: Final = b"backfill/"
FILL_NOTES_END: Final = b"backfill0"
"""The first key after all notes: "0" follows "/"."""

_SEPARATOR: Final = b" "


def read_note(reader: ReadTransaction, index: IndexInfo) -> bytes:
    """The key of the last document that has its entry, empty if none has."""
    note = reader.get(Database.META, note_key(index.space))
    name, _, position = (note or b"").partition(_SEPARATOR)
    return position if name == index.id.encode("ascii") else b""


def write_note(writer: WriteTransaction, index: IndexInfo, position: bytes) -> None:
    """Note the key of the last document that has its entry."""
    value = index.id.encode("ascii") + _SEPARATOR + position
    writer.put(Database.META, note_key(index.space), value)


def remove_note(writer: WriteTransaction, space: int) -> None:
    """Forget how far the filling came, if it was noted."""
    writer.delete(Database.META, note_key(space))


def note_key(space: int) -> bytes:
    """The key of the note about an index space."""
    return FILL_NOTES + space.to_bytes(4, "big")


def spaces_noted(reader: ReadTransaction) -> list[int]:
    """The spaces about which there is a note."""
    notes = reader.scan(Database.META, FILL_NOTES, FILL_NOTES_END)
    return [int.from_bytes(key[len(FILL_NOTES) :], "big") for key, _ in notes]
