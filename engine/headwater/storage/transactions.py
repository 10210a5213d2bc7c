"""Transactions: a snapshot to read from, and the one writer.

Both are thin: the work is done by few calls into LMDB, because py-lmdb may hand the interpreter
to another thread at each of them. A snapshot is given back by dropping the one reference to
LMDB's transaction, never by aborting it: a call that another thread has under way keeps it alive
until it returns, so a snapshot can be taken away at any moment without a lock on every read.
For the same reason nothing holds a cursor between two calls.
"""

import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import islice, repeat
from operator import itemgetter
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, cast
from weakref import ref

import lmdb

from headwater.errors import ClosedError, HeadwaterError
from headwater.storage.format import Database

if TYPE_CHECKING:
    from headwater.storage.recording import Recorder

Handles = tuple[Any, ...]
"""py-lmdb's handles of the sub-databases, in the order of `Database`; it names no type for them."""

Version: TypeAlias = tuple[Handles, int]
"""A state of the file: LMDB's number of the transaction that made it, in one opening of the file.

While the file stays open, equal versions are equal states."""

NO_VERSION: Final[Version] = ((), 0)

CHUNK_FIRST: Final = 8
CHUNK_GROWTH: Final = 2
CHUNK_LARGEST: Final = 512
"""Entries that a scan reads at once: few at first, for the many readers that want few."""

_key_of = itemgetter(0)


def bytes_of(tree: Any) -> int:
    """Bytes of all pages of a tree, from LMDB's statistics of it."""
    pages: int = tree["branch_pages"] + tree["leaf_pages"] + tree["overflow_pages"]
    page_bytes: int = tree["psize"]
    return pages * page_bytes


class Gone:
    """Stands where the LMDB transaction was, once that is closed or was taken away."""

    def __init__(self, kind: type[HeadwaterError], message: str) -> None:
        self._kind = kind
        self._message = message

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


Place = tuple[CodeType | None, int, int]
"""A line of code, as cheap to note as can be: a function, the offset of an instruction in it, and
the thread that ran it. The line is worked out only if somebody asks. None: only the thread."""

_frame_above = sys._getframe  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
_this_thread = threading.get_ident


Begun = tuple["lmdb.Transaction[bytes]", Handles, "Recorder | None"]
"""A write transaction that has begun. The last is to be told of every change, if there is one."""


class OpenReaders(dict[Callable[[], "ReadTransaction | None"], float]):
    """Open snapshots by references to them, each with the monotonic second in which it began."""

    __slots__ = ()

    def forget(self, reference: "ref[ReadTransaction]") -> None:
        """Drop one that is gone; it was closed before if somebody held its reference."""
        self.pop(reference, None)


class Owner(Protocol):
    """What a transaction needs of its environment."""

    readers: OpenReaders
    is_draining: bool
    drained: threading.Event
    compresses: bool

    def failure(self, error: lmdb.Error, doing: str) -> Exception:
        """The error to raise for one of LMDB's."""
        ...

    def begin_write(self, transaction: "WriteTransaction") -> "Begun":
        """Wait for the write lock and begin."""
        ...

    def end_write(
        self,
        transaction: "lmdb.Transaction[bytes]",
        recorder: "Recorder | None",
        *,
        commit: bool,
    ) -> None:
        """Commit or abort, and release the write lock."""
        ...


class ReadTransaction:
    """A snapshot: everything that was committed when it began, and nothing after.

    Use it in a ``with`` statement or `close` it: an open snapshot keeps the file from reusing
    space. It may move from thread to thread, but is used by one at a time.
    """

    __slots__ = ("__weakref__", "_handles", "_owner", "_place", "_reference", "_transaction")

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
        # A snapshot that is dropped without being closed leaves the list by itself.
        readers = owner.readers
        reference = ref(self, readers.forget)
        readers[reference] = started_seconds
        self._reference: ref[ReadTransaction] | None = reference

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def started_at(self, seconds: float) -> None:
        """Say when it began, on the clock by which the owner judges its age."""
        if self._reference is not None:
            self._owner.readers[self._reference] = seconds

    def opened_by_thread(self) -> None:
        """Note that this thread opened it."""
        self._place: Place = (None, 0, _this_thread())

    def opened_by_caller(self, depth: int) -> None:
        """Note who opened it: ``depth`` calls above whoever calls this. Some 200 ns."""
        try:
            frame = _frame_above(depth + 1)
        except ValueError:
            return
        self._place = (frame.f_code, frame.f_lasti, _this_thread())

    @property
    def place(self) -> Place | None:
        """Where it was opened, if that was noted."""
        place: Place | None = getattr(self, "_place", None)
        return place

    def transaction_id(self) -> int | None:
        """Number of LMDB's transaction that it sees last; None once it is closed."""
        try:
            return self._transaction.id()
        except (lmdb.Error, HeadwaterError):
            return None

    def version(self) -> Version:
        """Which state it sees. O(1): far cheaper than to look into the state."""
        try:
            return self._handles, self._transaction.id()
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    @property
    def is_open(self) -> bool:
        """Whether it can still be read from."""
        return not isinstance(cast("object", self._transaction), Gone)

    def close(self) -> None:
        """Give the snapshot back. Does nothing the second time."""
        self.replace_by(CLOSED)

    def replace_by(self, gone: "lmdb.Transaction[bytes]") -> bool:
        """Give the snapshot back and let every later use raise what ``gone`` raises.

        From any thread. Returns whether it was open.
        """
        reference = self._reference
        if reference is None:
            return False
        self._reference = None
        self._transaction = gone  # at once: a read under way elsewhere is to say why it is gone
        owner = self._owner
        owner.readers.pop(reference, None)
        if owner.is_draining:
            owner.drained.set()
        return True

    def get(self, database: Database, key: bytes) -> bytes | None:
        """The value of a key; None if it is not there. O(log n)."""
        try:
            return self._transaction.get(key, None, self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def get_many(self, database: Database, keys: list[bytes]) -> list[bytes | None]:
        """The values of several keys, in their order. O(log n) each."""
        # Measured: a list of gets beats getmulti, which has to be put back into order.
        try:
            get, handle = self._transaction.get, self._handles[database]
            return [get(key, None, handle) for key in keys]
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def scan(
        self,
        database: Database,
        low: bytes,
        high: bytes | None,
        *,
        reverse: bool = False,
        expected: int = CHUNK_FIRST,
    ) -> Iterator[tuple[bytes, bytes]]:
        """Entries with ``low <= key < high``, in key order or against it.

        Reads in growing chunks as it is consumed. Nothing may be written to ``database`` by this
        transaction while a scan is under way.

        Args:
            database: Where to look.
            low: Inclusive; empty for the beginning.
            high: Exclusive; None for the end.
            reverse: From the end to the beginning.
            expected: How many entries the caller is likely to take; they are read at once.
        """
        size = min(expected, CHUNK_LARGEST)
        read = self._descend if reverse else self._ascend
        chunk = read(database, low, high, size)
        while len(chunk) == size:
            yield from chunk
            size = min(size * CHUNK_GROWTH, CHUNK_LARGEST)
            edge = chunk[-1][0]
            if reverse:
                chunk = read(database, low, edge, size)
            else:
                chunk = read(database, edge + b"\x00", high, size)
        yield from chunk

    def take(
        self, database: Database, low: bytes, high: bytes | None, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """The first entries that `scan` gives, at most ``count``; read at once."""
        if count <= CHUNK_LARGEST:
            read = self._descend if reverse else self._ascend
            return read(database, low, high, count)
        entries = self.scan(database, low, high, reverse=reverse, expected=CHUNK_LARGEST)
        return list(islice(entries, count))

    def first(self, database: Database) -> tuple[bytes, bytes] | None:
        """The entry with the least key. O(log n)."""
        try:
            cursor = self._transaction.cursor(self._handles[database])
            return cursor.item() if cursor.first() else None
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def last(self, database: Database) -> tuple[bytes, bytes] | None:
        """The entry with the greatest key. O(log n)."""
        try:
            cursor = self._transaction.cursor(self._handles[database])
            return cursor.item() if cursor.last() else None
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def last_key(self, database: Database) -> bytes | None:
        """The greatest key, without its value. O(log n), however large the value is."""
        try:
            cursor = self._transaction.cursor(self._handles[database])
            return cursor.key() if cursor.last() else None
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def count(self, database: Database) -> int:
        """How many entries there are. O(1)."""
        try:
            return self._transaction.stat(self._handles[database])["entries"]
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def page_bytes(self, database: Database) -> int:
        """Bytes of the pages that a sub-database takes. O(1)."""
        try:
            return bytes_of(self._transaction.stat(self._handles[database]))
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error

    def _ascend(
        self, database: Database, low: bytes, high: bytes | None, size: int
    ) -> list[tuple[bytes, bytes]]:
        """The first ``size`` entries of a range."""
        try:
            cursor = self._transaction.cursor(self._handles[database])
            # An iterator over a cursor that has no place would start at the other end.
            if not (cursor.set_range(low) if low else cursor.first()):
                return []
            chunk = list(islice(cursor.iternext(), size))
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error
        if high is not None and chunk[-1][0] >= high:
            del chunk[bisect_left(chunk, high, key=_key_of) :]
        return chunk

    def _descend(
        self, database: Database, low: bytes, high: bytes | None, size: int
    ) -> list[tuple[bytes, bytes]]:
        """The last ``size`` entries of a range, the last one first."""
        try:
            cursor = self._transaction.cursor(self._handles[database])
            # The greatest key below ``high`` is the one before the first that is not below it.
            is_inside = high is not None and cursor.set_range(high)
            if not (cursor.prev() if is_inside else cursor.last()):
                return []
            chunk = list(islice(cursor.iterprev(), size))
        except lmdb.Error as error:
            raise self._owner.failure(error, "read") from error
        if chunk[-1][0] < low:
            chunk = [entry for entry in chunk if entry[0] >= low]
        return chunk


class WriteTransaction(ReadTransaction):
    """The one writer, across threads and processes; reads see its own writes.

    ``with environment.write() as transaction`` waits for LMDB's lock, commits at a clean exit
    and aborts at an exception. It must end on the thread that began it. Each key should be
    written at most once: LMDB's offline verifier takes a large value that was replaced by a
    shorter one inside one transaction for damage.

    Attributes:
        entries: How many entries were written or removed in batches.
    """

    __slots__ = ("_recorder", "_thread", "entries")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._transaction = NOT_BEGUN
        self._handles = ()
        self._reference = None
        self._recorder: Recorder | None = None
        self._thread = 0
        self.entries: int = 0

    def __enter__(self) -> Self:
        self._transaction, self._handles, self._recorder = self._owner.begin_write(self)
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

    @property
    def compresses(self) -> bool:
        """Whether the format of this file knows compressed commits."""
        return self._owner.compresses

    def version(self) -> Version:
        """The state that it began with."""
        return self._handles, self._transaction.id() - 1

    def version_to_be(self) -> Version:
        """The state that its commit makes, if it has written anything."""
        return self._handles, self._transaction.id()

    def put(self, database: Database, key: bytes, value: bytes) -> None:
        """Write one entry; replaces what is there. O(log n)."""
        try:
            self._transaction.put(key, value, db=self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "write") from error
        if self._recorder is not None:
            self._recorder.put(database, [(key, value)])

    def put_last(self, database: Database, key: bytes, value: bytes) -> None:
        """Write one entry that is likely to have the greatest key: then it is appended."""
        try:
            handle = self._handles[database]
            # It refuses what does not come last.
            if not self._transaction.put(key, value, append=True, db=handle):
                self._transaction.put(key, value, db=handle)
        except lmdb.Error as error:
            raise self._owner.failure(error, "write") from error
        if self._recorder is not None:
            self._recorder.put(database, [(key, value)])

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
            if len(items) == 1:
                ((key, value),) = items
                handle = self._handles[database]
                added = int(self._transaction.put(key, value, append=append, db=handle))
            else:
                self.entries += len(items)
                items = sorted(items)
                cursor = self._transaction.cursor(self._handles[database])
                _, added = cursor.putmulti(items, append=append)
            _check_added(added, len(items))
        except lmdb.Error as error:
            raise self._failure(error, "write") from error
        if self._recorder is not None:
            self._recorder.put(database, items)

    def put_keys(
        self, database: Database, prefix: bytes, keys: list[bytes], *, append: bool = False
    ) -> None:
        """Write entries that have no values: fewer objects than `put_many` needs, and faster.

        Args:
            database: Where to.
            prefix: Comes before each key.
            keys: In ascending order, each once.
            append: As for `put_many`.
        """
        items = zip(map(prefix.__add__, keys), repeat(b""))
        if self._recorder is not None:
            self.put_many(database, list(items), append=append)
            return
        try:
            self.entries += len(keys)
            cursor = self._transaction.cursor(self._handles[database])
            _, added = cursor.putmulti(items, append=append)
            _check_added(added, len(keys))
        except lmdb.Error as error:
            raise self._failure(error, "write") from error

    def delete(self, database: Database, key: bytes) -> bool:
        """Remove an entry. Returns whether it was there. O(log n)."""
        try:
            was_there = self._transaction.delete(key, b"", self._handles[database])
        except lmdb.Error as error:
            raise self._owner.failure(error, "delete") from error
        if was_there and self._recorder is not None:
            self._recorder.delete(database, [key])
        return was_there

    def delete_many(self, database: Database, keys: list[bytes]) -> int:
        """Remove entries. Returns how many were there. One call per key, made in key order."""
        try:
            self.entries += len(keys)
            delete, handle = self._transaction.delete, self._handles[database]
            count = sum([delete(key, b"", handle) for key in sorted(keys)])
        except lmdb.Error as error:
            raise self._failure(error, "delete") from error
        if count and self._recorder is not None:
            self._recorder.delete(database, keys)
        return count

    def clear(self, database: Database) -> None:
        """Remove every entry. O(pages)."""
        try:
            self._transaction.drop(self._handles[database], delete=False)
        except lmdb.Error as error:
            raise self._failure(error, "clear") from error
        if self._recorder is not None:
            self._recorder.clear(database)

    def _failure(self, error: lmdb.Error, doing: str) -> Exception:
        """The error to raise; what may be done half way cannot be committed any more."""
        if self._recorder is not None:
            self._recorder.is_spoiled = True
        return self._owner.failure(error, doing)

    def abandon(self, gone: "lmdb.Transaction[bytes]") -> None:
        """Forget the transaction without touching LMDB: for the child after a fork."""
        self._transaction = gone

    def _finish(self, *, commit: bool) -> None:
        transaction: Any = self._transaction
        if isinstance(transaction, Gone):
            return
        # Ended elsewhere, LMDB's lock would stay taken for ever.
        assert self._thread == threading.get_ident(), "a write transaction ends on its own thread"
        self._transaction = CLOSED
        recorder, self._recorder = self._recorder, None
        self._owner.end_write(transaction, recorder, commit=commit)


def _check_added(added: int, given: int) -> None:
    # putmulti passes over what it may not append, and says nothing.
    if added != given:
        raise lmdb.KeyExistsError(f"{added} of {given} entries written")
