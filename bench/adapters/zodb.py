"""ZODB: persistent objects in BTrees, kept in a `FileStorage`."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import count, islice
from pathlib import Path
from threading import local
from typing import Any, ClassVar, Final, TypeVar

from bench.adapters.contract import REPLIES, Engine, Key
from bench.documents import Fields

T = TypeVar("T")

# Packages without types.
_database: Final[Any] = import_module("ZODB")
_file_storage: Final[Any] = import_module("ZODB.FileStorage")
_transactions: Final[Any] = import_module("transaction")
_integers: Final[Any] = import_module("BTrees.LOBTree")
_objects: Final[Any] = import_module("BTrees.OOBTree")
_mapping: Final[Any] = import_module("persistent.mapping")
_ConflictError: Final[type[Exception]] = import_module("ZODB.POSException").ConflictError

_OBJECTS: Final = 10_000
"""Objects that a connection keeps: 400 by default, too few for anybody who measures."""

_TRIES: Final = 100
_WORKLOADS: Final = frozenset(
    {"get", "query-get", "get-in-one", "scan-20", "scan-1000", "scan-1000-again", "full-scan"}
    | {"bulk-durable", "durable-1", "durable-patch", "durable-8", "counters-8", "open", "disk"}
)


class Zodb(Engine):
    """A `PersistentMapping` per document; one connection per thread.

    A transaction that lost is tried again, up to 100 times.

    It always flushes, so it is left out where others do not. Objects that were loaded stay in the
    memory of their connection: what it reads again it does not decode again.
    """

    name = "zodb"
    title = "ZODB, persistent objects in BTrees, FileStorage"
    failures: ClassVar[tuple[type[Exception], ...]] = (_ConflictError,)
    effort: ClassVar[float] = 0.2

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload in _WORKLOADS

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        storage = _file_storage.FileStorage(str(directory / "posts.fs"))
        self._database = _database.DB(storage, cache_size=_OBJECTS, pool_size=100)
        self._local = local()
        with self._transaction() as root:
            if "posts" not in root:
                root["posts"] = _integers.LOBTree()
                root["channels"] = _objects.OOBTree()
                root["authors"] = _objects.OOBTree()
            posts = root["posts"]
            self._numbers = count(posts.maxKey() + 1 if posts else 1)

    def _opened(self) -> tuple[Any, Any]:
        """The transaction manager and the connection of this thread."""
        found: tuple[Any, Any] | None = getattr(self._local, "opened", None)
        if found is None:
            manager = _transactions.TransactionManager()
            connection = self._database.open(transaction_manager=manager)
            found = self._local.opened = (manager, connection)
        return found

    @contextmanager
    def _transaction(self) -> Generator[Any]:
        manager, connection = self._opened()
        with manager:
            yield connection.root()

    @contextmanager
    def _snapshot(self) -> Generator[Any]:
        manager, connection = self._opened()
        manager.begin()
        try:
            yield connection.root()
        finally:
            manager.abort()

    def _write(self, work: Callable[[Any], T]) -> T:
        for _ in range(_TRIES - 1):
            try:
                with self._transaction() as root:
                    return work(root)
            except self.failures:
                continue
        with self._transaction() as root:
            return work(root)

    def insert(self, fields: Fields) -> Key:
        return self._write(lambda root: self._add(root, fields))

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        return self._write(lambda root: [self._add(root, fields) for fields in documents])

    def _add(self, root: Any, fields: Fields) -> int:
        key = next(self._numbers)
        root["posts"][key] = _mapping.PersistentMapping(fields)
        for index, name in (("channels", "channel"), ("authors", "author")):
            keys = root[index].get(fields[name])
            if keys is None:
                keys = root[index][fields[name]] = _integers.LOTreeSet()
            keys.add(key)
        return key

    def patch(self, key: Key, changes: Fields) -> None:
        # No field that has an index: no workload changes one.
        self._write(lambda root: _change(root, key, changes))

    def bump(self, key: Key) -> Fields:
        return self._write(lambda root: _bump(root, key))

    def reply(self, key: Key, fields: Fields) -> Key:
        def work(root: Any) -> int:
            _latest(root, root["posts"][key].data["channel"], REPLIES)
            _bump(root, key)
            return self._add(root, fields)

        return self._write(work)

    def get(self, key: Key) -> Fields | None:
        with self._snapshot() as root:
            return _document(root, key)

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        with self._snapshot() as root:
            for key in keys:
                yield _document(root, key)

    def latest(self, channel: str, count: int) -> list[Fields]:
        with self._snapshot() as root:
            return _latest(root, channel, count)

    def by_author(self, author: str) -> list[Fields]:
        with self._snapshot() as root:
            return [_found(root, key) for key in root["authors"].get(author, ())]

    def scan(self) -> Iterator[Fields]:
        with self._snapshot() as root:
            for key, post in root["posts"].items():
                yield {**post.data, "_id": key}

    def close(self) -> None:
        self._database.close()


def _found(root: Any, key: int) -> Fields:
    return {**root["posts"][key].data, "_id": key}


def _document(root: Any, key: int) -> Fields | None:
    return _found(root, key) if key in root["posts"] else None


def _change(root: Any, key: int, changes: Fields) -> Fields:
    post = root["posts"][key]
    post.data = {**post.data, **changes}
    return _found(root, key)


def _bump(root: Any, key: int) -> Fields:
    return _change(root, key, {"score": root["posts"][key].data["score"] + 1})


def _latest(root: Any, channel: str, count: int) -> list[Fields]:
    keys = root["channels"].get(channel, ())
    # A set of a BTree has no way back: its keys are integers, so all of them are cheap to get.
    return [_found(root, key) for key in islice(reversed(list(keys)), count)]
