"""A process that is killed at the n-th thing that it does to the files of a directory."""

import os
import signal
import sys
from pathlib import Path

_CHANGING = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir"}


def kill_at(number: int, path: Path) -> None:
    """Before the n-th change of the directory, or opening of something in it for writing."""
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if not is_write and event not in _CHANGING:
            return
        if any(str(path) in str(argument) for argument in arguments):
            done += 1
            if done == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
