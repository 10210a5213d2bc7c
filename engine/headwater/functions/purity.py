"""No I/O in queries and mutations.

They may run several times and on a thread of the database, and a query has to give the same on
the same snapshot; an action is the place for the rest. An audit hook looks at every event that
Python announces, but only on a thread that is inside a query or mutation. Importing a module is
not I/O in this sense, and neither is logging.
"""

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from inspect import currentframe
from types import FrameType
from typing import Any, Final

from headwater.errors import ImpureFunctionError, UsageError

_REFUSED: Final = {
    "open": "opened a file",
    "os.listdir": "listed a directory",
    "os.scandir": "listed a directory",
    "os.remove": "removed a file",
    "os.rename": "renamed a file",
    "os.mkdir": "made a directory",
    "os.rmdir": "removed a directory",
    "os.link": "linked a file",
    "os.symlink": "linked a file",
    "os.truncate": "cut a file",
    "os.chmod": "changed the rights to a file",
    "os.chown": "changed the owner of a file",
    "os.utime": "changed the times of a file",
    "os.chdir": "changed the directory",
    "os.system": "ran a command",
    "os.exec": "ran a program",
    "os.fork": "forked",
    "os.forkpty": "forked",
    "os.posix_spawn": "started a process",
    "os.spawn": "started a process",
    "os.startfile": "started a program",
    "subprocess.Popen": "started a process",
    "pty.spawn": "started a process",
    "socket.__new__": "made a socket",
    "socket.connect": "connected a socket",
    "socket.bind": "bound a socket",
    "socket.getaddrinfo": "looked up a host",
    "socket.gethostbyname": "looked up a host",
    "socket.sendto": "sent to a socket",
    "shutil.copyfile": "copied a file",
    "shutil.rmtree": "removed a directory",
    "sqlite3.connect": "opened another database",
    "time.sleep": "slept",
    "builtins.input": "asked the terminal",
    "urllib.Request": "sent a request",
    "_thread.start_new_thread": "started a thread",
    "signal.pthread_kill": "sent a signal",
    "os.kill": "sent a signal",
}
_IMPORTS: Final = frozenset(
    {
        "importlib._bootstrap",
        "importlib._bootstrap_external",
        # The same two before importlib itself was imported.
        "_frozen_importlib",
        "_frozen_importlib_external",
    }
)
_ALLOWED_PACKAGES: Final = frozenset({"logging", "traceback", "linecache", "warnings"})
_OUTERMOST: Final = frozenset(
    {
        "headwater.functions.execution",
        "headwater.functions.projections",
        "headwater.functions.runner",
    }
)
"""Where functions are called from; what is above these on the stack is the caller's business."""


class _Running(threading.local):
    """Path and kind of the function that runs on this thread; empty outside of one."""

    function: tuple[str, str] = ("", "")


_NOTHING: Final = ("", "")
_running: Final = _Running()
_installing = threading.Lock()
_is_installed = False


def enter(name: str, kind: str) -> tuple[str, str]:
    """Let this thread do no I/O from now on; returns what `leave` takes back."""
    if not _is_installed:
        _install()
    before = _running.function
    _running.function = (name, kind)
    return before


def leave(before: tuple[str, str]) -> None:
    """Go back to what was before `enter`."""
    _running.function = before


class Pure:
    """A ``with`` block in which this thread does no I/O.

    Blocks nest; the innermost function is the one that is named. `suspended` opens a gap for the
    database's own work.
    """

    __slots__ = ("_before", "_kind", "_name")

    def __init__(self, name: str, kind: str) -> None:
        self._name = name
        self._kind = kind
        self._before = _NOTHING

    def __enter__(self) -> None:
        self._before = enter(self._name, self._kind)

    def __exit__(self, *_: object) -> None:
        leave(self._before)


def refuse_inside() -> None:
    """The database is no way from inside a function into another transaction.

    In turn it would also wait for the thread that it runs on.

    Raises:
        UsageError: A query or mutation runs on this thread.
    """
    name, _ = _running.function
    if name:
        raise UsageError(
            f"{name} used the database itself instead of its context: inside a query or mutation, "
            "read and write with ctx.db, and call other functions as function(ctx, ...), so that "
            "all of it is one transaction"
        )


@contextmanager
def outside() -> Generator[None]:
    """A block for one use of a service by the program.

    Raises:
        UsageError: A query or mutation runs on this thread.
    """
    refuse_inside()
    yield


def refuse_another_caller_inside() -> None:
    """Who calls is the same for all that one call does.

    Raises:
        UsageError: A query or mutation runs on this thread.
    """
    name, _ = _running.function
    if name:
        raise UsageError(
            f"{name} used acting_as: inside a query or mutation the caller is the same from begin "
            "to end. Act as somebody else around the call, or pass what differs as an argument"
        )


def suspended() -> Pure:
    """A ``with`` block in which this thread may do I/O again."""
    return Pure("", "")


def _install() -> None:
    """Add the audit hook. Python has no way to remove one, so there is one per process."""
    global _is_installed  # noqa: PLW0603 - so is the list of hooks
    with _installing:
        if not _is_installed:
            sys.addaudithook(_look)
            _is_installed = True


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _REFUSED or not _running.function[0]:
        return
    caller = _caller()
    if _is_allowed(caller):
        return
    name, kind = _running.function
    function = f"{name} is a {kind}"
    with suspended():
        shown = ", ".join(repr(argument)[:60] for argument in arguments[:1])
    raise ImpureFunctionError(
        f"{function} and {_REFUSED[event]} ({event} {shown}) at {_place(caller)}. It may run "
        "several times and must not do I/O: do it in an action, or before calling, and pass the "
        "result in as an argument"
    )


def _caller() -> FrameType | None:
    """The frame that raised the event."""
    frame = currentframe()
    return frame.f_back.f_back if frame and frame.f_back else None


def _is_allowed(frame: FrameType | None) -> bool:
    """Whether the event comes from an import or from logging, however deep inside."""
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name in _IMPORTS or name.partition(".")[0] in _ALLOWED_PACKAGES:
            return True
        if name in _OUTERMOST:
            return False
        frame = frame.f_back
    return False


def _place(frame: FrameType | None) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"
