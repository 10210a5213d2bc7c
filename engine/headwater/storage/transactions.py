"""Transactions: a snapshot to read from, and the one writer.

Both are thin: the work is done by few calls into LMDB, because py-lmdb may hand the interpreter
to another thread at each of them. A lock per transaction keeps its calls apart, so that a
snapshot can be taken away while its owner is busy elsewhere.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from types import TracebackType
from typing import Any, Final, Protocol, Self, cast
from weakref import ref

import lmdb

from headwater.errors import ClosedError, HeadwaterError
from headwater.storage.format import Database

Handles = tuple[Any, ...]
"""py-lmdb's handles of the sub-databases, in the order of `Database`; it names no type for them."""

CHUNK_FIRST: Final = 8
CHUNK_LARGEST: Final = 512
"""Entries that a scan reads at once: few at first, for the many readers that want few."""

_key_of = itemgetter(0)


class Gone:
    """Stands where the LMDB transaction was, once that is closed or was taken away."""

    def __init__(self, kind: type[HeadwaterError], message: str) -> None:
        self._kind = kind
        self._message = message

    def abort(self) -> None:
        """Nothing is left to abort."""

    def __getattr__(self, name: str) -> Any:
        raise self._kind(self._message)


CLOSED: Final = cast(
    "lmdb.Transaction[bytes]",
    Gone(
        ClosedError,
        "this transaction is closed; results must be read before it is, or in a new one",
    ),
)
NOT_BEGUN: Final = cast(
    "lmdb.Transaction[bytes]",
    Gone(ClosedError, "a write transaction begins with its with statement"),
)


class Owner(Protocol):
    """What a transaction needs of its environment."""

    readers: "dict[ref[ReadTransaction], float]"
    is_draining: bool
    drained: threading.Event

    def failure(self, error: lmdb.Error, doing: str) -> Exception:
        """The error to raise for one of LMDB's."""
        ...

    def begin_write(
        self, transaction: "WriteTransaction"
    ) -> "tuple[lmdb.Transaction[bytes], Handles]":
        """Wait for the write lock and begin."""
        ...

    def end_write(self, transaction: "lmdb.Transaction[bytes]", *, commit: bool) -> None:
        """Commit or abort, and release the write lock."""
        ...


class ReadTransaction:
    """A snapshot: everything that was committed when it began, and nothing after.

    Use it in a ``with`` statement or `close` it: an open snapshot keeps the file from reusing
    space. Calls from several threads are made one after the other.
    """

    __slots__ = ("__weakref__", "_handles", "_lock", "_owner", "_reference", "_transaction")

    def __init__(
        self: "ReadTransaction",  # not of a subclass: the owner's list is of this class
        owner: Owner,
        transaction: "lmdb.Transaction[bytes]",
        handles: Handles,
        started_seconds: float,
    ) -> None:
        self._owner = owner
        self._transaction = transaction
        self._handles = handles
        self._lock = threading.Lock()
        # A snapshot that is dropped without being closed leaves the list by itself.
        readers = owner.readers
        self._reference = reference = ref(self, readers.pop)
        readers[reference] = started_seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether it can still be read from."""
        return not _is_gone(self._transaction)

    def close(self) -> None:
        """Give the snapshot back. Does nothing the second time."""
        self.replace_by(CLOSED)

    def replace_by(self: "ReadTransaction", gone: "lmdb.Transaction[bytes]") -> bool:
        """Give the snapshot back and let every later use raise what ``gone`` raises.

        Waits for a call of another thread into this transaction. Returns whether it was open.
        """
        with self._lock:
            transaction = self._transaction
            if _is_gone(transaction):
                return False
            self._transaction = gone
            del self._owner.readers[self._reference]
            del self._reference  # or it would be called back and find itself gone
            transaction.abort()
        if self._owner.is_draining:
            self._owner.drained.set()
        return True

    def abandon(self, gone: "lmdb.Transaction[bytes]") -> None:
        """Forget the snapshot without touching LMDB: for the child after a fork."""
        self._lock = threading.Lock()
        self._transaction = gone
        del self._reference

    def get(self, database: Database, key: bytes) -> bytes | None:
        """The value of a key; None if it is not there. O(log n)."""
        try:
            with self._lock:
                return self._transaction.get(key, None, self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def get_many(self, database: Database, keys: list[bytes]) -> list[bytes | None]:
        """The values of several keys, in their order. One call into LMDB, made in key order."""
        try:
            with self._lock:
                cursor = self._transaction.cursor(self._handles[database])
                found = dict(cursor.getmulti(sorted(keys)))
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error
        return list(map(found.get, keys))

    def scan(
        self, database: Database, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``low <= key < high``, in key order or against it.

        Reads in growing chunks as it is consumed. Nothing may be written to ``database`` by this
        transaction while a scan is under way.

        Args:
            database: Where to look.
            low: Inclusive; empty for the beginning.
            high: Exclusive; None for the end.
            reverse: From the end to the beginning.
        """
        size = CHUNK_FIRST
        chunk, entries = self._start(database, low, high, reverse=reverse)
        while chunk:
            edge = chunk[-1][0]
            if reverse:
                if edge < low:
                    yield from chunk[: _count_from(chunk, low)]
                    return
            elif high is not None and edge >= high:
                yield from chunk[: bisect_left(chunk, high, key=_key_of)]
                return
            yield from chunk
            if len(chunk) < size:
                return
            size = min(size * 4, CHUNK_LARGEST)
            chunk = self._next_chunk(entries, size)

    def first(self, database: Database) -> tuple[bytes, bytes] | None:
        """The entry with the least key. O(log n)."""
        try:
            with self._lock:
                cursor = self._transaction.cursor(self._handles[database])
                return cursor.item() if cursor.first() else None
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def last(self, database: Database) -> tuple[bytes, bytes] | None:
        """The entry with the greatest key. O(log n)."""
        try:
            with self._lock:
                cursor = self._transaction.cursor(self._handles[database])
                return cursor.item() if cursor.last() else None
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def count(self, database: Database) -> int:
        """How many entries there are. O(1)."""
        try:
            with self._lock:
                return self._transaction.stat(self._handles[database])["entries"]
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def _start(
        self, database: Database, low: bytes, high: bytes | None, *, reverse: bool
    ) -> tuple[list[tuple[bytes, bytes]], Iterator[tuple[bytes, bytes]]]:
        """Place a cursor, read the first chunk, and return what reads the following ones."""
        try:
            with self._lock:
                cursor = self._transaction.cursor(self._handles[database])
                if reverse:
                    # The greatest key below ``high``: the one before the first that is not.
                    above = high is not None and cursor.set_range(high)
                    is_placed = cursor.prev() if above else cursor.last()
                    entries = cursor.iterprev()
                else:
                    is_placed = cursor.set_range(low) if low else cursor.first()
                    entries = cursor.iternext()
                # An iterator over a cursor that has no place would start at the other end.
                return (list(islice(entries, CHUNK_FIRST)) if is_placed else []), entries
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def _next_chunk(
        self, entries: Iterator[tuple[bytes, bytes]], size: int
    ) -> list[tuple[bytes, bytes]]:
        try:
            with self._lock:
                self._transaction.id()  # raises what closed or expired snapshots raise
                return list(islice(entries, size))
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error


class WriteTransaction(ReadTransaction):
    """The one writer, across threads and processes; reads see its own writes.

    ``with environment.write() as transaction`` waits for LMDB's lock, commits at a clean exit
    and aborts at an exception. It must end on the thread that began it. Each key should be
    written at most once: LMDB's offline verifier takes a large value that was replaced by a
    shorter one inside one transaction for damage.
    """

    __slots__ = ("_thread",)

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transaction = NOT_BEGUN
        self._handles = ()
        self._lock = threading.Lock()
        self._reference = ref(self)
        self._thread = 0

    def __enter__(self) -> Self:
        self._transaction, self._handles = self._owner.begin_write(self)
        self._thread = threading.get_ident()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish(commit=kind is None)

    def close(self) -> None:
        """Abort, unless it is over already."""
        self._finish(commit=False)

    def put(self, database: Database, key: bytes, value: bytes) -> None:
        """Write one entry; replaces what is there. O(log n)."""
        try:
            with self._lock:
                self._transaction.put(key, value, db=self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "write") from error

    def put_many(
        self, database: Database, items: list[tuple[bytes, bytes]], *, append: bool = False
    ) -> None:
        """Write entries, each key once; replaces what is there. One call, made in key order.

        Args:
            database: Where to.
            items: Keys and values, in any order.
            append: Every key is above all keys that are there: faster, and fills pages.
        """
        try:
            with self._lock:
                cursor = self._transaction.cursor(self._handles[database])
                cursor.putmulti(sorted(items), append=append)
        except lmdb.Error as error:
            raise self._owner.failure(error, "write") from error

    def delete(self, database: Database, key: bytes) -> bool:
        """Remove an entry. Returns whether it was there. O(log n)."""
        try:
            with self._lock:
                return self._transaction.delete(key, b"", self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "delete") from error

    def delete_many(self, database: Database, keys: list[bytes]) -> int:
        """Remove entries. Returns how many were there. One call per key, made in key order."""
        try:
            with self._lock:
                delete, handle = self._transaction.delete, self._handles[database]
                return sum([delete(key, b"", handle) for key in sorted(keys)])
        except lmdb.Error as error:
            raise self._owner.failure(error, "delete") from error

    def clear(self, database: Database) -> None:
        """Remove every entry. O(pages)."""
        try:
            with self._lock:
                self._transaction.drop(self._handles[database], delete=False)
        except lmdb.Error as error:
            raise self._owner.failure(error, "clear") from error

    def _finish(self, *, commit: bool) -> None:
        transaction = self._transaction
        if _is_gone(transaction):
            return
        # Ended elsewhere, LMDB's lock would stay taken for ever.
        assert self._thread == threading.get_ident(), "a write transaction ends on its own thread"
        self._transaction = CLOSED
        self._owner.end_write(transaction, commit=commit)


def _count_from(chunk: list[tuple[bytes, bytes]], low: bytes) -> int:
    """How many entries of a descending chunk have a key of at least ``low``."""
    return len(chunk) - bisect_left(chunk[::-1], low, key=_key_of)


def _is_gone(transaction: object) -> bool:
    return isinstance(transaction, Gone)
