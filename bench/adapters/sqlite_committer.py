"""SQLite behind a committer thread of its own: what it can do when threads share a flush."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from bench.adapters.contract import MANY_WRITERS, Key
from bench.adapters.sqlite_json import SqliteJson
from bench.documents import Fields

T = TypeVar("T")

_BATCH: Final = 512
_Write: TypeAlias = tuple[Callable[[], Any], "Future[Any]"]


class SqliteJsonCommitter(SqliteJson):
    """Group commit by hand. Few applications have this; it is the strong peer of concurrent writes.

    Reads are those of `SqliteJson`. A write that fails fails the writes of its batch.
    """

    name = "sqlite-committer"
    title = "sqlite3, JSON documents, one committer thread that shares flushes"
    waits: ClassVar[bool] = False

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload in MANY_WRITERS or workload == "durable-1"

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        self._queue: SimpleQueue[_Write | None] = SimpleQueue()
        self._thread = Thread(target=self._loop, name="sqlite-committer", daemon=True)
        self._thread.start()

    def insert(self, fields: Fields) -> Key:
        row = self.row_of(fields)
        return self._submit(lambda: self.connection.execute(self.insert_sql, row).lastrowid)

    def patch(self, key: Key, changes: Fields) -> None:
        patch = super().patch
        self._submit(lambda: patch(key, changes))

    def bump(self, key: Key) -> Fields:
        bump = super().bump
        return self._submit(lambda: bump(key))

    def reply(self, key: Key, fields: Fields) -> Key:
        return self._submit(lambda: self.reply_inside(key, fields))

    def _submit(self, write: Callable[[], T]) -> T:
        outcome: Future[T] = Future()
        self._queue.put((write, outcome))
        return outcome.result()

    def _loop(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first, *self._waiting()]
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                with self.connection:
                    keys = [write() for write, _ in batch]
            except sqlite3.Error as error:
                for _, outcome in batch:
                    outcome.set_exception(error)
            else:
                for (_, outcome), key in zip(batch, keys, strict=True):
                    outcome.set_result(key)

    def _waiting(self) -> list[_Write]:
        taken: list[_Write] = []
        while len(taken) < _BATCH:
            try:
                write = self._queue.get_nowait()
            except Empty:
                break
            if write is None:
                self._queue.put(None)
                break
            taken.append(write)
        return taken

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        super().close()
