"""Children that are forked from a process which has imported what all of them need.

To start an interpreter and to import the engine takes most of what a child does, and the tests
start hundreds of them. So one process imports it, and forks. It has one thread and opens nothing,
hence a child is like one that was started on its code: with arguments, an environment, a directory
and pipes of its own, and dead but not gone until somebody waits for it.
"""

import atexit
import functools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

_ROOT = Path(__file__).absolute().parents[2]
_SERVER = """
import os, pytest, sys, headwater.opening
from tests.processes import application, forking
exec(compile(forking.serve(int(sys.argv[1])), "<child>", "exec"))
"""
_CODE = struct.Struct("=i")
_ALIVE = 2**31 - 1


def environment() -> dict[str, str]:
    """That of this process, with the places from which the tests import."""
    return os.environ | {"PYTHONPATH": f"{_ROOT / 'engine'}:{_ROOT / 'indexes'}:{_ROOT}"}


class Forked:
    """A child process, to be used like a `subprocess.Popen` that has pipes of text.

    Attributes:
        pid: Its number.
        returncode: How it ended, once that was asked for.
        stdin: What it reads.
        stdout: What it writes.
    """

    def __init__(self, code: str, arguments: list[str], errors: IO[str]) -> None:
        self.returncode: int | None = None
        self._watcher, watched = socket.socketpair()
        (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
        self.stdin = os.fdopen(ours_in, "w", encoding="utf-8")
        self.stdout = os.fdopen(ours_out, encoding="utf-8")
        with tempfile.TemporaryFile("w+") as request:
            json.dump([code, arguments, environment(), str(Path.cwd())], request)
            request.flush()
            request.seek(0)
            given = [theirs_in, theirs_out, errors.fileno(), request.fileno(), watched.fileno()]
            socket.send_fds(_server(), [b"\0"], given)
        for descriptor in (theirs_in, theirs_out):
            os.close(descriptor)
        watched.close()
        self.pid = self._heard()

    def send_signal(self, number: int) -> None:
        """Nothing if it is known to have ended; until then its number is that of no other."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """With SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        """How it ended, None if it lives."""
        return self._ask(os.WNOHANG)

    def wait(self) -> int:
        """How it ends."""
        ended = self._ask(0)
        assert ended is not None
        return ended

    def _ask(self, options: int) -> int | None:
        if self.returncode is None:
            self._watcher.sendall(_CODE.pack(options))
            found = self._heard()
            if found != _ALIVE:
                self.returncode = found
                self._watcher.close()
        return self.returncode

    def _heard(self) -> int:
        return int(_CODE.unpack(self._watcher.recv(_CODE.size, socket.MSG_WAITALL))[0])


@functools.cache
def _server() -> socket.socket:
    """Where children are asked for. It ends when this process does."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(theirs.fileno())],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


# In the process that forks ------------------------------------------------------------------------


def serve(requested: int) -> str:
    """Fork whenever it is asked for; returns the code of a child, in the child."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=requested) as requests:
        while True:
            _, descriptors, _, _ = socket.recv_fds(requests, 1, 5)
            if not descriptors:
                sys.exit()
            if os.fork() == 0:
                break
            for descriptor in descriptors:
                os.close(descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *own, watched = descriptors
    _fork_and_watch(own, socket.socket(fileno=watched))
    return _become(*own)


def _fork_and_watch(own: list[int], asked: socket.socket) -> None:
    """Returns in the child; its parent stays, for nobody else can say how it ended."""
    child = os.fork()
    if child == 0:
        asked.close()
        return
    for descriptor in own:
        os.close(descriptor)
    asked.sendall(_CODE.pack(child))
    while options := asked.recv(_CODE.size, socket.MSG_WAITALL):
        ended, status = os.waitpid(child, _CODE.unpack(options)[0])
        asked.sendall(_CODE.pack(os.waitstatus_to_exitcode(status) if ended else _ALIVE))
        if ended:
            break
    os._exit(0)


def _become(*own: int) -> str:
    """Take over what was given with the request."""
    *streams, request = own
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    with os.fdopen(request, encoding="utf-8") as asked:
        code, arguments, wanted, directory = json.load(asked)
    os.environ.clear()
    os.environ.update(wanted)
    os.chdir(directory)
    sys.argv[1:] = arguments
    return str(code)
