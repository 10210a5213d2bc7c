"""Documents of stored files and upload URLs, inside a transaction."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from headwater.errors import (
    ArgumentError,
    DocumentNotFoundError,
    InvalidIdError,
    LimitExceededError,
    UrlRefusedError,
)
from headwater.functions.files import (
    URL_SECONDS,
    DeletedFiles,
    StorageAccesses,
    StoredFile,
    StoredFiles,
    UploadUrl,
    UploadUrls,
)
from headwater.limits import Limits
from headwater.schema.explain import NO_TABLES, TableNumbers
from headwater.schema.tables import Id, Table
from headwater.services.signed_urls import Method, url_of
from headwater.transactions.reader import Reader, table_number_of
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}( *;[ -~]{0,200})?", re.ASCII)
"""A media type (RFC 6838, section 4.2), perhaps with parameters."""

_WANTED_TYPE: Final = re.compile(r"([\w!#$&^.+-]{1,127}/([\w!#$&^.+-]{1,127}|\*)|\*/\*)", re.ASCII)
_FILENAME_CHARACTERS: Final = 1024
_FORGOTTEN_AT_ONCE: Final = 2
"""Expired upload URLs that a new one removes: more than one, so that they do not pile up."""

By = Literal["function", "program", "url"]


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How URLs are made, and what is kept.

    Attributes:
        key: Gives the key to sign with.
        uuid: Of the database.
        origin: What is put before each path.
        limits: How long they may be good for.
        keep_seconds: How long deleted files are kept.
        tables: How the database numbers its tables.
    """

    key: Callable[[], bytes]
    uuid: str
    origin: str
    limits: Limits
    keep_seconds: float = 0
    tables: TableNumbers = NO_TABLES

    def make(self, method: Method, id: str, expires: int) -> str:
        """A URL for one thing, good until ``expires``, seconds since the epoch."""
        return self.origin + url_of(self.key(), method, id, expires, self.uuid)

    def expires(self, now_ms: float, seconds: float) -> int:
        """The second from which on a URL is not good any more.

        Raises:
            ArgumentError: No number of seconds above 0.
            LimitExceededError: Too many of them.
        """
        if type(seconds) not in {int, float} or not math.isfinite(seconds) or seconds <= 0:
            raise ArgumentError(f"expires_seconds={seconds!r}: expected a number above 0")
        if seconds > self.limits.url_seconds:
            raise LimitExceededError(
                f"expires_seconds={seconds!r}: the limit url_seconds is "
                f"{self.limits.url_seconds:g}; make the URL when it is needed, or raise it: "
                "hw.open(..., limits=hw.Limits(url_seconds=...))",
                limit="url_seconds",
                value=seconds,
                maximum=self.limits.url_seconds,
            )
        return math.ceil(now_ms / 1000 + seconds)


@dataclass(frozen=True, slots=True)
class NewFile:
    """What the document of a new file says."""

    sha256: str
    size: int
    content_type: str | None
    filename: str | None


class FilesInQuery:
    """``ctx.storage`` of a query."""

    __slots__ = ("_reader", "_settings", "_transaction")

    def __init__(self, transaction: Transaction, reader: Reader, settings: FileSettings) -> None:
        self._transaction = transaction
        self._reader = reader
        self._settings = settings

    def metadata(self, id: Id[StoredFile]) -> StoredFile | None:
        """The document of a stored file, or None; see `FileReader`, and so for the others."""
        check_id(id, StoredFiles, self._settings.tables)
        return self._reader.get(id)

    def url(self, id: Id[StoredFile], *, expires_seconds: float = URL_SECONDS) -> str | None:
        """A signed URL, or None."""
        expires = self._settings.expires(self._now_ms, expires_seconds)
        return None if self.metadata(id) is None else self._settings.make("GET", id, expires)

    @property
    def _now_ms(self) -> float:
        self._transaction.observed_time = True
        return self._transaction.moment.now_ms


class FilesInMutation(FilesInQuery):
    """``ctx.storage`` of a mutation."""

    __slots__ = ("_by", "_is_logged", "_writer")

    def __init__(
        self,
        transaction: Transaction,
        writer: ServiceWriter,
        settings: FileSettings,
        *,
        is_logged: bool,
        by: By,
    ) -> None:
        super().__init__(transaction, writer, settings)
        self._writer = writer
        self._is_logged = is_logged
        self._by: By = by

    def delete(self, id: Id[StoredFile]) -> None:
        """Delete a file."""
        found = self._existing(id, "delete")
        self._writer.delete(id)
        self._keep(found)
        self._note(id, "delete", found["size"])

    def restore(self, id: Id[StoredFile]) -> None:
        """Bring a deleted file back."""
        if self.metadata(id) is not None:
            raise DocumentNotFoundError(f"cannot restore {id!r}: it is not deleted", id=id)
        kept = self._writer.query(DeletedFiles).with_index(DeletedFiles.by_file, id).first()
        if kept is None:
            raise DocumentNotFoundError(
                f"cannot restore {id!r}: it is not kept any more, or never was; open the database "
                "with keep_files_seconds=... to keep deleted files for a time",
                id=id,
            )
        self._writer.delete(kept["_id"])
        fields: dict[str, Any] = {
            name: kept[name] for name in ("sha256", "size", "contentType", "filename")
        }
        self._writer.revive(StoredFiles, id, kept["createdAt"], fields)
        self._note(id, "restore", kept["size"])

    def link(
        self,
        id: Id[StoredFile],
        *,
        content_type: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Another file with the content of a stored one."""
        found = self._existing(id, "link")
        new = NewFile(
            found["sha256"],
            found["size"],
            found["contentType"] if content_type is None else checked_type(content_type),
            found["filename"] if filename is None else checked_filename(filename),
        )
        return self.insert(new)

    def generate_upload_url(
        self,
        *,
        expires_seconds: float = URL_SECONDS,
        max_bytes: int | None = None,
        content_types: Iterable[str] | None = None,
    ) -> str:
        """A signed URL for one upload."""
        expires = self._settings.expires(self._now_ms, expires_seconds)
        fields = {
            "expiresAt": expires,
            "maxBytes": _checked_size(max_bytes, self._settings.limits),
            "contentTypes": _checked_wanted(content_types),
        }
        expired = self._writer.query(UploadUrls).with_index(
            UploadUrls.by_expires_at, lte=int(self._now_ms // 1000)
        )
        for old in expired.take(_FORGOTTEN_AT_ONCE):
            self._writer.delete(old["_id"])
        return self._settings.make("POST", self._writer.insert(UploadUrls, fields), expires)

    # -- for the service ------------------------------------------------------------------------

    def insert(self, new: NewFile) -> Id[StoredFile]:
        """Name a content that is in place, and stays there until this is committed."""
        fields = {
            "sha256": new.sha256,
            "size": new.size,
            "contentType": new.content_type,
            "filename": new.filename,
        }
        id = self._writer.insert(StoredFiles, fields)
        self.note_stored(id, new.size)
        return id

    def note_stored(self, id: str, size: int) -> None:
        """Note that a file was stored, where that is noted."""
        self._note(id, "store", size)

    def _keep(self, file: StoredFile) -> None:
        """Have a content named for a time after the file is gone."""
        seconds = self._settings.keep_seconds
        if seconds:
            now = self._now_ms / 1000
            forget_deleted(self._writer, int(now), _FORGOTTEN_AT_ONCE)
            kept = {
                "file": file["_id"],
                "sha256": file["sha256"],
                "size": file["size"],
                "contentType": file["contentType"],
                "filename": file["filename"],
                "createdAt": file["_creationTime"],
                "keepUntil": math.ceil(now + seconds),
            }
            self._writer.insert(DeletedFiles, kept)

    def use_up(self, upload: Id[UploadUrl]) -> None:
        """Let an upload URL have been used.

        Raises:
            UrlRefusedError: It has been, or has expired and is forgotten.
        """
        if self._writer.get(upload) is None:
            raise used_up()
        self._writer.delete(upload)

    def _existing(self, id: Id[StoredFile], verb: str) -> StoredFile:
        found = self.metadata(id)
        if found is None:
            raise DocumentNotFoundError(
                f"cannot {verb} {id!r}: there is no such stored file; it was deleted, or never "
                "committed",
                id=id,
            )
        return found

    def _note(self, id: str, verb: str, size: int) -> None:
        if self._is_logged:
            identity = self._transaction.identity
            access = {
                "file": id,
                "verb": verb,
                "by": self._by,
                "identity": None if identity is None else identity.token_identifier,
                "bytes": size,
                "at": self._transaction.moment.now_ms,
            }
            self._writer.insert(StorageAccesses, access)


def forget_deleted(writer: ServiceWriter, now: int, count: int) -> int:
    """Let deleted files go whose time is over, at most so many; returns how many."""
    over = writer.query(DeletedFiles).with_index(DeletedFiles.by_keep_until, lte=now).take(count)
    for one in over:
        writer.delete(one["_id"])
    return len(over)


def used_up() -> UrlRefusedError:
    """The error for an upload URL that is not there any more."""
    return UrlRefusedError(
        "the upload URL was used, and is good for one upload; ask for a new one", reason="used"
    )


def check_id(id: object, table: type[Table[Any]], tables: TableNumbers) -> None:
    """Refuse what is no id of a table.

    Raises:
        InvalidIdError: It is none.
    """
    number = tables.number_of(table.table_name) or table.table_number
    if not isinstance(id, str) or table_number_of(id) != number:
        raise InvalidIdError(
            f"{id!r} is no id of table {table.table_name!r}; expected what storage.store() or "
            "storage.link() has returned"
        )


def checked_type(content_type: str | None) -> str | None:
    """A media type, as given.

    Raises:
        ArgumentError: It is none.
    """
    given: object = content_type
    is_type = isinstance(given, str) and _TYPE.fullmatch(given) is not None
    if given is not None and not is_type:
        raise ArgumentError(
            f"content_type={content_type!r}: expected a media type such as 'image/png', or None"
        )
    return content_type


def checked_filename(filename: str | None) -> str | None:
    """A name for people, as given; nothing is called by it.

    Raises:
        ArgumentError: It is no string, or a very long one.
    """
    given: object = filename
    is_name = isinstance(given, str) and len(given) <= _FILENAME_CHARACTERS
    if given is not None and not is_name:
        raise ArgumentError(
            f"filename={str(filename)[:80]!r}: expected a string of {_FILENAME_CHARACTERS} "
            "characters at most, or None"
        )
    return filename


def allows(wanted: Iterable[str] | None, content_type: str | None) -> bool:
    """Whether an upload URL takes a content of a type; parameters and case do not matter."""
    if wanted is None:
        return True
    given = (content_type or "").partition(";")[0].strip().lower()
    family = given.partition("/")[0]
    return any((one == "*/*" and given) or one in {given, f"{family}/*"} for one in wanted)


def _checked_size(max_bytes: int | None, limits: Limits) -> int | None:
    if max_bytes is None:
        return None
    if type(max_bytes) is not int or max_bytes < 0:
        raise ArgumentError(f"max_bytes={max_bytes!r}: expected a whole number, 0 or more")
    if max_bytes > limits.file_bytes:
        raise LimitExceededError(
            f"max_bytes={max_bytes:,}: the limit file_bytes is {limits.file_bytes:,}; raise it: "
            "hw.open(..., limits=hw.Limits(file_bytes=...))",
            limit="file_bytes",
            value=max_bytes,
            maximum=limits.file_bytes,
        )
    return max_bytes


def _checked_wanted(content_types: Iterable[str] | None) -> list[str] | None:
    if content_types is None:
        return None
    wanted = [content_types] if isinstance(content_types, str) else list(content_types)
    given: list[object] = [*wanted]
    for one in given:
        if not isinstance(one, str) or _WANTED_TYPE.fullmatch(one) is None:
            raise ArgumentError(
                f"content_types: expected media types such as 'image/png' or 'image/*', got {one!r}"
            )
    return [one.lower() for one in wanted]
