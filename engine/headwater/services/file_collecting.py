"""Contents that no document names any more are removed: after the commit, and at the next opening.

What another process deletes, that process removes; if it is killed before, the next opening does.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Final

from headwater.errors import ClosedError, HeadwaterError
from headwater.functions.files import DeletedFiles, StoredFiles
from headwater.functions.runner import Runner
from headwater.reactive.reactor import Reactor
from headwater.services.stored_files import forget_deleted
from headwater.storage.contents import Contents
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction
from headwater_indexes.keys import decode

_AT_ONCE: Final = 500
"""Contents that are looked up on one snapshot."""

_NAMING: Final = (StoredFiles.by_sha256, DeletedFiles.by_sha256)
"""What names contents."""

_NS_PER_SECOND: Final = 10**9
_RETRY_SECONDS: Final = 1.0
"""After which a content that somebody was just using is looked at again."""


class Collector:
    """Removes contents, on a thread of its own that begins with the first one.

    Args:
        runner: Runs transactions on the documents.
        contents: Has the contents.
        watching: Gives what tells of commits.
    """

    def __init__(self, runner: Runner, contents: Contents, watching: Callable[[], Reactor]) -> None:
        self._runner = runner
        self._store = runner.store
        self._contents = contents
        self._watching = watching
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._lock = threading.Lock()
        # The locks of folders are those of open files: two threads would be busy to each other.
        self._removing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Whether its database has been closed."""
        return self._is_closed

    def start(self) -> None:
        """Look for what was left, and remove what becomes unnamed from now on. Does not wait."""
        with self._lock:
            if self._thread is None and not self._is_closed:
                self._watching().listen(self)
                self._thread = threading.Thread(
                    target=self._loop, name="headwater-files", daemon=True
                )
                self._thread.start()

    def add(self, sha256: str) -> None:
        """Have a look whether something names a content."""
        self._queue.put(sha256)

    def wake(self, commits: Sequence[CommitKeys] | None) -> None:
        """Documents of files may have changed. Called by whoever committed."""
        if commits is None:
            return
        for by_sha256 in _NAMING:
            table = self._store.catalog.by_name.get(by_sha256.table.table_name)
            index = None if table is None else table.index(by_sha256.name)
            if table is None or index is None:
                continue
            for commit in commits:
                for key in commit.keys_of(index.space):
                    (sha256,) = decode(index.fields_of(key, table.id_length))
                    self.add(str(sha256))

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def collect(self) -> int:
        """Remove every content that nothing names now, and what dead writers have left.

        Returns how many there were. O(number of contents).

        Raises:
            StorageError: The system failed.
        """
        while self._forget_deleted():
            pass
        count = self._contents.clear_incoming()
        for sha256 in self._unnamed(self._contents.names()):
            if self._is_closed:
                break
            count += self._remove(sha256) == "removed"
        return count

    def _forget_deleted(self) -> bool:
        """Let some deleted files go whose time is over; whether there may be more."""
        store = self._runner.store
        now = store.clock.now_ns() // _NS_PER_SECOND
        with closing(store.snapshot()) as snapshot:
            reader = Reader(store.begin(snapshot, is_read_only=True))
            over = reader.query(DeletedFiles).with_index(DeletedFiles.by_keep_until, lte=now)
            if over.first() is None:
                return False

        def run(transaction: Transaction) -> int:
            return forget_deleted(ServiceWriter(transaction, store.rules), now, _AT_ONCE)

        return self._runner.serve("_storage.collect", run) == _AT_ONCE

    # -- inside ---------------------------------------------------------------------------------

    def is_named(self, sha256: str) -> bool:
        """Whether a document of the newest commit names a content."""
        return not list(self._unnamed([sha256]))

    def _unnamed(self, names: Iterable[str]) -> Iterator[str]:
        remaining = iter(names)
        while chunk := list(islice(remaining, _AT_ONCE)):
            with closing(self._store.snapshot()) as snapshot:
                transaction = self._store.begin(snapshot, seconds_limit=None, is_read_only=True)
                reader = Reader(transaction)
                unnamed = [name for name in chunk if not _is_named(reader, name)]
            yield from unnamed

    def _remove(self, sha256: str) -> str:
        with self._removing:
            return self._contents.remove(sha256, lambda: self.is_named(sha256))

    def _loop(self) -> None:
        busy: set[str] = set()
        self._try(self.collect)
        while not self._is_closed:
            try:
                sha256 = self._queue.get(timeout=_RETRY_SECONDS if busy else None)
            except Empty:
                waiting, busy = busy, set[str]()
            else:
                if sha256 is None:
                    return
                waiting = {sha256}
            for one in waiting:
                if self._try(partial(self._look_at, one)) != "settled":
                    busy.add(one)

    def _look_at(self, sha256: str) -> str:
        if self.is_named(sha256):  # without a lock: most were just stored
            return "settled"
        return "busy" if self._remove(sha256) == "busy" else "settled"

    def _try(self, work: Callable[[], object]) -> object:
        try:
            return work()
        except ClosedError:
            return "settled"
        except HeadwaterError:
            if not self._is_closed:
                import logging

                logging.getLogger("headwater").exception("files could not be collected")
            return "failed"


def _is_named(reader: Reader, sha256: str) -> bool:
    return any(
        reader.query(by_sha256.table).with_index(by_sha256, sha256).first() is not None
        for by_sha256 in _NAMING
    )
