"""Every error that Headwater raises, as one tree.

::

    HeadwaterError
    ├── ApplicationError                    the application's own, reaches clients with its data
    │   ├── RateLimitedError                (RuntimeError)  too often, for now
    │   ├── SignInRefusedError              (PermissionError)  a login or password that is wrong
    │   ├── CodeRefusedError                (PermissionError)  a code that is wrong, or was used
    │   ├── SignUpRefusedError              (ValueError)  a login or password that cannot be
    │   └── NonRetryableError               what is not to be tried again
    ├── UsageError                          the caller can mend it
    │   ├── ArgumentError                   (ValueError)  arguments of a function
    │   ├── ReturnValueError                (ValueError)  what a function returned
    │   ├── DocumentInvalidError            (ValueError)  a document against its table's type
    │   ├── ValueNotStorableError           (TypeError)   a Python value that is no value
    │   ├── InvalidIdError                  (ValueError)  no id, or an id of another table
    │   ├── DocumentNotFoundError           (KeyError)    a write to an absent document
    │   ├── NotUniqueError                  (ValueError)  unique() found several
    │   ├── UniqueViolationError            (ValueError)  a unique index holds the key already
    │   ├── DanglingReferenceError          (ValueError)  a reference to an absent document
    │   ├── ReferencedError                 (ValueError)  deleting what others still refer to
    │   ├── FunctionNotFoundError           (LookupError)
    │   ├── FunctionKindError               (TypeError)   a query called as a mutation, …
    │   ├── FunctionInternalError           (PermissionError)  internal=True, called from outside
    │   ├── NotSignedInError                (PermissionError)  a call without an identity
    │   ├── PermissionDeniedError           (PermissionError)  not for this caller
    │   ├── WriteInQueryError               (TypeError)
    │   ├── ImpureFunctionError             (RuntimeError)  I/O in a query or mutation
    │   ├── IndexNotFoundError              (LookupError)
    │   ├── IndexRangeError                 (ValueError)  bounds that no index range can have
    │   ├── IndexBuildingError              (RuntimeError)  declared, still being filled
    │   ├── InvalidCursorError              (ValueError)  a cursor of another query
    │   ├── DeclarationError                (TypeError)   a table or function declared wrongly
    │   ├── SchemaMismatchError             (ValueError)  stored documents do not fit a new type
    │   ├── ProjectionTableError            (TypeError)   a table that only a projection writes
    │   ├── LogTrimmedError                 (LookupError)  a moment before the log begins
    │   ├── MigrationFailedError            (RuntimeError)  a migration that ended without success
    │   ├── UndoConflictError               (RuntimeError)  documents have changed since
    │   ├── NotReplayableError              (ValueError)  a commit without a recorded call
    │   ├── ImportRefusedError              (ValueError)  a file that cannot be imported
    │   ├── ConfigurationMissingError       (KeyError)    a setting that functions ask for
    │   ├── RequestInvalidError             (ValueError)  the body of a request cannot be read
    │   ├── SignatureInvalidError           (PermissionError)  a webhook that nobody has signed
    │   ├── ClientGoneError                 (ConnectionError)  a request that ended in the middle
    │   ├── UrlRefusedError                 (PermissionError)  a signed URL that is not good
    │   ├── UploadRefusedError              (ValueError)  a content that must not be stored
    │   ├── RangeRefusedError               (ValueError)  bytes that a file does not have
    │   ├── TokenInvalidError               (PermissionError)  a token that proves nothing
    │   ├── ActionCanceledError             (RuntimeError)  an action that must not go on
    │   ├── AlreadyThereError               (FileExistsError)  an export would overwrite something
    │   ├── AlreadyOpenError                (RuntimeError)  open here with other modules or options
    │   ├── ClosedError                     (RuntimeError)  a closed database or transaction
    │   └── ForkedError                     (RuntimeError)  an open database carried over a fork
    ├── LimitExceededError                  (ValueError)  one of limits.py
    │   └── TimeLimitError                  (TimeoutError)
    ├── RemoteCallError                     (RuntimeError)  a function failed on a server
    ├── ServerGoneError                     (ConnectionError)  a server that cannot be reached
    ├── ConflictError                       (RuntimeError)  an optimistic transaction lost
    ├── SnapshotTooOldError                 (RuntimeError)  a snapshot held for too long
    ├── TokenKeysUnavailableError           (ConnectionError)  keys that cannot be had now
    └── StorageError                        (OSError)
        ├── NotADatabaseError
        ├── NewerFormatError
        ├── CorruptionError                 bytes that are not what was written
        ├── DatabaseFullError               the disk or the map is full
        ├── ReadOnlyError                   the directory or the file cannot be written
        └── DiskError                       the operating system failed to read, write or flush

A class is named for the fact. It carries the facts as attributes and a stable ``code``, and also
inherits the built-in error that a caller would expect. A message says what happened, where, what
was expected, what was found and what to do.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias


class HeadwaterError(Exception):
    """Root of the tree. ``code`` is stable across releases; messages are not."""

    code: ClassVar[str] = "headwater"

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; a message is for people.
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied and pickled with its facts, which __init__ takes by keyword only.
        facts = vars(self).copy()
        number = getattr(self, "errno", None)
        if number is not None:
            facts["errno"] = number
        return _restored, (type(self), self.args, facts)


def _restored(
    kind: type[HeadwaterError], arguments: tuple[Any, ...], facts: dict[str, Any]
) -> HeadwaterError:
    """An error as it was, for copy and pickle."""
    # A class with two built-in bases is made by the one that needs more room.
    maker: type[BaseException] = OSError if issubclass(kind, OSError) else kind
    error = maker.__new__(kind, *arguments)
    error.args = arguments
    for name, fact in facts.items():
        setattr(error, name, fact)
    return error


class ApplicationError(HeadwaterError):
    """Raised by the application's functions; reaches remote clients together with its data.

    Attributes:
        data: Any storable value.
    """

    code = "application"

    def __init__(self, data: Any) -> None:
        super().__init__(f"the application refused: {data!r}")
        self.data = data


class RateLimitedError(ApplicationError, RuntimeError):
    """Something happens too often. The transaction that asked is rolled back.

    Attributes:
        retry_after_seconds: The least time after which it may happen, if nobody else comes first.
        name: Of the rate limit.
        key: Whom the limit is for.
        count: Tokens that were asked for.
    """

    code = "rate_limited"

    def __init__(
        self,
        retry_after_seconds: float,
        *,
        name: str = "",
        key: str | int | None = None,
        count: int = 1,
    ) -> None:
        data = {"code": self.code, "name": name, "retry_after_seconds": retry_after_seconds}
        super().__init__(data)
        of_whom = "" if key is None else f" for {key!r}"
        left = f"rate limit {name!r}{of_whom}: fewer than {count} left"
        self.args: tuple[Any, ...] = (f"{left}, try again in {retry_after_seconds:g} s",)
        self.retry_after_seconds = retry_after_seconds
        self.name = name
        self.key = key
        self.count = count


class SignInRefusedError(ApplicationError, PermissionError):
    """A login or a password is not right; which one is not said, to nobody."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__({"code": self.code})
        self.args: tuple[Any, ...] = ("the login or the password is not right",)


class CodeRefusedError(ApplicationError, PermissionError):
    """A code is not right, or not any more; which one is not said."""

    code = "code_refused"

    def __init__(self) -> None:
        super().__init__({"code": self.code})
        self.args: tuple[Any, ...] = ("the code is not right, or not any more",)


class SignUpRefusedError(ApplicationError, ValueError):
    """A login or a new password that cannot be taken. No message has either.

    Attributes:
        reason: Why, as a word that is stable across releases: ``login_taken``, ``login_invalid``,
            ``password_too_short``, ``password_too_long`` or ``password_is_login``.
    """

    code = "sign_up_refused"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__({"code": self.code, "reason": reason})
        self.args: tuple[Any, ...] = (message,)
        self.reason = reason


class NonRetryableError(ApplicationError):
    """Raised by the application's functions that need not be tried again: it would not help."""

    code = "not_retryable"


class UsageError(HeadwaterError):
    """Something that the caller can mend."""

    code = "usage"


class ArgumentError(UsageError, ValueError):
    """Arguments that a function does not take.

    Attributes:
        function: Path of the function.
        path: Path of the offending argument, such as ``filters[2].name``; empty if several.
    """

    code = "argument_invalid"

    def __init__(self, message: str, *, function: str = "", path: str = "") -> None:
        super().__init__(message)
        self.function = function
        self.path = path


class ReturnValueError(UsageError, ValueError):
    """A function returned something that its declaration excludes, or that is no value."""

    code = "return_value_invalid"

    def __init__(self, message: str, *, function: str = "", path: str = "") -> None:
        super().__init__(message)
        self.function = function
        self.path = path


class DocumentInvalidError(UsageError, ValueError):
    """A document does not match the type of its table."""

    code = "document_invalid"

    def __init__(self, message: str, *, table: str, path: str = "") -> None:
        super().__init__(message)
        self.table = table
        self.path = path


class ValueNotStorableError(UsageError, TypeError):
    """A Python value that is not a Headwater value."""

    code = "value_not_storable"

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class InvalidIdError(UsageError, ValueError):
    """A string that is no id, or an id of another table."""

    code = "id_invalid"


class DocumentNotFoundError(UsageError, KeyError):
    """A patch, replace or delete of a document that is not there."""

    code = "document_not_found"

    def __init__(self, message: str, *, id: str) -> None:
        super().__init__(message)
        self.id = id


class NotUniqueError(UsageError, ValueError):
    """``unique()`` found more than one document."""

    code = "not_unique"

    def __init__(self, message: str, *, ids: Sequence[str]) -> None:
        super().__init__(message)
        self.ids: tuple[str, ...] = tuple(ids)


class UniqueViolationError(UsageError, ValueError):
    """A unique index already holds the key.

    Attributes:
        table: Name of the table.
        index: Name of the index.
        key: The values of the index's fields.
        holder: The id of the document that holds the key; empty if the caller may not read it.
    """

    code = "unique_violation"

    def __init__(
        self, message: str, *, table: str, index: str, key: Sequence[Any], holder: str
    ) -> None:
        super().__init__(message)
        self.table = table
        self.index = index
        self.key: tuple[Any, ...] = tuple(key)
        self.holder = holder


class DanglingReferenceError(UsageError, ValueError):
    """A document would refer to one that is not there.

    Attributes:
        table: Name of the table of the document that refers.
        field: Its field with the reference.
        target: The id that is no document's, or one's that a cascade is about to delete.
    """

    code = "reference_dangling"

    def __init__(self, message: str, *, table: str, field: str, target: str) -> None:
        super().__init__(message)
        self.table = table
        self.field = field
        self.target = target


class ReferencedError(UsageError, ValueError):
    """A document is not deleted, because others refer to it. Nothing was written.

    Attributes:
        id: The document that is referred to: the one that was to be deleted, or one that would
            have been deleted along with it.
        table: Name of the table of those that refer to it.
        field: Their field with the reference.
        index: The index that has them.
        children: Ids of those that refer to it, the first few.
    """

    code = "referenced"

    def __init__(
        self,
        message: str,
        *,
        id: str,
        table: str,
        field: str,
        index: str,
        children: Sequence[str],
    ) -> None:
        super().__init__(message)
        self.id = id
        self.table = table
        self.field = field
        self.index = index
        self.children: tuple[str, ...] = tuple(children)


class FunctionNotFoundError(UsageError, LookupError):
    """No function at that path."""

    code = "function_not_found"


class FunctionKindError(UsageError, TypeError):
    """A function used as another kind than it was declared."""

    code = "function_kind"


class FunctionInternalError(UsageError, PermissionError):
    """An internal function was called from outside."""

    code = "function_internal"


class NotSignedInError(UsageError, PermissionError):
    """A function that is for recognized callers was called by nobody in particular."""

    code = "not_signed_in"


class PermissionDeniedError(UsageError, PermissionError):
    """The rules of a table, or a function, do not allow it to this caller.

    Attributes:
        table: Name of the table that was to be written; empty if a function refused.
        verb: "insert", "modify" or "delete"; empty if a function refused.
        id: The document; empty if there is none.
    """

    code = "permission_denied"

    def __init__(
        self, message: str, *, table: str = "", verb: str = "", id: str = "", code: str = ""
    ) -> None:
        super().__init__(message)
        self.table = table
        self.verb = verb
        self.id = id
        if code:  # the application's own, of this one error
            vars(self)["code"] = code


class WriteInQueryError(UsageError, TypeError):
    """A write through the context of a query."""

    code = "write_in_query"


class ImpureFunctionError(UsageError, RuntimeError):
    """I/O inside a query or mutation."""

    code = "function_impure"


class IndexNotFoundError(UsageError, LookupError):
    """The table has no such index."""

    code = "index_not_found"


class IndexRangeError(UsageError, ValueError):
    """Bounds that a range of this index cannot have."""

    code = "index_range_invalid"


class IndexBuildingError(UsageError, RuntimeError):
    """The index is declared and not yet filled."""

    code = "index_building"


class InvalidCursorError(UsageError, ValueError):
    """A pagination cursor that was not made by this query."""

    code = "cursor_invalid"


class DeclarationError(UsageError, TypeError):
    """A table, index, field or function is declared in a way that cannot work."""

    code = "declaration_invalid"


class SchemaMismatchError(UsageError, ValueError):
    """Stored documents do not fit the declared type, or break a new unique index.

    Attributes:
        table: Name of the table.
        documents: Pairs of an offending id and the reason, the first few.
    """

    code = "schema_mismatch"

    def __init__(self, message: str, *, table: str, documents: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.table = table
        self.documents: tuple[tuple[str, str], ...] = tuple(documents)


class ProjectionTableError(UsageError, TypeError):
    """A write to a table that only a projection writes, or a projection outside its own tables.

    Attributes:
        table: Name of the table.
        projection: Name of the projection.
    """

    code = "projection_table"

    def __init__(self, message: str, *, table: str, projection: str) -> None:
        super().__init__(message)
        self.table = table
        self.projection = projection


class LogTrimmedError(UsageError, LookupError):
    """A moment or a commit that the log does not reach any more, because it was trimmed.

    Attributes:
        ts: What was asked for, nanoseconds since the epoch.
        horizon: The oldest state that the log still gives.
    """

    code = "log_trimmed"

    def __init__(self, message: str, *, ts: int, horizon: int) -> None:
        super().__init__(message)
        self.ts = ts
        self.horizon = horizon


class UndoConflictError(UsageError, RuntimeError):
    """Documents that an undo or a restore would change have changed since. Nothing was written.

    Attributes:
        ts: The commit that was to be undone, or the moment that was to be restored.
        later: The commits that changed each document since, newest first, by id: at most ten.
    """

    code = "undo_conflict"

    def __init__(self, message: str, *, ts: int, later: Mapping[str, Sequence[int]]) -> None:
        super().__init__(message)
        self.ts = ts
        self.later: dict[str, tuple[int, ...]] = {id: tuple(later[id]) for id in later}


class MigrationFailedError(UsageError, RuntimeError):
    """A migration that was waited for failed, or was canceled. What it had done before stays.

    Attributes:
        name: The migration.
        document: The document at which it failed; empty if it was at none.
        reason: Why; empty if it was canceled.
    """

    code = "migration_failed"

    def __init__(self, message: str, *, name: str, document: str, reason: str) -> None:
        super().__init__(message)
        self.name = name
        self.document = document
        self.reason = reason


class NotReplayableError(UsageError, ValueError):
    """A commit that cannot be run again: its call was not recorded, or its function is gone.

    Attributes:
        ts: Timestamp of the commit.
        function: Path of the function that made it; empty if none did.
    """

    code = "not_replayable"

    def __init__(self, message: str, *, ts: int, function: str) -> None:
        super().__init__(message)
        self.ts = ts
        self.function = function


class ImportRefusedError(UsageError, ValueError):
    """A file that cannot be imported as it is. Nothing was imported.

    Attributes:
        file: The file, or the entry of an archive.
        line: The offending line from 1; 0 if it is not about one.
    """

    code = "import_refused"

    def __init__(self, message: str, *, file: str, line: int = 0) -> None:
        super().__init__(message)
        self.file = file
        self.line = line


class ConfigurationMissingError(UsageError, KeyError):
    """A function asked for a setting that is not there.

    Attributes:
        name: Of the setting.
    """

    code = "configuration_missing"

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class RequestInvalidError(UsageError, ValueError):
    """A request over HTTP that cannot be read as what it should be. Answered with 400."""

    code = "request_invalid"


class SignatureInvalidError(UsageError, PermissionError):
    """A webhook without a signature of its sender, or with an old one. Answered with 401."""

    code = "signature_invalid"


class ClientGoneError(UsageError, ConnectionError):
    """The other side went away before all of its request had come."""

    code = "client_gone"


UrlRefusal: TypeAlias = Literal["malformed", "signature", "expired", "used"]
"""Why a signed URL is refused."""

UploadRefusal: TypeAlias = Literal["size", "content_type", "sha256"]
"""What a content that must not be stored has wrong."""


class UrlRefusedError(UsageError, PermissionError):
    """A signed URL of a stored file that is not good, or not any more.

    Attributes:
        reason: "malformed": no such URL is made here; "signature": for something else, made by
            somebody else, or with a key that is gone; "expired"; "used": its one upload was made.
    """

    code = "url_refused"

    def __init__(self, message: str, *, reason: UrlRefusal) -> None:
        super().__init__(message)
        self.reason: UrlRefusal = reason


class UploadRefusedError(UsageError, ValueError):
    """A content that must not be stored. Nothing was stored.

    Attributes:
        reason: "size": larger than the upload URL allows; "content_type": of a type that it does
            not allow; "sha256": not the content that the hash is of.
    """

    code = "upload_refused"

    def __init__(self, message: str, *, reason: UploadRefusal) -> None:
        super().__init__(message)
        self.reason: UploadRefusal = reason


class RangeRefusedError(UsageError, ValueError):
    """Bytes of a stored file that it does not have, or several ranges at once.

    Attributes:
        size: Bytes of the file.
    """

    code = "range_refused"

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size


class TokenInvalidError(UsageError, PermissionError):
    """A token that does not prove who somebody is. No message has the token or a part of it.

    Attributes:
        reason: Why, as a word that is stable across releases: ``malformed``, ``too_large``,
            ``header``, ``algorithm``, ``issuer``, ``audience``, ``key``, ``signature``,
            ``claims``, ``expired``, ``not_yet_valid``, ``subject``, ``session`` or ``reused``.
    """

    code = "token_invalid"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ActionCanceledError(UsageError, RuntimeError):
    """An action that was canceled, or has ended, and must not go on."""

    code = "action_canceled"


class AlreadyThereError(UsageError, FileExistsError):
    """An export or a restoration would overwrite something. Nothing was written."""

    code = "already_there"


class AlreadyOpenError(UsageError, RuntimeError):
    """The directory is open in this process with other modules or options."""

    code = "already_open"


class ClosedError(UsageError, RuntimeError):
    """The database, snapshot, transaction or live query was closed."""

    code = "closed"


class ForkedError(UsageError, RuntimeError):
    """A database that was opened before a fork is used in the child."""

    code = "forked"


class LimitExceededError(HeadwaterError, ValueError):
    """A bound of ``limits.py`` was reached.

    Attributes:
        limit: The field of ``Limits``.
        value: How far it went.
        maximum: The bound.
    """

    code = "limit_exceeded"

    def __init__(self, message: str, *, limit: str, value: float, maximum: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.value = value
        self.maximum = maximum


class TimeLimitError(LimitExceededError, TimeoutError):
    """A function ran for longer than it may."""

    code = "time_limit_exceeded"


class RemoteCallError(HeadwaterError, RuntimeError):
    """A function failed on a server that does not say why, but to its log.

    Attributes:
        request_id: What the server's log calls the request; empty if it has not said.
    """

    code = "remote_call_failed"

    def __init__(self, message: str, *, request_id: str = "") -> None:
        super().__init__(message)
        self.request_id = request_id


class ServerGoneError(HeadwaterError, ConnectionError):
    """A server cannot be reached, or has not answered in time."""

    code = "server_gone"


class ConflictError(HeadwaterError, RuntimeError):
    """A transaction read something that another commit has changed since.

    Attributes:
        ts: Timestamp of the commit that won.
        function: The function that made that commit, or empty.
        table: Table of the key in conflict.
        index: Index of the key in conflict.
        key: The key in conflict, as values.
    """

    code = "conflict"

    def __init__(
        self, message: str, *, ts: int, function: str, table: str, index: str, key: Sequence[Any]
    ) -> None:
        super().__init__(message)
        self.ts = ts
        self.function = function
        self.table = table
        self.index = index
        self.key: tuple[Any, ...] = tuple(key)


class SnapshotTooOldError(HeadwaterError, RuntimeError):
    """A snapshot was held for longer than ``limits.snapshot_seconds``."""

    code = "snapshot_too_old"


class TokenKeysUnavailableError(HeadwaterError, ConnectionError):
    """The keys that tokens are verified with cannot be had now.

    Attributes:
        issuer: Whose keys.
    """

    code = "token_keys_unavailable"

    def __init__(self, message: str, *, issuer: str) -> None:
        super().__init__(message)
        self.issuer = issuer


class StorageError(HeadwaterError, OSError):
    """The disk, the file or the operating system."""

    code = "storage"


class NotADatabaseError(StorageError):
    """The path exists and is no Headwater database."""

    code = "not_a_database"


class NewerFormatError(StorageError):
    """Written by a newer version of Headwater.

    Attributes:
        found: Format version of the database.
        supported: Newest format version that this library reads.
    """

    code = "format_newer"

    def __init__(self, message: str, *, found: int, supported: int) -> None:
        super().__init__(message)
        self.found = found
        self.supported = supported


class CorruptionError(StorageError):
    """Bytes on disk are not what was written."""

    code = "corruption"


class DatabaseFullError(StorageError):
    """The disk or the memory map is full. Nothing was written."""

    code = "database_full"


class ReadOnlyError(StorageError):
    """The directory or its file cannot be written."""

    code = "read_only"


class DiskError(StorageError):
    """The operating system failed to read, write or flush.

    A commit that ends with this error may or may not be durable.
    """

    code = "disk"
