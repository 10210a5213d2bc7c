"""TinyDB: all documents in one file of JSON, found by looking at each."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Final

from bench.adapters.contract import REPLIES, SELDOM, Engine, Key
from bench.documents import Fields

# Types of its functions are partial.
_tinydb: Final[Any] = import_module("tinydb")
_middlewares: Final[Any] = import_module("tinydb.middlewares")
_storages: Final[Any] = import_module("tinydb.storages")
_increment: Final[Any] = import_module("tinydb.operations").increment


class TinydbJson(Engine):
    """Not flushed: with its `CachingMiddleware`, which writes the file every 1000 writes.

    It has no indexes, and is not made for threads: one lock around every call. Its cache of
    queries is off.
    """

    name = "tinydb"
    title = "TinyDB, one file of JSON, at most 1000 documents"
    documents_max: ClassVar[int | None] = 1000
    effort: ClassVar[float] = 0.02

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload not in SELDOM

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        json = _storages.JSONStorage
        storage = json if is_durable else _middlewares.CachingMiddleware(json)
        self._database = _tinydb.TinyDB(directory / "posts.json", storage=storage)
        self._posts = self._database.table("posts", cache_size=0)
        self._lock = Lock()

    def insert(self, fields: Fields) -> Key:
        with self._lock:
            return self._posts.insert(fields)

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        with self._lock:
            return list[Any](self._posts.insert_multiple(documents))

    def patch(self, key: Key, changes: Fields) -> None:
        with self._lock:
            self._posts.update(changes, doc_ids=[key])

    def bump(self, key: Key) -> Fields:
        with self._lock:
            self._posts.update(_increment("score"), doc_ids=[key])
            return _document(self._posts.get(doc_id=key))

    def reply(self, key: Key, fields: Fields) -> Key:
        with self._lock:
            self._latest(self._posts.get(doc_id=key)["channel"], REPLIES)
            self._posts.update(_increment("score"), doc_ids=[key])
            return self._posts.insert(fields)

    def get(self, key: Key) -> Fields | None:
        with self._lock:
            found = self._posts.get(doc_id=key)
        return None if found is None else _document(found)

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        return map(self.get, keys)

    def latest(self, channel: str, count: int) -> list[Fields]:
        with self._lock:
            return self._latest(channel, count)

    def _latest(self, channel: str, count: int) -> list[Fields]:
        found = self._posts.search(_tinydb.where("channel") == channel)
        return [_document(post) for post in found[: -count - 1 : -1]]

    def by_author(self, author: str) -> list[Fields]:
        with self._lock:
            found = self._posts.search(_tinydb.where("author") == author)
        return [_document(post) for post in found]

    def scan(self) -> Iterator[Fields]:
        with self._lock:
            found = self._posts.all()
        return map(_document, found)

    def close(self) -> None:
        self._database.close()


def _document(found: Any) -> Fields:
    return {**found, "_id": found.doc_id}
