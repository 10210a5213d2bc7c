"""How an open environment comes to rest for a fork, so that the child can open the file anew.

The child gets copies of everything that the other threads had under way, and none of the threads.
It must not have half of a write, and it cannot close LMDB's handles while a snapshot is open: that
would free the parent's reader slot. So for the moment of the fork nobody has either.
"""

import threading
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Protocol

from headwater.clock import Clock
from headwater.errors import ClosedError, ForkedError
from headwater.storage.taken_away import FORKED_TEXT
from headwater.storage.transactions import OpenReaders

if TYPE_CHECKING:
    import lmdb

Begin = Callable[..., "lmdb.Transaction[bytes]"]

DRAIN_SECONDS: Final = 0.5
"""How long a mend waits for open snapshots; a fork does not wait for those that are older."""

FORK_WAIT_SECONDS: Final = 5.0
"""How long a fork waits for a write transaction of another thread."""

_SLICES: Final = 100
_SLICE_SECONDS: Final = 0.02
"""So often and so long a fork waits for snapshots: those that end by themselves, and in between
those that end with the batch that they wait for."""


class Batches(Protocol):
    """Whoever makes batches of writes, on snapshots of its own."""

    @property
    def turn(self) -> threading.Lock:
        """Held while a batch is made and written."""
        ...

    def is_made_here(self) -> bool:
        """Whether this thread makes one now. False may be wrong, True not."""
        ...


class _AtFork(NamedTuple):
    """What a fork has put to rest.

    Attributes:
        thread: The one that forks.
        begin: What begins transactions otherwise.
        turn: The lock of those who make batches, if it was had.
        has_writer: Whether the lock of writers was had.
    """

    thread: int
    begin: Begin
    turn: "threading.Lock | None"
    has_writer: bool


class RestingAtForks:
    """The part of an environment that knows of forks.

    Attributes:
        path: The directory.
        readers: Open snapshots and the monotonic second in which each began.
        is_draining: Somebody waits for snapshots to end.
        drained: Set when a snapshot ends while somebody waits.
        batches: Who makes batches of writes, if anybody does.
    """

    _begin: Begin

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path: Path = path
        self.readers: OpenReaders = OpenReaders()
        self.is_draining: bool = False
        self.drained: threading.Event = threading.Event()
        self.batches: Batches | None = None
        self._monotonic = clock.monotonic
        self._gate = threading.Lock()
        self._writer = threading.Lock()
        self._writer_thread = 0
        self._fork = threading.Lock()
        self._at_fork: _AtFork | None = None
        self._has_turn = threading.Event()

    def before_fork(self) -> None:
        """Come to rest: no new snapshots, no young ones, no batch and no write transaction.

        Snapshots of some age are somebody's who keeps them, and not waited for.
        """
        self._fork.acquire()
        while not self._come_to_rest():
            pass  # it was opened anew meanwhile, and whoever waited has begun a snapshot

    def _come_to_rest(self) -> bool:
        """Have everything that the fork needs. Returns False, and has nothing, if it must again."""
        thread, begin, turn = threading.get_ident(), self._begin, None
        self._has_turn.clear()
        self._at_fork = _AtFork(thread, begin, turn, has_writer=False)
        if self._is_usable(begin):
            self._begin = self._begin_after_fork
            turn = self._wait_for_rest()
        has_writer = self._writer_thread != thread and self._writer.acquire(
            timeout=FORK_WAIT_SECONDS
        )
        self._gate.acquire()
        if self._begin == self._begin_after_fork or not self._is_usable(self._begin):
            begin = begin if self._is_usable(self._begin) else self._begin  # closed meanwhile
            self._at_fork = _AtFork(thread, begin, turn, has_writer)
            return True
        self._give_back(_AtFork(thread, begin, turn, has_writer))
        return False

    def _give_back(self, fork: _AtFork) -> None:
        """Release what was acquired for a fork."""
        self._gate.release()
        if fork.has_writer:
            self._writer.release()
        if fork.turn is not None:
            fork.turn.release()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        fork, self._at_fork = self._at_fork, None
        assert fork is not None, "there was no fork"
        self._begin = fork.begin
        self._give_back(fork)
        self._fork.release()

    def give_way(self) -> None:
        """Let a fork that is under way have the turn, before the next batch takes it.

        A lock goes to who asks for it next, and that is seldom who has been waiting for it.
        """
        if self._at_fork is not None:
            self._has_turn.wait(_SLICE_SECONDS)

    def _refuse_after_fork(self) -> bool:
        """Make the child refuse all use. Returns whether no write was under way."""
        fork, self._at_fork = self._at_fork, None
        self._gate, self._writer, self._fork = (threading.Lock() for _ in range(3))
        self._begin = self._begin_forked
        return fork is not None and fork.has_writer

    def _wait_for_rest(self) -> "threading.Lock | None":
        """Wait for the end of young snapshots, within bounds. Returns the turn if it was had.

        Some end only after a batch, which needs snapshots itself. So these go on for as long as
        others wait for them, and nobody else begins anything. While a batch is under way nothing
        is at rest, even if no snapshot is open: it may be between two of its own.
        """
        young = self._monotonic() - DRAIN_SECONDS
        turn = None if self.batches is None or self.batches.is_made_here() else self.batches.turn
        for _ in range(_SLICES):
            if turn is None or turn.acquire(timeout=_SLICE_SECONDS):
                self._has_turn.set()
                if self._wait_for_snapshots(lambda started: young <= started < inf, 0):
                    return turn
                self._has_turn.clear()
                if turn is not None:
                    turn.release()
            # Without the turn, which whoever makes the batch would not get in between.
            self._wait_for_snapshots(lambda started: young <= started < inf, _SLICE_SECONDS)
        return None

    def _wait_for_snapshots(self, is_awaited: Callable[[float], bool], seconds: float) -> bool:
        """Wait for the end of some snapshots, by when they began. Returns whether they ended."""
        deadline = self._monotonic() + seconds
        self.is_draining = True
        while has_some := any(map(is_awaited, list(self.readers.values()))):
            self.drained.clear()
            remaining = deadline - self._monotonic()
            # Once more, as one may have ended before the flag was cleared.
            if not any(map(is_awaited, list(self.readers.values()))):
                has_some = False
                break
            if remaining <= 0 or not self.drained.wait(remaining):
                break
        self.is_draining = False
        return not has_some

    def _is_usable(self, begin: Begin) -> bool:
        return begin not in {self._begin_closed, self._begin_forked}

    def _begin_after_fork(self, **options: bool) -> "lmdb.Transaction[bytes]":
        """Begin a snapshot when the fork that is under way is over."""
        fork, batches = self._at_fork, self.batches
        if fork is not None:
            is_mine = fork.thread == threading.get_ident()
            if options or is_mine or (batches is not None and batches.is_made_here()):
                return fork.begin(**options)
        with self._fork:
            pass
        return self._begin(**options)

    def _begin_closed(self, **_options: bool) -> NoReturn:
        raise ClosedError(f"{self.path}: the database is closed; open it again")

    def _begin_forked(self, **_options: bool) -> NoReturn:
        raise ForkedError(f"{self.path}: {FORKED_TEXT}")
