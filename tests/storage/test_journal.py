"""The journal: what is in it, what damages it, and which file it belongs to.

A database that was not closed is made by copying the files of an open one, as a kill would leave
them; what a power loss leaves is the business of crashes/test_power_loss.py.
"""

import errno
import json
import os
import shutil
from itertools import chain, count, repeat
from pathlib import Path

import lmdb
import pytest

from headwater.errors import CorruptionError, DatabaseFullError, DiskError, ReadOnlyError
from headwater.storage import (
    checkpointing,
    flushing,
    journal,
    journaling,
    recording,
    recovery,
)
from headwater.storage.environment import Environment
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_VERSION,
    JOURNAL_NAME,
    MANIFEST_NAME,
    META_FORMAT,
    META_JOURNAL,
    Database,
)
from headwater.storage.journal import Journal, create_journal
from headwater.storage.journal_format import FRAMES_AT, HEADER_PLACES, Header, State, parse_header
from headwater.storage.recovery import check_journal, recover

DATA = Database.DOCUMENTS


@pytest.fixture(autouse=True)
def no_thread(monkeypatch) -> None:
    """Checkpoints are made when a test says so."""
    monkeypatch.setattr(checkpointing, "CHECKPOINT_SECONDS", 3600)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "db.hw"


def put(opened: Environment, *keys: bytes, value: bytes = b"v") -> None:
    with opened.write() as transaction:
        transaction.put_many(DATA, [(key, value) for key in keys])


def kept_open(path, start):
    """A process that reads the database, until it is sent a line."""
    other = start(
        """
        with Environment.open(path, read_only=True) as environment:
            print("open", flush=True)
            input()
        """,
        path,
    )
    assert other.stdout.readline() == "open\n"
    return other


def keys(opened: Environment) -> list[bytes]:
    with opened.read() as snapshot:
        return [key for key, _ in snapshot.scan(DATA, b"", None)]


def state(opened: Environment) -> State:
    assert opened._journaling is not None
    return opened._journaling._journal.header.state


def unclosed(opened: Environment, target: Path) -> Path:
    """The files as a kill would leave them."""
    target.mkdir()
    for name in (DATA_NAME, JOURNAL_NAME, MANIFEST_NAME):
        shutil.copy(opened.path / name, target)
    return target


def behind(opened: Environment, target: Path, *later: bytes) -> Path:
    """The files of a power loss that took everything of the data file since now."""
    opened.sync()
    before = (opened.path / DATA_NAME).read_bytes()
    for key in later:
        put(opened, key)
    unclosed(opened, target)
    (target / DATA_NAME).write_bytes(before)
    return target


def change(file: Path, at: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


def frame_places(target: Path) -> list[int]:
    opened = Journal(target)
    try:
        ends = [frames[-1].end for frames in opened.transactions()]
    finally:
        opened.close()
    return [FRAMES_AT, *ends]


# What it does -----------------------------------------------------------------------------------


def test_a_commit_is_one_flush_and_not_of_the_data_file(path, monkeypatch) -> None:
    with Environment.open(path) as opened:
        put(opened, b"first")
        put(opened, b"second")
        flushed: list[str] = []

        def flush(descriptor: int) -> None:
            flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

        monkeypatch.setattr(journal, "flush_data", flush)
        monkeypatch.setattr(journaling, "flush_data", flush)
        for number in range(20):
            put(opened, b"%d" % number)
        assert flushed == [JOURNAL_NAME] * 20
        assert opened._lmdb.flags()["sync"] is False


def test_what_the_data_file_lost_comes_back(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"before")
        with opened.write() as transaction:
            transaction.put_many(DATA, [(b"gone %d" % n, b"v") for n in range(5)])
        lost = behind(opened, tmp_path / "lost", b"a", b"b", b"c")
        newest = opened.stats().last_transaction
        with opened.write() as transaction:
            transaction.delete_many(DATA, [b"gone %d" % n for n in range(4)] + [b"never"])
            transaction.delete(DATA, b"gone 4")
            transaction.put(Database.META, b"x", b"y")
        with opened.write() as transaction:
            transaction.clear(Database.META)
            transaction.put_many(Database.META, [(b"uuid", opened.uuid.encode())])
            transaction.put_keys(Database.META, b"v", [b"1", b"2"], append=True)
        everything = unclosed(opened, tmp_path / "everything")
    shutil.copy(lost / DATA_NAME, everything / DATA_NAME)

    with Environment.open(lost) as found:
        assert keys(found) == [b"a", b"b", b"before", b"c", *(b"gone %d" % n for n in range(5))]
        assert found.stats().last_transaction == newest
    with Environment.open(everything) as found:
        assert keys(found) == [b"a", b"b", b"before", b"c"]
        with found.read() as snapshot:
            facts = dict(snapshot.scan(Database.META, b"", None))
        assert facts == {b"uuid": found.uuid.encode(), b"v1": b"", b"v2": b""}


def test_a_transaction_without_effect_takes_no_number_and_no_frame(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        before = unclosed(opened, tmp_path / "before")
        with opened.write() as transaction:
            assert not transaction.delete(DATA, b"never")
            assert transaction.delete_many(DATA, [b"never"]) == 0
            transaction.put_many(DATA, [])
        with opened.write() as transaction:
            transaction.put(DATA, b"a", b"v")  # the same
        after = unclosed(opened, tmp_path / "after")
    assert len(frame_places(after)) == len(frame_places(before)) + 1


def test_a_great_transaction_goes_in_parts_and_counts_only_as_a_whole(
    path, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(recording, "PART_BYTES", 10_000)
    many = [b"%05d" % number for number in range(600)]

    def write(opened: Environment) -> None:
        with opened.write() as transaction:
            for at in range(0, len(many), 10):
                transaction.put_many(DATA, [(key, b"v" * 100) for key in many[at : at + 10]])
            if not opened.path.name.startswith("db"):
                raise RuntimeError("given up")

    with Environment.open(path) as opened:
        put(opened, b"before")
        opened.sync()
        before = (path / DATA_NAME).read_bytes()
        put(opened, b"between")
        write(opened)
        whole = unclosed(opened, tmp_path / "whole")
    places = frame_places(whole)
    assert len(places) == 3
    (whole / DATA_NAME).write_bytes(before)
    cut = tmp_path / "cut"
    shutil.copytree(whole, cut)
    change(cut / JOURNAL_NAME, places[-1] - 5, b"torn")
    for target, expected in ((whole, 602), (cut, 2)):
        with Environment.open(target) as found:
            assert len(keys(found)) == expected
            with pytest.raises(RuntimeError, match="given up"):
                write(found)  # its parts are in the journal, and mean nothing
            put(found, b"after")
            again = unclosed(found, tmp_path / f"again{expected}")
        with Environment.open(again) as found:
            assert len(keys(found)) == expected + 1


def test_a_checkpoint_is_made_when_there_is_much_and_the_file_does_not_explode(
    path, monkeypatch
) -> None:
    monkeypatch.setattr(journaling, "CHECKPOINT_LATEST_BYTES", 400_000)
    sizes = []
    with Environment.open(path) as opened:
        for number in range(600):
            put(opened, b"%04d" % (number % 50), value=b"v" * 100)
            sizes.append(opened.stats().file_bytes)
        journal_bytes = (path / JOURNAL_NAME).stat().st_size
    assert sizes[-1] == sizes[300]
    assert sizes[-1] < 3_000_000
    assert journal_bytes <= FRAMES_AT + 2 * journal.GROWTH_BYTES


def test_a_great_journal_is_cut_when_it_is_not_needed(path, monkeypatch) -> None:
    monkeypatch.setattr(journal, "KEPT_BYTES", 2_000_000)
    with Environment.open(path) as opened:
        put(opened, b"a", value=b"v" * 5_000_000)
        assert (path / JOURNAL_NAME).stat().st_size > 5_000_000
        opened.sync()
        assert (path / JOURNAL_NAME).stat().st_size == 2_000_000
        put(opened, b"b")


def test_who_closes_it_last_leaves_an_empty_journal(path, start) -> None:
    with Environment.open(path) as opened:
        other = kept_open(path, start)
        put(opened, b"a", value=b"v" * 3_000_000)
    assert (path / JOURNAL_NAME).stat().st_size > 3_000_000  # not yet: the other one is there
    other.stdin.write("\n")
    other.stdin.flush()
    other.wait(30)
    with Environment.open(path) as opened:
        put(opened, b"b")
    assert (path / JOURNAL_NAME).stat().st_size == FRAMES_AT
    with Environment.open(path) as opened:
        put(opened, b"c")
        assert keys(opened) == [b"a", b"b", b"c"]


def test_the_thread_flushes_and_lets_go_and_ends(path, monkeypatch) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        assert opened._journaling.is_pinned
        assert state(opened) is State.ACTIVE
        assert opened._checkpoint_in_background(is_timely=False) is True  # much to flush
        assert (state(opened), opened._journaling.is_pinned) == (State.IDLE, True)
        put(opened, b"b")
        assert opened._checkpoint_in_background(is_timely=True) is False  # time
        assert (state(opened), opened._journaling.is_pinned) == (State.IDLE, False)
        assert opened.stats().readers == {}
        put(opened, b"c")
    monkeypatch.setattr(checkpointing, "CHECKPOINT_SECONDS", 0)
    with Environment.open(path) as opened:
        put(opened, b"d")
        thread = opened._checkpoints._thread
        if thread is not None:
            thread.join(30)
        assert opened._checkpoints._thread is None
        assert state(opened) is State.IDLE
        assert keys(opened) == [b"a", b"b", b"c", b"d"]


def test_a_closed_database_stands_for_itself(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
    assert parse_header(_newest_header(path)).state is State.IDLE
    (path / JOURNAL_NAME).unlink()
    create_journal(path)
    with Environment.open(path) as opened:
        assert keys(opened) == [b"a"]


def _newest_header(path: Path) -> bytes:
    raw = (path / JOURNAL_NAME).read_bytes()
    parts = [raw[place : place + 4096] for place in HEADER_PLACES]
    return max(parts, key=lambda part: parse_header(part) or Header(0, State.IDLE))


# Faults -----------------------------------------------------------------------------------------


class Failing:
    """Flushes of the journal that fail while this is told to."""

    def __init__(self, monkeypatch, number: int = errno.EIO) -> None:
        self.error = OSError(number, os.strerror(number))
        self.flushes = self.writes = False
        self.after_flush = False
        monkeypatch.setattr(journal, "flush_data", self._flush)
        monkeypatch.setattr(journal, "write_at", self._write)

    def _flush(self, descriptor: int) -> None:
        if self.after_flush:
            flushing.flush_data(descriptor)
        if self.flushes or self.after_flush:
            raise self.error
        flushing.flush_data(descriptor)

    def _write(self, descriptor: int, raw: bytes, at: int) -> None:
        if self.writes:
            flushing.write_at(descriptor, raw[: len(raw) // 2], at)
            raise self.error
        flushing.write_at(descriptor, raw, at)


class Once(Failing):
    """Only the next flush fails."""

    def _flush(self, descriptor: int) -> None:
        fails, self.flushes = self.flushes, False
        if fails:
            raise self.error
        flushing.flush_data(descriptor)


def test_after_a_failed_flush_nothing_is_acknowledged_before_a_checkpoint(
    path, tmp_path, monkeypatch
) -> None:
    disk = Once(monkeypatch)
    with Environment.open(path) as opened:
        put(opened, b"before")
        sequence = opened._journaling._journal.header.sequence
        disk.flushes = True
        with pytest.raises(DiskError, match=r"cannot commit.*failed to read, write or flush"):
            put(opened, b"refused")
        # The frame is in the file, whole; its checkpoint has made nothing of it.
        assert opened._journaling._journal.header.sequence == sequence + 1
        assert state(opened) is State.IDLE
        assert keys(opened) == [b"before"]
        killed = unclosed(opened, tmp_path / "killed")
        put(opened, b"after")
        assert keys(opened) == [b"after", b"before"]
    with Environment.open(killed) as found:
        assert keys(found) == [b"before"]


def test_a_commit_whose_flush_and_checkpoint_fail_is_in_doubt(path, monkeypatch) -> None:
    disk = Failing(monkeypatch)
    with Environment.open(path) as opened:
        put(opened, b"before")
        disk.flushes = True
        with pytest.raises(DiskError, match="may or may not have happened"):
            put(opened, b"doubtful")
        for _ in range(2):
            with pytest.raises(DiskError, match="begin a write transaction"):
                put(opened, b"refused")  # before anything is written
        assert keys(opened) == [b"before"]
        disk.flushes = False
        put(opened, b"after")
        assert keys(opened) == [b"after", b"before"]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [(errno.ENOSPC, DatabaseFullError, "the disk is full"), (errno.EIO, DiskError, "failed to")],
)
def test_a_journal_that_cannot_be_written_refuses_the_commit(
    path, tmp_path, monkeypatch, number, kind, words
) -> None:
    disk = Failing(monkeypatch, number)
    with Environment.open(path) as opened:
        put(opened, b"before")
        for at_first in (False, True):
            if at_first:
                opened.sync()  # so that the header has to be written as well
            disk.writes = True
            with pytest.raises(kind, match=words):
                put(opened, b"refused")
            assert keys(opened) == [b"before"]
            disk.writes = False
        put(opened, b"after")
        target = behind(opened, tmp_path / "lost", b"more")
    with Environment.open(target) as found:
        assert keys(found) == [b"after", b"before", b"more"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_checkpoint_that_fails_leaves_the_old_one(path, tmp_path, monkeypatch, moment) -> None:
    disk = Failing(monkeypatch)
    with Environment.open(path) as opened:
        put(opened, b"a")
        opened.sync()
        before = (path / DATA_NAME).read_bytes()
        put(opened, b"b")
        disk.flushes = moment == "before"
        disk.after_flush = moment == "after"
        with pytest.raises(DiskError, match="cannot flush"):
            opened.sync()
        disk.flushes = disk.after_flush = False
        killed = unclosed(opened, tmp_path / "killed")
        (killed / DATA_NAME).write_bytes(before)
        put(opened, b"c")
        assert keys(opened) == [b"a", b"b", b"c"]
    with Environment.open(killed) as found:
        assert keys(found) == [b"a", b"b"]


class Unflushed:
    """LMDB whose flush of the data file fails."""

    fails = False

    def __init__(self, real) -> None:
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)

    def sync(self, *, force: bool) -> None:
        if Unflushed.fails:
            Unflushed.fails = False  # as the system does: it says so once
            error = lmdb.DiskError("injected")
            error.code = errno.EIO
            raise error
        self._real.sync(force=force)


@pytest.fixture
def unflushed():
    yield lambda place, options: Unflushed(open_really(place, options))
    Unflushed.fails = False


def open_really(place, options):
    from headwater.storage.engine import open_engine

    return open_engine(place, options)


def test_after_a_failed_flush_of_the_data_file_it_is_made_anew(
    path, monkeypatch, unflushed
) -> None:
    """What the system forgot of it is written again, from the journal."""
    made = []
    true = recover

    def watched(directory, uuid):
        made.append(true(directory, uuid))

    monkeypatch.setattr(recovery, "recover", watched)
    with Environment.open(path, engine=unflushed) as opened:
        put(opened, b"a")
        opened.sync()
        put(opened, b"b")
        put(opened, b"c")
        Unflushed.fails = True
        with pytest.raises(DiskError, match=r"cannot flush.*nothing that was acknowledged is lost"):
            opened.sync()
        assert state(opened) is State.FAILED
        assert keys(opened) == [b"a", b"b", b"c"]
        put(opened, b"d")
        assert made == [2]
        assert keys(opened) == [b"a", b"b", b"c", b"d"]


def test_while_others_have_it_open_a_failed_file_is_read_and_not_written(
    path, run, start, unflushed
) -> None:
    with Environment.open(path, engine=unflushed) as opened:
        put(opened, b"a")
        put(opened, b"b")
        other = start(
            """
            with Environment.open(path) as environment:
                print("open", flush=True)
                input()
                try:
                    with environment.write() as transaction:
                        transaction.put(Database.DOCUMENTS, b"c", b"v")
                except DiskError as error:
                    print("close it in the other processes" in str(error), flush=True)
                input()
            """,
            path,
        )
        assert other.stdout.readline() == "open\n"
        Unflushed.fails = True
        with pytest.raises(DiskError):
            opened.sync()
        with pytest.raises(DiskError, match="close it in the other processes"):
            put(opened, b"c")
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "True\n"
        assert keys(opened) == [b"a", b"b"]
        other.stdin.write("\n")
        other.stdin.flush()
        other.wait(30)
        put(opened, b"c")
        assert keys(opened) == [b"a", b"b", b"c"]


def test_a_failed_flush_ahead_of_a_checkpoint_is_not_forgotten(path, monkeypatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "injected")

    with Environment.open(path) as opened:
        put(opened, b"a")
        monkeypatch.setattr(journaling, "flush_data", fail)
        assert opened._checkpoint_in_background(is_timely=True) is False
        assert state(opened) is State.FAILED
        monkeypatch.setattr(journaling, "flush_data", flushing.flush_data)
        put(opened, b"b")
        assert keys(opened) == [b"a", b"b"]


def test_what_a_killed_process_had_only_in_the_journal_did_not_happen(path, start) -> None:
    """Nobody was told that it did; the next writer sees to it that it never will."""
    with Environment.open(path) as opened:
        put(opened, b"a")
        child = start(
            """
            from tests.crashes.faults import kill_at
            with Environment.open(path, engine=kill_at(5, "before")) as environment:
                with environment.write() as transaction:
                    transaction.put(Database.DOCUMENTS, b"half", b"v")
            """,
            path,
        )
        child.communicate(timeout=60)
        assert child.returncode == -9
        whole = Journal(path)
        header = whole.header
        (*_, last) = whole.transactions()
        whole.close()
        assert last[-1].frame.transaction == opened.stats().last_transaction + 1
        assert keys(opened) == [b"a"]
        put(opened, b"b")
        assert keys(opened) == [b"a", b"b"]
        assert header.state is State.ACTIVE
        assert check_journal(path, opened.stats().last_transaction) == []


# Damage -----------------------------------------------------------------------------------------


@pytest.fixture
def lost(path, tmp_path) -> Path:
    """A database that needs its journal: four commits are only there."""
    with Environment.open(path) as opened:
        put(opened, b"0")
        return behind(opened, tmp_path / "lost", b"1", b"2", b"3", b"4")


def test_a_torn_end_is_the_end(lost) -> None:
    places = frame_places(lost)
    change(lost / JOURNAL_NAME, places[3] + 40, b"torn")
    with Environment.open(lost) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3"]


def test_a_journal_that_was_cut_is_the_end_too(lost) -> None:
    places = frame_places(lost)
    os.truncate(lost / JOURNAL_NAME, places[2] + 10)
    with Environment.open(lost) as found:
        assert keys(found) == [b"0", b"1", b"2"]


@pytest.mark.parametrize("offset", [0, 5, 10, 20, 25, 30, 40])
def test_damage_in_the_midst_is_told_and_changes_nothing(lost, offset) -> None:
    places = frame_places(lost)
    change(lost / JOURNAL_NAME, places[1] + offset, b"\xaa")
    before = (lost / DATA_NAME).read_bytes(), (lost / JOURNAL_NAME).read_bytes()
    with pytest.raises(CorruptionError, match=r"damaged, and later ones are not.*repair"):
        Environment.open(lost)
    assert ((lost / DATA_NAME).read_bytes(), (lost / JOURNAL_NAME).read_bytes()) == before


def test_either_header_is_enough_and_none_is_damage(lost) -> None:
    newest = parse_header(_newest_header(lost))
    older = HEADER_PLACES[(newest.sequence + 1) % 2]
    change(lost / JOURNAL_NAME, older + 20, b"\xff\xff")
    copy = lost.with_name("copy")
    shutil.copytree(lost, copy)
    with Environment.open(lost) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4"]
    change(copy / JOURNAL_NAME, newest.place + 20, b"\xff\xff")
    with pytest.raises(CorruptionError, match=r"none of its two headers.*repair"):
        Environment.open(copy)


def test_every_bit_of_a_header_counts() -> None:
    raw = Header(7, State.ACTIVE, 4096, 2**63 + 1, bytes(range(16)), bytes(16), 12, 5).pack()
    assert parse_header(raw).salt == 2**63 + 1
    for at in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        assert parse_header(bytes(flipped)) is None


def test_a_missing_journal_is_damage(lost) -> None:
    (lost / JOURNAL_NAME).unlink()
    with pytest.raises(CorruptionError, match=r"journal: it is missing.*backup"):
        Environment.open(lost)


def test_a_journal_of_another_database_is_refused(lost, tmp_path) -> None:
    with Environment.open(tmp_path / "other") as opened:
        put(opened, b"x")
        other = unclosed(opened, tmp_path / "unclosed")
    shutil.copy(other / JOURNAL_NAME, lost / JOURNAL_NAME)
    with pytest.raises(CorruptionError, match="files of two databases were mixed"):
        Environment.open(lost)


def test_a_journal_of_another_moment_is_refused(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        early = unclosed(opened, tmp_path / "early")
        for number in range(20):
            put(opened, b"%d" % number)
            opened.sync()
        put(opened, b"z")
        late = unclosed(opened, tmp_path / "late")
    mixed = tmp_path / "mixed"
    for data, frames in ((late, early), (early, late)):
        shutil.copytree(data, mixed)
        shutil.copy(frames / JOURNAL_NAME, mixed / JOURNAL_NAME)
        before = (mixed / DATA_NAME).read_bytes()
        with pytest.raises(CorruptionError, match="files of two moments were mixed"):
            Environment.open(mixed)
        assert (mixed / DATA_NAME).read_bytes() == before
        shutil.rmtree(mixed)


def test_the_journal_of_a_file_that_was_replaced_means_nothing(path, tmp_path, clock) -> None:
    """A repair puts the new file in its place first, and may not come to the end."""
    with Environment.open(path) as opened:
        put(opened, b"old")
        old = unclosed(opened, tmp_path / "old")
    with Environment.open(tmp_path / "new") as opened:
        with opened.write() as transaction:
            transaction.put(Database.META, b"uuid", json_uuid(old).encode())
        put(opened, b"new")
    shutil.copy(tmp_path / "new" / DATA_NAME, old / DATA_NAME)
    with Environment.open(old) as found:
        assert keys(found) == [b"new"]


def json_uuid(directory: Path) -> str:
    return str(json.loads((directory / MANIFEST_NAME).read_text())["uuid"])


def test_a_journal_that_does_not_lead_far_enough_is_found(path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        put(opened, b"b")
        newest = opened.stats().last_transaction
        assert check_journal(path, newest) == []
        (finding,) = check_journal(path, newest + 1)
        assert f"leads up to {newest}, the data file has transaction {newest + 1}" in finding


@pytest.mark.parametrize("is_begun_anew", [False, True])
def test_a_look_at_the_journal_may_be_overtaken_by_commits_at_any_call(
    path, monkeypatch, is_begun_anew
) -> None:
    """The frame that was not there yet is then followed by later ones that are."""
    calls = iter(())
    pread = os.pread

    def overtaken(descriptor: int, length: int, at: int) -> bytes:
        if next(calls, None) == "commit":
            monkeypatch.setattr(os, "pread", pread)
            if is_begun_anew:
                opened.sync()
            put(opened, b"c")
            put(opened, b"d")
        return pread(descriptor, length, at)

    with Environment.open(path) as opened:
        for before in count():
            opened.sync()
            put(opened, b"a")
            put(opened, b"b")
            calls = chain(repeat("look", before), ["commit"])
            monkeypatch.setattr(os, "pread", overtaken)
            assert check_journal(path, opened.stats().last_transaction) == [], before
            if next(calls, None) is not None:
                break
        assert before > 8


# Ways to open -----------------------------------------------------------------------------------


def as_format_1(path: Path) -> None:
    """Make a closed database what an older library has made."""
    with Environment.open(path, durability="none") as opened, opened.write() as transaction:
        transaction.put(Database.META, META_FORMAT, b"1")
        transaction.delete(Database.META, META_JOURNAL)
    (path / JOURNAL_NAME).unlink()
    text = (path / MANIFEST_NAME).read_text()
    assert f'"format": {FORMAT_VERSION}' in text
    (path / MANIFEST_NAME).write_text(text.replace(f'"format": {FORMAT_VERSION}', '"format": 1'))


def test_a_database_of_format_1_is_given_a_journal_by_its_first_writer(path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        uuid = opened.uuid
    as_format_1(path)
    for how in ({"read_only": True}, {"durability": "none"}):
        with Environment.open(path, **how) as opened:
            assert keys(opened) == [b"a"]
            assert opened._journaling is None
        assert not (path / JOURNAL_NAME).exists()
    with Environment.open(path) as opened:
        assert (opened.uuid, keys(opened)) == (uuid, [b"a"])
        put(opened, b"b")
        assert state(opened) is State.ACTIVE
        with opened.read() as snapshot:
            assert snapshot.get(Database.META, META_FORMAT) == b"3"
    assert f'"format": {FORMAT_VERSION}' in (path / MANIFEST_NAME).read_text()


def test_a_database_of_format_1_that_others_have_open_stays_one(path, start) -> None:
    """They may be of an older library, which would not write into the journal."""
    with Environment.open(path) as opened:
        put(opened, b"a")
    as_format_1(path)
    other = kept_open(path, start)
    with Environment.open(path) as opened:
        assert opened._journaling is None
        assert opened._lmdb.flags()["sync"] is True
        put(opened, b"b")
        other.stdin.write("\n")
        other.stdin.flush()
        other.wait(30)
        put(opened, b"c")
    with Environment.open(path) as opened:
        assert opened._journaling is not None
        assert keys(opened) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("number", range(6))
def test_an_upgrade_that_dies_can_be_done_again(path, monkeypatch, number) -> None:
    from headwater.storage import upgrading

    class Died(BaseException):
        pass

    with Environment.open(path) as opened:
        put(opened, b"a")
    as_format_1(path)
    calls = []

    def dying(function):
        def called(*arguments, **options):
            for _ in range(2):  # before it and after it
                calls.append(function)
                if len(calls) == number + 1:
                    raise Died
                if len(calls) % 2:
                    result = function(*arguments, **options)
            return result

        return called

    with monkeypatch.context() as patch:
        for name in ("create_journal", "open_to_mend", "write_manifest"):
            patch.setattr(upgrading, name, dying(getattr(upgrading, name)))
        with pytest.raises(Died):
            Environment.open(path)
    with Environment.open(path) as opened:
        assert keys(opened) == [b"a"]
        put(opened, b"b")
        assert state(opened) is State.ACTIVE


def as_format_2(path: Path) -> None:
    """Make a closed database what a library without compressed commits has made."""
    with Environment.open(path, durability="none") as opened, opened.write() as transaction:
        transaction.put(Database.META, META_FORMAT, b"2")
    manifest = path / MANIFEST_NAME
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT_VERSION}', '"format": 2'))


def test_a_database_of_format_2_becomes_one_of_the_newest_at_its_next_opening(path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
    as_format_2(path)
    with Environment.open(path, read_only=True) as opened:
        assert (opened.compresses, keys(opened)) == (False, [b"a"])
    for how in ({}, {"durability": "none"}):
        as_format_2(path)
        with Environment.open(path, **how) as opened:
            assert (opened.compresses, keys(opened)) == (True, [b"a"])
            with opened.read() as snapshot:
                assert snapshot.get(Database.META, META_FORMAT) == b"%d" % FORMAT_VERSION
        assert f'"format": {FORMAT_VERSION}' in (path / MANIFEST_NAME).read_text()


def test_a_database_of_format_2_that_was_not_closed_is_recovered_first(lost) -> None:
    manifest = lost / MANIFEST_NAME
    manifest.write_text(manifest.read_text().replace(f'"format": {FORMAT_VERSION}', '"format": 2'))
    with Environment.open(lost) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4"]
        put(found, b"5")
    with Environment.open(lost) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_a_database_of_format_2_that_others_have_open_stays_one(path, start) -> None:
    """They may be of an older library, which would take a compressed commit for damage."""
    with Environment.open(path) as opened:
        put(opened, b"a")
    as_format_2(path)
    other = kept_open(path, start)
    with Environment.open(path) as opened, opened.write() as transaction:
        assert transaction.compresses is False
    other.stdin.write("\n")
    other.stdin.flush()
    other.wait(30)


def test_an_unclosed_database_is_brought_up_to_date_by_a_reader(lost) -> None:
    with Environment.open(lost, read_only=True) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4"]
        assert found._journaling is None
    assert parse_header(_newest_header(lost)).state is State.IDLE


def test_a_reader_that_may_not_write_says_what_to_do(lost, monkeypatch) -> None:
    true = os.open

    def refuse(place, flags, *arguments, **options):
        if Path(place).name == JOURNAL_NAME and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "injected")
        return true(place, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ReadOnlyError, match=r"was not closed.*open it once where it can be"):
        Environment.open(lost, read_only=True)


def test_throw_away_writers_leave_no_journal_that_is_wrong(path, tmp_path, lost) -> None:
    """With durability "none", what is only in the journal is brought to the file first."""
    with Environment.open(lost, durability="none") as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4"]
        put(found, b"5")
        killed = unclosed(found, tmp_path / "killed")
    with Environment.open(killed) as found:
        assert keys(found) == [b"0", b"1", b"2", b"3", b"4", b"5"]
        put(found, b"6")


def test_durable_and_throw_away_writers_may_take_turns(path, start, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        other = start(
            """
            with Environment.open(path, durability="none") as environment:
                while True:
                    print("ready", flush=True)
                    key = input()
                    if not key:
                        break
                    with environment.write() as transaction:
                        transaction.put(Database.DOCUMENTS, key.encode(), b"v")
            """,
            path,
        )
        for number in range(4):
            assert other.stdout.readline() == "ready\n"
            other.stdin.write(f"none{number}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "ready\n"
            put(opened, b"full%d" % number)
            found = check_journal(path, opened.stats().last_transaction)
            assert found == []
            other.stdin.write(f"more{number}\n")
            other.stdin.flush()
        other.stdin.write("\n\n")
        other.stdin.flush()
        other.wait(30)
        assert len(keys(opened)) == 13 - 4 + 4


def test_a_durable_commit_may_come_between_a_great_one_and_the_small_one_after_it(
    path, start
) -> None:
    with Environment.open(path) as opened:
        other = start(
            """
            turn_page = Environment._turn_page
            def paused(environment):
                print("great", flush=True)
                input()
                turn_page(environment)
            Environment._turn_page = paused
            with Environment.open(path, durability="none") as environment:
                with environment.write() as transaction:
                    items = [(b"%04d" % number, b"v") for number in range(2000)]
                    transaction.put_many(Database.DOCUMENTS, items)
                print("small", flush=True)
                input()
            """,
            path,
        )
        assert other.stdout.readline() == "great\n"
        put(opened, b"durable")
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "small\n"
        assert check_journal(path, opened.stats().last_transaction) == []
        assert len(keys(opened)) == 2001
        other.stdin.write("\n")
        other.stdin.flush()
        other.wait(30)


@pytest.mark.parametrize("durability", ["full", "none"])
def test_a_great_removal_of_what_is_not_there_leaves_the_journal_as_it_is(path, durability) -> None:
    with Environment.open(path, durability=durability) as opened:
        put(opened, b"a")
        with opened.write() as transaction:
            assert transaction.delete_many(DATA, [b"%04d" % number for number in range(2000)]) == 0
        assert check_journal(path, opened.stats().last_transaction) == []


def test_a_backup_of_an_open_database_stands_for_itself(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        put(opened, b"a")
        put(opened, b"b")
        opened.copy_to(tmp_path / "backup")
        assert state(opened) is State.ACTIVE
    assert parse_header(_newest_header(tmp_path / "backup")).state is State.IDLE
    with Environment.open(tmp_path / "backup") as copy:
        assert keys(copy) == [b"a", b"b"]
        put(copy, b"c")
        target = behind(copy, tmp_path / "lost", b"d")
    with Environment.open(target) as found:
        assert keys(found) == [b"a", b"b", b"c", b"d"]


def test_a_compacted_file_goes_on_with_the_journal(path, tmp_path) -> None:
    with Environment.open(path) as opened:
        for number in range(50):
            put(opened, b"%d" % number, value=b"v" * 1000)
        with opened.write() as transaction:
            transaction.clear(DATA)
        put(opened, b"a")
        assert opened.compact().bytes_after < 200_000
        put(opened, b"b")
        target = behind(opened, tmp_path / "lost", b"c")
    with Environment.open(target) as found:
        assert keys(found) == [b"a", b"b", b"c"]
