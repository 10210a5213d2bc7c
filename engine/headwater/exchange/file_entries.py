"""Stored files in an export: what their lines say, and what their contents are called.

Lines of JSON, beside those of the tables::

    _storage.jsonl              one file in a line: its document
    _storage/<id>.jpeg          its content; the ending is for people

A snapshot of Convex's::

    _storage/documents.jsonl    the same, the hash in base64
    _storage/<id>.jpeg

Source: the format of ``npx convex export --include-file-storage`` (crates/exports in the repository
of Convex's backend).
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64Error
from mimetypes import MimeTypes
from typing import Any, Final

from headwater.errors import ArgumentError
from headwater.exchange.json_values import Dialect, NotReadableError
from headwater.functions.files import StoredFile, StoredFiles
from headwater.services.stored_files import checked_filename, checked_type
from headwater_indexes.values import Int64

FILES_TABLE: Final = StoredFiles.table_name
FILES_NUMBER: Final = 1030
"""The number of their table, unless an import has brought another one."""

_HASH_BYTES: Final = 32
_ENDINGS: Final = MimeTypes()
"""Those that Python knows, whatever is installed."""


def content_name(file: StoredFile) -> str:
    """What the content of a file is called."""
    media_type = (file["contentType"] or "").partition(";")[0].strip().lower()
    return file["_id"] + (_ENDINGS.guess_extension(media_type) or "")


def id_in(content: str) -> str:
    """The id of the file whose content has that name."""
    return content.partition(".")[0]


def written(file: StoredFile, dialect: Dialect) -> dict[str, Any]:
    """What the line of a file says."""
    if dialect == "exact":
        return {**file}
    line = {
        **file,
        "sha256": b64encode(bytes.fromhex(file["sha256"])).decode("ascii"),
        "size": Int64(file["size"]),
    }
    if file["filename"] is None:
        del line["filename"]  # which Convex does not know
    return line


def read(line: dict[str, Any]) -> dict[str, Any]:
    """The document of a file from its line, of either format.

    Raises:
        NotReadableError: The type or the name is none.
    """
    document = {
        "sha256": _hexadecimal(line.get("sha256")),
        "size": line.get("size"),
        "contentType": line.get("contentType"),
        "filename": line.get("filename"),
    }  # in the order in which they are stored
    try:
        checked_type(document["contentType"])
        checked_filename(document["filename"])
    except ArgumentError as error:
        raise NotReadableError(str(error)) from None
    others = line.keys() - document.keys() - {"internalId"}  # by which Convex's own URLs name it
    return document | {name: line[name] for name in others}


def _hexadecimal(sha256: Any) -> Any:
    """A hash as documents have it, if it is in base64; anything else as it is."""
    try:
        raw = b64decode(sha256, validate=True)
    except (TypeError, NotBase64Error, ValueError):
        return sha256
    return raw.hex() if len(raw) == _HASH_BYTES else sha256
