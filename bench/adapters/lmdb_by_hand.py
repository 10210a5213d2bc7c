"""lmdb and msgpack by hand: about the most that Python can get out of LMDB for these documents.

No log, no checksums, no validation, no conflicts, no live queries: the distance to it is what
those cost.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import lmdb
import msgpack  # pyright: ignore[reportMissingTypeStubs] - there are none

from bench.adapters.contract import REPLIES, Engine, Key
from bench.documents import Fields

_MAP_BYTES: Final = 64 * 2**30
_number: Final = struct.Struct(">Q")
_msgpack = cast("Any", msgpack)
_pack = _msgpack.Packer().pack
_unpack = _msgpack.unpackb
_INDEXED: Final = ("channel", "author")


class LmdbByHand(Engine):
    """Documents by number; index keys are the field, a zero byte and the number."""

    name = "lmdb-by-hand"
    title = "lmdb + msgpack by hand: two indexes and nothing else"
    waits: ClassVar[bool] = True

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload != "durable-256"  # what 64 threads wait for shows it

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        super().__init__(directory, is_durable=is_durable)
        self._environment = lmdb.open(
            str(directory / "posts.lmdb"),
            map_size=_MAP_BYTES,
            max_dbs=3,
            sync=is_durable,
            max_spare_txns=8,
        )
        self._posts = self._environment.open_db(b"posts")
        self._indexes = [self._environment.open_db(name.encode()) for name in _INDEXED]

    def insert(self, fields: Fields) -> Key:
        return self.insert_many([fields])[0]

    def insert_many(self, documents: Sequence[Fields]) -> list[Key]:
        with self._environment.begin(write=True) as transaction:
            return self._insert_many(transaction, documents)

    def _insert_many(self, transaction: Any, documents: Sequence[Fields]) -> list[Key]:
        cursor = transaction.cursor(self._posts)
        last = _number.unpack(cursor.key())[0] if cursor.last() else 0
        keys = [_number.pack(last + 1 + at) for at in range(len(documents))]
        packed = [_pack(fields) for fields in documents]
        cursor.putmulti(list(zip(keys, packed, strict=True)), append=True)
        for name, index in zip(_INDEXED, self._indexes, strict=True):
            entries = sorted(
                (fields[name].encode() + b"\0" + key, b"")
                for fields, key in zip(documents, keys, strict=True)
            )
            transaction.cursor(index).putmulti(entries)
        return list[Any](keys)

    def bump(self, key: Key) -> Fields:
        with self._environment.begin(write=True) as transaction:
            return self._bump(transaction, key)

    def _bump(self, transaction: Any, key: bytes) -> Fields:
        document: Fields = _unpack(transaction.get(key, None, self._posts))
        document["score"] += 1
        transaction.put(key, _pack(document), db=self._posts)
        document["_id"] = key
        return document

    def reply(self, key: Key, fields: Fields) -> Key:
        with self._environment.begin(write=True) as transaction:
            answered = self._get(transaction, key)
            assert answered is not None
            self._latest(transaction, answered["channel"], REPLIES)
            (added,) = self._insert_many(transaction, [fields])
            self._bump(transaction, key)
            return added

    def patch(self, key: Key, changes: Fields) -> None:
        with self._environment.begin(write=True) as transaction:
            document = _unpack(transaction.get(key, None, self._posts))
            for name, index in zip(_INDEXED, self._indexes, strict=True):
                if name in changes and changes[name] != document[name]:
                    transaction.delete(document[name].encode() + b"\0" + key, b"", index)
                    transaction.put(changes[name].encode() + b"\0" + key, b"", db=index)
            transaction.put(key, _pack({**document, **changes}), db=self._posts)

    def get(self, key: Key) -> Fields | None:
        with self._environment.begin() as transaction:
            return self._get(transaction, key)

    def get_each(self, keys: Sequence[Key]) -> Iterator[Fields | None]:
        with self._environment.begin() as transaction:
            for key in keys:
                yield self._get(transaction, key)

    def _get(self, transaction: Any, key: bytes) -> Fields | None:
        packed = transaction.get(key, None, self._posts)
        return None if packed is None else _document(key, packed)

    def latest(self, channel: str, count: int) -> list[Fields]:
        with self._environment.begin() as transaction:
            return self._latest(transaction, channel, count)

    def _latest(self, transaction: Any, channel: str, count: int) -> list[Fields]:
        prefix = channel.encode() + b"\0"
        cursor = transaction.cursor(self._indexes[0])
        is_before = cursor.set_range(prefix + b"\xff" * 8)
        if not (cursor.prev() if is_before else cursor.last()):
            return []
        entries = islice(cursor.iterprev(values=False), count)
        return self._load(transaction, prefix, entries)

    def by_author(self, author: str) -> list[Fields]:
        prefix = author.encode() + b"\0"
        with self._environment.begin() as transaction:
            cursor = transaction.cursor(self._indexes[1])
            if not cursor.set_range(prefix):
                return []
            return self._load(transaction, prefix, cursor.iternext(values=False))

    def _load(self, transaction: Any, prefix: bytes, entries: Iterator[bytes]) -> list[Fields]:
        found = takewhile(lambda entry: entry.startswith(prefix), entries)
        keys = [entry[-8:] for entry in found]
        get, posts = transaction.get, self._posts
        return [_document(key, get(key, None, posts)) for key in keys]

    def scan(self) -> Iterator[Fields]:
        with self._environment.begin() as transaction:
            for key, packed in transaction.cursor(self._posts).iternext():
                yield _document(key, packed)

    def close(self) -> None:
        self._environment.close()


def _document(key: bytes, packed: bytes) -> Fields:
    document: Fields = _unpack(packed)
    document["_id"] = key
    return document
