"""The library `eventsourcing`: aggregates whose events are kept in SQLite."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn, TypeVar, cast

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError

from bench.adapters.contract import Engine, Key, NotOffered
from bench.documents import Fields

T = TypeVar("T")

_TRIES: Final = 100
_WORKLOADS: Final = frozenset(
    {"get", "bulk-durable", "durable-1", "durable-patch", "durable-8", "counters-8"}
    | {"open", "disk"}
)


class Post(Aggregate):
    """A document and how it came to be."""

    fields: Fields

    @event("Written")
    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    @event("Patched")
    def patch(self, changes: Fields) -> None:
        self.fields = {**self.fields, **changes}


class EventsourcingSqlite(Engine):
    """Reading an aggregate applies its events. There are no indexes, so nothing is searched for.

    Each write flushes as its SQLite does (WAL, ``synchronous`` as the module has it). Two writers
    of one aggregate conflict; who loses tries again, up to 100 times.
    """

    name = "eventsourcing"
    title = "eventsourcing, aggregates in SQLite, no indexes"
    failures: ClassVar[tuple[type[Exception], ...]] = (IntegrityError,)
    effort: ClassVar[float] = 0.1

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload in _WORKLOADS

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        self._application = cast("Any", Application)(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "SQLITE_DBNAME": str(directory / "posts.sqlite"),
                "SQLITE_LOCK_TIMEOUT": "120",
            }
        )

    def insert(self, fields: Fields) -> Key:
        return self.insert_many([fields])[0]

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        posts = [cast("Any", Post)(fields=fields) for fields in documents]
        self._application.save(*posts)
        return [post.id for post in posts]

    def patch(self, key: Key, changes: Fields) -> None:
        self._change(key, lambda _: changes)

    def bump(self, key: Key) -> Fields:
        return self._change(key, lambda fields: {"score": fields["score"] + 1})

    def _change(self, key: Key, changes: Callable[[Fields], Fields]) -> Fields:
        for _ in range(_TRIES - 1):
            try:
                return self._try_to_change(key, changes)
            except IntegrityError:
                continue
        return self._try_to_change(key, changes)

    def _try_to_change(self, key: Key, changes: Callable[[Fields], Fields]) -> Fields:
        post = self._application.repository.get(key)
        post.patch(changes=changes(post.fields))
        self._application.save(post)
        return {**post.fields, "_id": key}

    def get(self, key: Key) -> Fields | None:
        try:
            post = self._application.repository.get(key)
        except AggregateNotFoundError:
            return None
        return {**post.fields, "_id": key}

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        raise NotOffered(f"snapshots, to read {len(keys)} documents of")

    def reply(self, key: Key, fields: Fields) -> NoReturn:
        raise NotOffered(f"an index, to reply with {fields} to {key}")

    def latest(self, channel: str, count: int) -> NoReturn:
        raise NotOffered(f"an index, to find {count} documents of {channel}")

    def by_author(self, author: str) -> NoReturn:
        raise NotOffered(f"an index, to find the documents of {author}")

    def scan(self) -> Iterator[Fields]:
        raise NotOffered("all aggregates in order")

    def close(self) -> None:
        self._application.close()
