"""The log as a stream that does not end: what is there, and then what comes."""

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from headwater.clock import Clock
from headwater.errors import ClosedError
from headwater.reactive.reactor import Reactor
from headwater.tables.horizon import check_horizon
from headwater.tables.log_entries import EarlierVersions, LogEntry, Wanted, entries_after
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.store import Store

_ENTRIES_AT_ONCE: Final = 64
_COMMITS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 4 * 1024 * 1024


class LogTail:
    """Every commit after a position, each once, in the order of the log; waits for new ones.

    Iterate it in a thread or in asyncio, one consumer at a time. It is woken by the commits of
    this process and of others, and asks nobody in between. A slow consumer loses nothing: what it
    has not taken yet stays in the log, of which it holds a few entries and, while it waits, no
    snapshot. Iteration ends when it is closed, from any thread, or the database is.

    Close it, or use it in a ``with`` block, when it is not needed any more.

    Raises:
        LogTrimmedError: Commits that were not delivered yet are not in the log any more.
    """

    def __init__(self, store: Store, reactor: Reactor, after: int, wanted: Wanted) -> None:
        self._store = store
        self._wanted = wanted
        self._position = after
        self._versions = EarlierVersions()
        self._ready: deque[LogEntry] = deque()
        # Where reading goes on once everything that is ready was taken.
        self._read_up_to = after
        self._reading = threading.Lock()
        # A queue, because its put may be called while any code runs, a signal handler's too.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._notify: Callable[[], None] | None = None
        self._is_closed = False
        reactor.listen(self)

    @property
    def position(self) -> int:
        """Timestamp up to which every commit was handed out or is none of the wanted.

        A tail that begins ``after`` it goes on where this one is.
        """
        return self._position

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, by itself or with its database."""
        return self._is_closed

    # -- taking ---------------------------------------------------------------------------------

    def next(self, timeout_seconds: float | None = None) -> LogEntry:
        """The next entry.

        Args:
            timeout_seconds: How long to wait for a new commit; for ever by default.

        Raises:
            TimeoutError: None came in time.
            ClosedError: It was closed.
            LogTrimmedError: Commits in between are not in the log any more.
        """
        clock = self._store.clock
        deadline = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
        while (entry := self.take()) is None:
            if self._is_closed:
                raise ClosedError("the tail of the log is closed; begin one after its position")
            if not self._wait(clock, deadline):
                raise TimeoutError(f"no wanted commit came within {timeout_seconds} s")
        return entry

    def take(self) -> LogEntry | None:
        """The next entry if it is there already, without waiting.

        Raises:
            LogTrimmedError: Commits in between are not in the log any more.
        """
        self._fill()
        return self._pop()

    def skip(self) -> None:
        """Go on after the newest commit: what has come up to now is not handed out any more."""
        with self._reading, closing(self._store.snapshot()) as snapshot:
            self._ready.clear()
            self._read_up_to = self._position = max(self._read_up_to, snapshot.ts)

    def _pop(self) -> LogEntry | None:
        with self._reading:
            if not self._ready or self._is_closed:
                return None
            entry = self._ready.popleft()
            self._position = entry.ts if self._ready else self._read_up_to
            return entry

    def _fill(self) -> None:
        """Read on until something is ready, or there is nothing new."""
        with self._reading:
            if self._ready or self._is_closed:
                return
            # Before the first look: what is committed after the last one wakes anew.
            self._forget_news()
            while not self._ready and self._read_some():
                self._position = self._read_up_to

    def _forget_news(self) -> None:
        with suppress(Empty):
            while True:
                self._news.get_nowait()
        self._is_woken = False

    def _read_some(self) -> bool:
        """Read one chunk of the log on a snapshot of its own; whether there was anything."""
        try:
            snapshot = self._store.snapshot()
        except ClosedError:
            if self._is_closed:
                return False
            raise
        with closing(snapshot):
            if snapshot.ts <= self._read_up_to:
                return False
            check_horizon(snapshot.reader, self._read_up_to)
            entries = entries_after(
                snapshot.reader, snapshot.catalog, self._read_up_to, self._wanted, self._versions
            )
            size = 0
            for entry in islice(entries, _COMMITS_AT_ONCE):
                size += self._take_in(entry)
                if len(self._ready) >= _ENTRIES_AT_ONCE or size >= _BYTES_AT_ONCE:
                    break
        return True

    def _take_in(self, entry: LogEntry | int) -> int:
        """Keep a wanted entry, or note that a commit was none; returns the size."""
        if isinstance(entry, int):
            self._read_up_to = entry
            return 0
        self._read_up_to = entry.ts
        self._ready.append(entry)
        return sum([change.size for change in entry.changes])

    def _wait(self, clock: Clock, deadline: float | None) -> bool:
        """Sleep until there is news; False when the time is up."""
        if deadline is None:
            self._news.get()
            return True
        seconds = deadline - clock.monotonic()
        try:
            self._news.get(timeout=max(seconds, 0.0))
        except Empty:
            return False
        return True

    def __iter__(self) -> Iterator[LogEntry]:
        """Entries until it is closed."""
        return self

    def __next__(self) -> LogEntry:
        while (entry := self.take()) is None:
            if self._is_closed:
                raise StopIteration
            self._news.get()
        return entry

    async def __aiter__(self) -> AsyncIterator[LogEntry]:
        """Entries until it is closed, without blocking the event loop."""
        import asyncio  # which takes longer to import than all of headwater

        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def notify() -> None:
            with suppress(RuntimeError):  # the loop is gone, and whoever commits must not suffer
                loop.call_soon_threadsafe(news.set)

        self._notify = notify
        while not self._is_closed:
            news.clear()
            if not self._ready:  # reading the log may take a while
                await loop.run_in_executor(None, self._fill)
            # Here and not over there: a task that is cancelled meanwhile loses nothing.
            entry = self._pop()
            if entry is not None:
                yield entry
            else:
                await news.wait()

    # -- news and the end -----------------------------------------------------------------------

    def wake(self, commits: Sequence[CommitKeys] | None) -> None:  # noqa: ARG002 - all are news
        """There may be something to read. Called by whoever committed."""
        if not self._is_woken:
            self._is_woken = True
            self._tell()

    def _tell(self) -> None:
        self._news.put(None)
        if self._notify is not None:
            self._notify()

    def close(self) -> None:
        """End it; whoever waits for an entry is woken. Does nothing again."""
        self._is_closed = True
        self._tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
