"""Functions that ask for what only the world has, for the tests of purity."""
# Each way to the disk is tried, the old ones too, and none gets there.
# ruff: noqa: PTH101, PTH102, PTH104, PTH107, PTH123, PTH207, PTH208, PTH211, SIM115

import glob
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headwater as hw
from headwater import MutationCtx, QueryCtx

log = logging.getLogger("tests.laws.impure")
HERE = str(Path(__file__).parent)

REFUSED: dict[str, tuple[str, Callable[[], Any]]] = {
    # What is done, how the error calls it, and how it is done.
    "open": ("opened a file", lambda: open(__file__)),
    "path": ("opened a file", lambda: Path(__file__).read_text()),
    "os.open": ("opened a file", lambda: os.open(__file__, os.O_RDONLY)),
    "temporary": ("", lambda: tempfile.NamedTemporaryFile()),
    "listdir": ("listed a directory", lambda: os.listdir(HERE)),
    "scandir": ("listed a directory", lambda: list(os.scandir(HERE))),
    "glob": ("listed a directory", lambda: glob.glob(HERE + "/*")),
    "remove": ("removed a file", lambda: os.remove(HERE + "/absent")),
    "rename": ("renamed a file", lambda: os.rename(HERE + "/absent", HERE + "/gone")),
    "mkdir": ("made a directory", lambda: os.mkdir(HERE + "/absent")),
    "rmtree": ("removed a directory", lambda: shutil.rmtree(HERE + "/absent")),
    "chmod": ("", lambda: os.chmod(HERE + "/absent", 0)),
    "truncate": ("", lambda: os.truncate(HERE + "/absent", 0)),
    "link": ("", lambda: os.link(HERE + "/absent", HERE + "/gone")),
    "symlink": ("linked a file", lambda: os.symlink(HERE, HERE + "/absent/gone")),
    "utime": ("", lambda: os.utime(HERE + "/absent")),
    "chdir": ("", lambda: os.chdir(HERE + "/absent")),
    "system": ("ran a command", lambda: os.system("true")),
    "subprocess": ("started a process", lambda: subprocess.run(["true"], check=False)),
    "fork": ("forked", lambda: os.fork()),
    "kill": ("sent a signal", lambda: os.kill(os.getpid(), 0)),
    "socket": ("made a socket", lambda: socket.socket()),
    "connect": ("", lambda: socket.create_connection(("127.0.0.1", 9))),
    "lookup": ("looked up a host", lambda: socket.getaddrinfo("localhost", 80)),
    "url": ("sent a request", lambda: urllib.request.urlopen("http://127.0.0.1:9/")),
    "sqlite": ("opened another database", lambda: sqlite3.connect(":memory:")),
}
if sys.version_info >= (3, 12):
    # Python announces these from 3.12 on; before, nobody can see them.
    REFUSED["thread"] = ("started a thread", lambda: threading.Thread(target=print).start())
    REFUSED["sleep"] = ("slept", lambda: time.sleep(0))


@hw.query
def look_at_world(ctx: QueryCtx, what: str) -> str:
    REFUSED[what][1]()
    return "done"


@hw.mutation
def change_world(ctx: MutationCtx, what: str) -> str:
    ctx.db.insert("notes", {"what": what})
    if what:
        REFUSED[what][1]()
    return "done"


@hw.mutation
def import_something(ctx: MutationCtx, name: str) -> str:
    return __import__(name, fromlist=["x"]).__name__


@hw.mutation
def write_log(ctx: MutationCtx, text: str) -> None:
    log.warning("a note: %s", text)
    try:
        raise KeyError(text)
    except KeyError:
        log.exception("with a traceback")
        traceback.format_exc()
    warnings.warn(text, UserWarning, stacklevel=1)


@hw.mutation
def draw(ctx: MutationCtx, count: int) -> list[Any]:
    """Everything that a function may think is random."""
    ids = [ctx.db.insert("notes", {"n": ctx.random.random(), "at": ctx.now}) for _ in range(count)]
    ctx.db.patch(ids[0], bits=ctx.random.getrandbits(60))
    if count > 1:
        ctx.db.delete(ids[1])
    return [ids, ctx.now, ctx.random.choice([1, 2, 3])]
