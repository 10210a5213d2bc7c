"""Waking other processes: "something was committed", and nothing more.

Each process that listens has a named pipe in the database's directory and a thread that blocks
on it; nobody asks again and again. A notice carries no data: who is woken reads the log. A notice
that does not fit into a full pipe is not needed, because the listener has others waiting. The
same thread wakes when a process dies, which may have committed and not come to say so.
"""

import contextlib
import errno
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headwater.clock import Clock, SystemClock
from headwater.errors import ClosedError
from headwater.storage.deaths import DeathWatch
from headwater.storage.failures import translate
from headwater.storage.format import WAKE_NAME
from headwater.storage.registry import notice_forks

_COMMITTED: Final = b"\x01"
_JOINED: Final = b"\x02"
_HIDDEN: Final = "."
_READ_BYTES: Final = 65536
_PIPE_SMALLEST_BYTES: Final = 4096
"""So much in a pipe may have filled it, and kept out the notice of one who joined."""

_SECOND_NS: Final = 1_000_000_000
_COARSE_TICK_NS: Final = 2 * _SECOND_NS
"""The unit of time of the file systems that know only seconds; all others have one of these."""

_FINE_TICK_NS: Final = _SECOND_NS // 10
"""More than that of any other, which is at most a tick of the system's clock."""

_CLOCK: Final = SystemClock()


class Beacon:
    """Tells other processes on the same directory, and hears them.

    Safe to use from any thread. After a fork the child's copy is closed.
    """

    def __init__(self, directory: Path, *, clock: Clock = _CLOCK) -> None:
        self._directory = directory / WAKE_NAME
        self._directory_name = str(self._directory)  # looked at after every commit
        self._clock = clock
        self._others: list[Path] = []
        self._listed_ns = -1
        self._pipe: Path | None = None
        self._descriptor = -1
        self._is_closed = False
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._deaths = DeathWatch(directory, self._poll)
        self._thread: threading.Thread | None = None
        notice_forks(self)

    def listen(
        self, callback: Callable[[], None], *, on_death: Callable[[], None] | None = None
    ) -> None:
        """Call ``callback`` on a thread of its own after each notice; several may become one.

        It is also called after the death of a process that has the directory open: what that one
        committed last, it may not have told.

        Args:
            callback: Must not raise; called until `close`.
            on_death: Called before it when a process may have died. Must not raise either.

        Raises:
            ClosedError: The beacon is closed.
            StorageError: The directory cannot be written, or its file system has no pipes.
        """
        with self._lock:
            if self._is_closed:
                raise ClosedError(f"{self._directory}: this beacon is closed")
            assert self._thread is None, "a beacon has one listener"
            try:
                self._open_pipe()
            except OSError as error:
                raise translate(error, self._directory, "make a pipe to listen on") from error
            # After the pipe is there to be told of: who comes later says so.
            self._deaths.look()
            self._thread = threading.Thread(
                target=self._hear,
                args=(callback, on_death or _nothing),
                name="headwater-wake",
                daemon=True,
            )
            self._thread.start()

    def announce(self) -> int:
        """Tell every listener that this process has the directory open, before it commits.

        They watch it from then on. Returns how many were told.
        """
        return self._tell_all(_JOINED)

    def notify(self) -> int:
        """Wake every other listener, never waiting for any. Returns how many were told.

        Pipes that nobody reads any more, left by killed processes, are removed.
        """
        return self._tell_all(_COMMITTED)

    def _tell_all(self, notice: bytes) -> int:
        try:
            changed_ns = os.stat(self._directory_name).st_mtime_ns  # noqa: PTH116 - takes a third
            if changed_ns != self._listed_ns:
                self._list(changed_ns)
        except OSError:
            return 0
        if not self._others:
            return 0
        return sum([self._tell(pipe, notice) for pipe in self._others])

    def _list(self, changed_ns: int) -> None:
        """Look who listens. The list is good until the directory changes.

        One that changed a moment ago may change again without another time, as file systems count
        in ticks: it is looked at the next time, too.
        """
        own = self._pipe.name if self._pipe is not None else ""
        self._others = [
            self._directory / name
            for name in os.listdir(self._directory)  # noqa: PTH208 - names are all that is needed
            if name != own and not name.startswith(_HIDDEN)
        ]
        tick_ns = _FINE_TICK_NS if changed_ns % _SECOND_NS else _COARSE_TICK_NS
        is_settled = self._clock.now_ns() - changed_ns > tick_ns
        self._listed_ns = changed_ns if is_settled else -1

    def close(self) -> None:
        """Stop listening and remove the pipe. Does nothing the second time."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            thread = self._thread
            if self._pipe is not None:
                self._pipe.unlink(missing_ok=True)
                with contextlib.suppress(BlockingIOError):  # full, it wakes the thread as well
                    os.write(self._descriptor, _COMMITTED)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def before_fork(self) -> None:
        """Keep the lock from being copied while it is held."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Let go of the parent's pipe: a reader here would keep it from looking abandoned."""
        self._lock = threading.Lock()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._deaths.close()
        self._is_closed = True
        self._pipe, self._descriptor = None, -1

    def _open_pipe(self) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        name = f"{os.getpid()}-{os.urandom(8).hex()}"
        hidden = self._directory / f"{_HIDDEN}{name}"
        os.mkfifo(hidden, 0o600)
        # Opened for both, so that it has no end; shown only when it is read, or a notifier
        # would take it for abandoned.
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        self._poll.register(self._descriptor, select.POLLIN)
        self._pipe = hidden.rename(self._directory / name)

    def _hear(self, callback: Callable[[], None], on_death: Callable[[], None]) -> None:
        while True:
            ready = self._poll.poll()
            with self._lock:
                if self._is_closed:
                    self._deaths.close()
                    os.close(self._descriptor)
                    self._descriptor = -1
                    return
                has_died = self._take(ready)
            if has_died:
                on_death()
            callback()

    def _take(self, ready: list[tuple[int, int]]) -> bool:
        """Take in what woke the thread. Returns whether a process may have died."""
        has_died = self._deaths.heard(ready)
        notices = b""
        with contextlib.suppress(BlockingIOError):  # it was a death alone
            notices = os.read(self._descriptor, _READ_BYTES)
        if has_died or _JOINED in notices or len(notices) >= _PIPE_SMALLEST_BYTES:
            has_died |= self._deaths.look()
        return has_died

    def _tell(self, pipe: Path, notice: bytes) -> bool:
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:
                with contextlib.suppress(OSError):
                    pipe.unlink()
            return False
        try:
            os.write(descriptor, notice)
        except BlockingIOError:
            pass  # the pipe is full of notices that are still to be heard
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True


def _nothing() -> None:
    """Whoever does not mind deaths."""
