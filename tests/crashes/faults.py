"""LMDB with faults: each call may fail, or be the last thing that a process does.

Given to `Environment.open` as its engine; counts the calls that change something, or those that
read.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import lmdb

from headwater.storage.engine import open_engine
from headwater.storage.environment import Environment

CHANGING = frozenset({"put", "delete", "drop", "putmulti"})
READING = frozenset(
    {"get", "stat", "first", "last", "set_range", "prev", "iternext", "iterprev", "item", "key"}
)
COPYING = frozenset({"copy", "copyfd"})


def failure(number: int, kind: type[lmdb.Error] = lmdb.Error) -> lmdb.Error:
    """What py-lmdb raises for an error number of the system."""
    error = kind(os.strerror(number))
    error.code = number  # type: ignore[misc]
    return error


class Faults:
    """An engine whose calls are counted.

    Attributes:
        calls: The names of the calls so far.
        before: Called before each of them, with its number from 1 and its name.
        after: Called after each that went well.
        at_begin: Raised, one after the other, when a transaction begins.
        counted: The calls of transactions and cursors that are counted, besides commits.
    """

    def __init__(self, counted: frozenset[str] = CHANGING) -> None:
        self.counted = counted
        self.calls: list[str] = []
        self.before: Callable[[int, str], None] = lambda number, name: None
        self.after: Callable[[int, str], None] = lambda number, name: None
        self.at_begin: list[lmdb.Error] = []

    def __call__(self, path, options):
        return _Environment(self.call("open", open_engine, path, options), self)

    def call(self, name: str, function: Callable, *arguments, **options):
        """Call through, and count."""
        self.calls.append(name)
        number = len(self.calls)
        self.before(number, name)
        result = function(*arguments, **options)
        self.after(number, name)
        return result


class _Environment:
    def __init__(self, real, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name not in COPYING:
            return found
        return lambda *arguments, **options: self._faults.call(name, found, *arguments, **options)

    def begin(self, **options):
        if self._faults.at_begin:
            raise self._faults.at_begin.pop(0)
        is_write = options.get("write")
        if is_write or self._faults.counted is CHANGING:
            real = self._real.begin(**options)
        else:
            real = self._faults.call("begin", self._real.begin, **options)
        is_counted = is_write or self._faults.counted is not CHANGING
        return _Transaction(real, self._faults) if is_counted else real

    def open_db(self, name, txn=None, **options):
        return self._real.open_db(name, txn=getattr(txn, "_real", txn), **options)

    def sync(self, *arguments, **options):
        return self._faults.call("sync", self._real.sync, *arguments, **options)


class _Counted:
    def __init__(self, real, faults: Faults) -> None:
        self._real = real
        self._faults = faults

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name not in self._faults.counted:
            return found
        return lambda *arguments, **options: self._faults.call(name, found, *arguments, **options)


class _Transaction(_Counted):
    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.commit() if kind is None else self._real.abort()

    def cursor(self, *arguments, **options):
        return _Counted(self._real.cursor(*arguments, **options), self._faults)

    def commit(self) -> None:
        try:
            self._faults.call("commit", self._real.commit)
        except lmdb.Error:
            self._real.abort()  # as LMDB's own commit does when it fails
            raise


def kill_at(number: int, moment: str) -> Faults:
    """Faults that end this process at its n-th changing call, before or after it."""
    faults = Faults()

    def end(reached: int, _: str) -> None:
        if reached == number:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(faults, moment, end)
    return faults


@contextmanager
def engine(faults: Faults) -> Iterator[None]:
    """Every environment that is opened in the block has these faults."""
    defaults = Environment.open.__func__.__kwdefaults__  # type: ignore[attr-defined]
    before = defaults["engine"]
    defaults["engine"] = faults
    try:
        yield
    finally:
        defaults["engine"] = before
