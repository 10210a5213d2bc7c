"""What both SQLite engines share: connections, pragmas, transactions."""

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from json import JSONDecoder, JSONEncoder
from pathlib import Path
from threading import local
from typing import Any, ClassVar, Final, TypeAlias

from bench.adapters.contract import REPLIES, Engine, Key
from bench.documents import Fields

Row: TypeAlias = tuple[Any, ...]

_BUSY_SECONDS: Final = 120.0
_STATEMENTS: Final = 64
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 1073741824",
    "PRAGMA temp_store = MEMORY",
)

_encode: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_decode: Final = JSONDecoder().decode


class Sqlite(Engine):
    """One connection per thread, kept open; statements are prepared once by the module's cache.

    JSON is that of the standard library, with one encoder kept.

    Durable: ``synchronous=FULL``. Otherwise ``OFF``, its fastest. A write is a single statement
    in autocommit mode where that is enough, which is faster than BEGIN and COMMIT around it.
    """

    schema: ClassVar[tuple[str, ...]]
    insert_sql: ClassVar[str]
    select_sql: ClassVar[str]
    bump_sql: ClassVar[str]
    channel_sql: ClassVar[str] = "channel"
    author_sql: ClassVar[str] = "author"
    failures: ClassVar[tuple[type[Exception], ...]] = (sqlite3.OperationalError,)
    waits: ClassVar[bool] = True

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload != "durable-256"  # what 64 threads wait for shows it

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        self.encode, self.decode = self.json_library()
        self._local = local()
        self._connections: list[sqlite3.Connection] = []
        self._get_sql = f"{self.select_sql} WHERE id = ?"
        self._bump_sql = f"{self.bump_sql} WHERE id = ? {self._returning()}"
        self._scan_sql = f"{self.select_sql} ORDER BY id"
        for statement in self.schema:
            self.connection.execute(statement)

    def _returning(self) -> str:
        """The columns of `select_sql`."""
        return f"RETURNING {self.select_sql.removeprefix('SELECT ').removesuffix(' FROM posts')}"

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread."""
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._connect()
        return found

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.directory / "posts.sqlite",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,  # closed by the thread that ends the engine
            cached_statements=_STATEMENTS,
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.is_durable else 'OFF'}")
        self._connections.append(connection)
        return connection

    def json_library(self) -> tuple[Callable[[object], str], Callable[[str], Any]]:
        """What encodes and decodes; not methods, for each call of one would be seen in a scan."""
        return _encode, _decode

    @abstractmethod
    def row_of(self, fields: Fields) -> Row:
        """The values that `insert_sql` takes."""

    @abstractmethod
    def document_of(self, row: Row) -> Fields:
        """The document in a row of `select_sql`."""

    def insert(self, fields: Fields) -> Key:
        return self.connection.execute(self.insert_sql, self.row_of(fields)).lastrowid

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        connection, row_of = self.connection, self.row_of
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM posts").fetchone()
            connection.executemany(self.insert_sql, [row_of(fields) for fields in documents])
        return list(range(last + 1, last + 1 + len(documents)))

    def bump(self, key: Key) -> Fields:
        # To the end, which commits it.
        (row,) = self.connection.execute(self._bump_sql, (key,)).fetchall()
        return self.document_of(row)

    def reply(self, key: Key, fields: Fields) -> Key:
        connection = self.connection
        connection.execute("BEGIN IMMEDIATE")  # a read first, and the lock later, may fail
        with connection:
            return self.reply_inside(key, fields)

    def reply_inside(self, key: Key, fields: Fields) -> Key:
        """`reply` in a transaction that is there."""
        answered = Sqlite.get(self, key)
        assert answered is not None
        Sqlite.latest(self, answered["channel"], REPLIES)
        added = self.connection.execute(self.insert_sql, self.row_of(fields)).lastrowid
        Sqlite.bump(self, key)
        return added

    def latest(self, channel: str, count: int) -> list[Fields]:
        return self.select(
            f"WHERE {self.channel_sql} = ? ORDER BY id DESC LIMIT ?", (channel, count)
        )

    def by_author(self, author: str) -> list[Fields]:
        return self.select(f"WHERE {self.author_sql} = ? ORDER BY id", (author,))

    def get(self, key: Key) -> Fields | None:
        row = self.connection.execute(self._get_sql, (key,)).fetchone()
        return None if row is None else self.document_of(row)

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        connection = self.connection
        connection.execute("BEGIN")
        with connection:
            for key in keys:
                yield self.get(key)

    def scan(self) -> Iterator[Fields]:
        return map(self.document_of, self.connection.execute(self._scan_sql))

    def select(self, condition: str, values: Row) -> list[Fields]:
        """Documents that fulfil a condition."""
        rows = self.connection.execute(f"{self.select_sql} {condition}", values)
        return list(map(self.document_of, rows))

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
