"""Every bit of a small database, flipped by itself.

Goal: a flipped bit is found, or it makes no difference; no read returns what was not written; and
nothing kills the process that asks. Method: the bytes that mean something are gathered by a walk
over the pages of our own; each of their bits is flipped. What the check of the heads or of the
pages finds never reaches LMDB. All else does, in this process, and is verified. That the other
bytes mean nothing is shown by filling all of them with noise at once.
"""

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lmdb
import pytest

import headwater as hw
from headwater.storage.engine import EngineOptions, open_handles, open_unlocked
from headwater.storage.failures import translate
from headwater.storage.format import DATA_NAME, META_FORMAT, META_UUID, Database
from headwater.storage.manifest import read_manifest
from headwater.storage.newest import Newest, write_newest
from headwater.storage.pages import HEAD_BYTES, IS_BRANCH, IS_LEAF, IS_OVERFLOW, Pages
from headwater.storage.precheck import check_data_file
from headwater.storage.transactions import OpenReaders, ReadTransaction
from headwater.tables.catalog import Catalog
from headwater.tables.snapshot import Snapshot
from headwater.tables.verify import verify
from headwater.tables.verify_pages import verify_pages

PAGE = 4096
HEADER = 16
SHARDS = 8
"""Parts of the work, so that it can be spread over processes."""


class Small(NamedTuple):
    """A small database: its directory, its bytes, and what each of them is part of."""

    path: Path
    data: bytes
    used: list[int]
    contents: dict[Database, list[tuple[bytes, bytes]]]


def make(path: Path) -> None:
    """Inserts, a patch, a delete, an index and an id that is long gone: all sub-databases."""

    class Note(hw.Document["Note"]):
        n: int

    class Notes(hw.Table[Note]):
        by_n = hw.Index("n")

    from types import ModuleType

    module = ModuleType("flipped_module")
    module.Notes = Notes  # type: ignore[attr-defined]
    with hw.open(path, modules=[module]) as db:
        with db.transaction() as tx:
            first, second = (tx.insert("notes", {"n": n}) for n in (1, 2))
        with db.transaction() as tx:
            tx.patch(first, n=7)
        with db.transaction() as tx:
            tx.delete(second)
        with db.transaction() as tx:
            tx.insert("loose", {"text": "x" * 2100})  # which has a page of its own


def used_bytes(path: Path) -> list[int]:
    """Where the bytes are that some head leads to, as far as they mean something."""
    used: set[int] = set(range(HEAD_BYTES)) | set(range(PAGE, PAGE + HEAD_BYTES))
    raw = path.read_bytes()
    with Pages(path) as pages:
        roots = [pages.heads[0].roots, pages.heads[1].roots]
    newest = max(pages.heads, key=lambda head: head.transaction)
    waiting = [root for root in roots[pages.heads.index(newest)] if root < 2**32]
    while waiting:
        number = waiting.pop()
        start = number * PAGE
        _, _, flags, lower, _ = struct.unpack_from("<QHHHH", raw, start)
        used.update(range(start, start + lower))
        assert flags in (IS_BRANCH, IS_LEAF)
        for (at,) in struct.iter_unpack("<H", raw[start + HEADER : start + lower]):
            size, bits, key_bytes = struct.unpack_from("<IHH", raw, start + at)
            used.update(range(start + at, start + at + 8 + key_bytes))
            data = start + at + 8 + key_bytes
            if flags == IS_BRANCH:
                waiting.append(size | bits << 32)
            elif bits & 1:  # pages of its own
                used.update(range(data, data + 8))
                (own,) = struct.unpack_from("<Q", raw, data)
                assert struct.unpack_from("<H", raw, own * PAGE + 10)[0] == IS_OVERFLOW
                used.update(range(own * PAGE, own * PAGE + HEADER + size))
            else:
                used.update(range(data, data + size))
                if bits & 2:  # the description of a tree
                    (root,) = struct.unpack_from("<Q", raw, data + 40)
                    waiting += [root] if root < 2**32 else []
    return sorted(used)


class Owner:
    """What a snapshot needs of its environment. A whole one takes much longer to open."""

    def __init__(self) -> None:
        self.readers = OpenReaders()
        self.is_draining = False

    def failure(self, error: lmdb.Error, doing: str) -> Exception:
        return translate(error, "here", doing)


@contextmanager
def snapshot_of(path: Path) -> Iterator[ReadTransaction]:
    try:
        environment = open_unlocked(path, EngineOptions(is_read_only=True))
    except lmdb.Error as error:
        raise translate(error, path, "open") from error
    with environment:
        try:
            handles = open_handles(environment)
        except lmdb.Error as error:
            raise translate(error, path, "open") from error
        with ReadTransaction(Owner(), environment.begin(), handles, 0.0) as reader:
            yield reader


def contents(path: Path) -> dict[Database, list[tuple[bytes, bytes]]]:
    with snapshot_of(path) as reader:
        return {database: list(reader.scan(database, b"", None)) for database in Database}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Small:
    path = tmp_path_factory.mktemp("small", numbered=True) / "db.hw"
    make(path)
    data = (path / DATA_NAME).read_bytes()
    return Small(path, data, used_bytes(path / DATA_NAME), contents(path))


def records_of(path: Path) -> list[str]:
    """What is found in the records, by LMDB, once the pages are known to be in order."""
    with snapshot_of(path) as reader:
        manifest = read_manifest(path)
        uuid = manifest.uuid.encode()
        mixed = [] if reader.get(Database.META, META_UUID) == uuid else ["refused by opening"]
        problems = verify(Snapshot(reader, Catalog([]), 0), format_version=manifest.format)
        return mixed + [problem.kind for problem in problems]


def is_found(path: Path) -> bool:
    """Whether opening or verifying says that something is wrong."""
    try:
        check_data_file(path / DATA_NAME)
    except hw.CorruptionError:
        return True
    if verify_pages(path):
        return True
    try:
        return bool(records_of(path))
    except hw.StorageError:
        return True


@contextmanager
def flipped(path: Path, at: int, bit: int) -> Iterator[None]:
    """The file with one bit flipped, and as it was afterwards."""
    descriptor = os.open(path / DATA_NAME, os.O_RDWR)
    try:
        before = os.pread(descriptor, 1, at)
        os.pwrite(descriptor, bytes([before[0] ^ 1 << bit]), at)
        yield
        os.pwrite(descriptor, before, at)
    finally:
        os.close(descriptor)


def harmless(small: Small, path: Path) -> bool:
    return contents(path) == small.contents


def is_drawn(small: Small, at: int, bit: int) -> bool:
    """All bits, but one of a hundred of the long text, which one checksum covers."""
    is_text = small.data[at - 8 : at + 9] == b"x" * 17
    return not is_text or (8 * at + bit) % 101 == 0


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_flipped_bit_is_found_or_makes_no_difference(small, tmp_path, shard) -> None:
    path = tmp_path / "db.hw"
    shutil.copytree(small.path, path)
    unfound = []
    for at in small.used[shard::SHARDS]:
        for bit in range(8):
            if not is_drawn(small, at, bit):
                continue
            with flipped(path, at, bit):
                if not is_found(path) and not harmless(small, path):
                    unfound.append((at, bit))
    assert unfound == []


def test_the_other_bytes_mean_nothing(small, tmp_path) -> None:
    path = tmp_path / "db.hw"
    shutil.copytree(small.path, path)
    used = set(small.used)
    data = bytes(byte if at in used else (byte ^ 0x5A) for at, byte in enumerate(small.data))
    (path / DATA_NAME).write_bytes(data)
    assert contents(path) == small.contents
    assert records_of(path) == []
    assert verify_pages(path) == []


def test_a_format_older_than_that_of_the_manifest_is_found(small, tmp_path) -> None:
    """One flipped bit makes 2 of 3; only an upgrade that has not ended makes them differ."""
    path = tmp_path / "db.hw"
    shutil.copytree(small.path, path)
    for older in (b"1", b"2"):
        with hw.open(path) as db:
            db._store.environment.run_write(
                lambda writer, older=older: writer.put(Database.META, META_FORMAT, older)
            )
            assert [problem.kind for problem in db.verify()] == ["format_differs"]
        assert [problem.kind for problem in hw.check(path)] == ["format_differs"]


HEADS = 8
"""Commits, each of which leaves other last bits of the transaction numbers in the heads."""


class Left(NamedTuple):
    """A file after a commit, and what is in it."""

    data: bytes
    contents: dict[Database, list[tuple[bytes, bytes]]]


@pytest.fixture(scope="module")
def lefts(tmp_path_factory) -> tuple[Path, list[Left]]:
    """A database after each of some commits, closed well each time."""
    path = tmp_path_factory.mktemp("heads") / "db.hw"
    found = []
    for n in range(HEADS):
        with hw.open(path) as db, db.transaction() as tx:
            tx.insert("notes", {"n": n})
        found.append(Left((path / DATA_NAME).read_bytes(), contents(path)))
    return path, found


def opened(path: Path) -> dict[Database, list[tuple[bytes, bytes]]] | None:
    """What a database has when it is opened; None if that is refused, or its pages are."""
    try:
        check_data_file(path / DATA_NAME)
        return None if verify_pages(path) else contents(path)
    except hw.StorageError:
        return None


@pytest.mark.parametrize("number", range(1, HEADS))
def test_a_flipped_bit_of_a_head_takes_back_one_commit_at_most(lefts, tmp_path, number) -> None:
    """And none at all if the last process closed the database well."""
    source, states = lefts
    path = tmp_path / "db.hw"
    shutil.copytree(source, path)
    (path / DATA_NAME).write_bytes(states[number].data)
    newest = check_data_file(path / DATA_NAME)
    ts = int.from_bytes(states[number].contents[Database.LOG][-1][0], "big")
    write_newest(path, Newest(newest, ts))
    taken_back = 0
    for at in range(HEAD_BYTES):
        for bit in range(8):
            with flipped(path, (newest & 1) * PAGE + at, bit):
                found = opened(path)
                if found in (None, states[number].contents):
                    continue
                assert found == states[number - 1].contents, (at, bit)
                taken_back += 1
                with pytest.raises(hw.CorruptionError, match="at the last close"):
                    hw.open(path)
    assert taken_back <= 2
