"""A damaged database is made anew of what is left.

Goal: what is not damaged comes back, what does not is named, the result is sound, and nothing is
made worse, whenever the repair is killed or fails. Method: damage of every kind is planted into
copies of one database whose contents are known: each page wiped, each page torn, each record
changed, the file cut, heads wiped; and a repair is killed at each of its steps.
"""

import contextlib
import errno
import itertools
import os
import re
import shutil
import signal
from itertools import islice
from pathlib import Path
from typing import NamedTuple, get_args

import lmdb
import pytest
from tests.crashes import faults, repair_steps, workload
from tests.crashes.faults import Faults, failure
from tests.crashes.raw import check_sound, dump
from tests.transactions.test_revival import adopted, make_foreign

import headwater as hw
from headwater.storage.commit_log import decode_commit
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_VERSION,
    JOURNAL_NAME,
    MANIFEST_NAME,
    Database,
    timestamp_key,
)
from headwater.storage.journal import Journal
from headwater.storage.pages import Pages
from headwater.tables import repair as repairing
from headwater.tables.problems import Problem, ProblemKind

PAGE = 4096
STEPS = 26
SHARDS = 4


class Whole(NamedTuple):
    """A sound database, and what is in it."""

    path: Path
    data: bytes
    log: dict[int, bytes]
    documents: dict[str, bytes]
    projections: dict[str, list[tuple[bytes, bytes]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    path = tmp_path_factory.mktemp("whole") / "db.hw"
    module = workload.declare()
    with hw.open(path, modules=[module]) as db:
        for step in islice(workload.steps("repair"), STEPS):
            db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
        projections = dump(db)
        with db._store.environment.read() as reader:
            log = {
                int.from_bytes(key, "big"): value
                for key, value in reader.scan(Database.LOG, b"", None)
            }
    documents = {key.decode(): value for key, value in projections["DOCUMENTS"]}
    return Whole(path, (path / DATA_NAME).read_bytes(), log, documents, projections)


@pytest.fixture
def path(whole, place) -> Path:
    return Path(shutil.copytree(whole.path, place / "db.hw"))


@pytest.fixture
def quick(monkeypatch):
    """Repairs that believe that something is wrong, without asking another process."""
    found = [Problem("pages_damaged", "", "", 0, "planted")]
    monkeypatch.setattr(repairing, "check", lambda *_, **__: found)


def contents(path: Path) -> tuple[dict[int, bytes], dict[str, bytes]]:
    """The log and the documents of a sound database."""
    with hw.open(path) as db:
        assert db.verify() == []
        with db._store.environment.read() as reader:
            log = list(reader.scan(Database.LOG, b"", None))
            documents = list(reader.scan(Database.DOCUMENTS, b"", None))
    return {int.from_bytes(k, "big"): v for k, v in log}, {k.decode(): v for k, v in documents}


def check_saved(whole: Whole, path: Path, report: hw.RepairReport) -> None:
    """All that came back is what was written, and all that did not is named."""
    log, documents = contents(path)
    lost = [lost for lost in report.lost if lost.kind == "commit"]
    missing = whole.log.keys() - log.keys()
    assert all(any(gap.after < ts <= gap.ts for gap in lost) for ts in missing)
    if more := log.keys() - whole.log.keys():
        (ts,) = more  # it names tables whose declaration is lost
        assert b"recovered_" in log[ts]
        assert ts - 1 == max(log.keys() - more)
    for ts in log.keys() & whole.log.keys():
        value = log[ts]
        if value != whole.log[ts]:
            saved, true = (decode_commit(timestamp_key(ts), v) for v in (value, whole.log[ts]))
            bodies = {event.id: event.body for event in true.events}
            assert all(bodies[event.id] == event.body for event in saved.events)
            assert lost
    if not lost:
        assert documents == whole.documents
    assert documents.keys() <= whole.documents.keys() or lost
    assert (report.commits, report.documents) == (len(log), len(documents))


def repaired(whole: Whole, path: Path) -> hw.RepairReport:
    report = hw.repair(path)
    assert report.path == path
    assert report.kept is not None
    assert report.problems
    check_saved(whole, path, report)
    return report


# Nothing is wrong -------------------------------------------------------------------------------


def test_a_sound_database_is_left_alone(whole, path) -> None:
    report = hw.repair(path)
    assert report == hw.RepairReport(path, None, [], [], 0, 0)
    assert (path / DATA_NAME).read_bytes() == whole.data
    assert not list(path.glob("damaged-*"))


def test_an_open_database_is_not_repaired(path, start) -> None:
    with hw.open(path), pytest.raises(hw.AlreadyOpenError, match="open in this process"):
        hw.repair(path)
    child = start("db = hw.open(path)\nsay('open')\nhear()", path)
    assert child.hear() == "open"
    with pytest.raises(hw.AlreadyOpenError, match="another process has it open"):
        hw.repair(path)
    assert hw.check(path) == []
    child.tell()
    child.finish()
    assert hw.repair(path).kept is None


def test_nothing_is_no_database(place) -> None:
    for use in (hw.check, hw.repair):
        with pytest.raises(hw.NotADatabaseError, match="there is no directory"):
            use(place / "missing")
        with pytest.raises(hw.NotADatabaseError, match="neither"):
            use(place)


# The journal ------------------------------------------------------------------------------------


@pytest.fixture
def behind(place) -> tuple[Path, list[int]]:
    """A database that needs its journal, and the timestamps of the commits that only that has."""
    path, target = place / "live.hw", place / "behind.hw"
    with hw.open(path) as db:
        db.transact(lambda tx: tx.insert("notes", {"n": 0}))
        db._store.environment.sync()
        before = (path / DATA_NAME).read_bytes()
        stamps = []
        for number in range(1, 5):
            db.transact(lambda tx, n=number: tx.insert("notes", {"n": n}))
            stamps.append(db.ts)
        target.mkdir()
        for name in (JOURNAL_NAME, MANIFEST_NAME):
            shutil.copy(path / name, target)
        (target / DATA_NAME).write_bytes(before)
    return target, stamps


def notes(path: Path) -> list[int]:
    with hw.open(path) as db, db.snapshot() as snapshot:
        assert db.verify() == []
        return sorted(note["n"] for note in snapshot.query("notes"))


def test_a_check_of_a_database_that_was_not_closed_finds_nothing(behind) -> None:
    path, _ = behind
    assert hw.check(path) == []
    assert notes(path) == [0, 1, 2, 3, 4]


def test_a_damaged_journal_costs_what_only_it_had(behind) -> None:
    path, _ = behind
    opened = Journal(path)
    ends = [frames[-1].end for frames in opened.transactions()]
    opened.close()
    raw = bytearray((path / JOURNAL_NAME).read_bytes())
    raw[ends[1] + 40] ^= 1  # in the third of four
    (path / JOURNAL_NAME).write_bytes(raw)
    with pytest.raises(hw.CorruptionError, match="repair"):
        hw.open(path)
    assert [problem.kind for problem in hw.check(path)] == ["journal_damaged"]
    report = hw.repair(path)
    assert [problem.kind for problem in report.problems] == ["journal_damaged"]
    assert report.kept is not None
    assert (report.kept / JOURNAL_NAME).read_bytes() == raw
    assert notes(path) == [0, 1, 2]


def test_without_its_journal_a_database_is_what_its_data_file_is(behind) -> None:
    path, _ = behind
    (path / JOURNAL_NAME).unlink()
    assert "journal_damaged" in [problem.kind for problem in hw.check(path)]
    assert hw.repair(path).kept is not None
    assert notes(path) == [0]
    with hw.open(path) as db:
        db.transact(lambda tx: tx.insert("notes", {"n": 9}))
    assert notes(path) == [0, 9]


# Pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("kind", ["wiped", "torn", "older"])
def test_a_damaged_page_costs_what_only_it_had(whole, place, quick, shard, kind) -> None:
    for number in range(shard, len(whole.data) // PAGE, SHARDS):
        path = place / str(number)
        shutil.copytree(whole.path, path)
        data = bytearray(whole.data)
        start = number * PAGE
        other = (number + 2) * PAGE % len(data)
        if kind == "wiped":
            data[start : start + PAGE] = bytes(PAGE)
        elif kind == "torn":
            data[start + 512 : start + PAGE] = bytes(PAGE - 512)
        else:
            data[start : start + PAGE] = whole.data[other : other + PAGE]
        (path / DATA_NAME).write_bytes(data)
        report = hw.repair(path)
        assert report.kept == path / "damaged-1"
        assert (report.kept / DATA_NAME).read_bytes() == data
        check_saved(whole, path, report)
        shutil.rmtree(path)


@pytest.mark.parametrize("heads", [(0,), (1,), (0, 1)])
def test_without_heads_the_records_are_found_on_all_pages(whole, path, quick, heads) -> None:
    data = bytearray(whole.data)
    for head in heads:
        data[head * PAGE : (head + 1) * PAGE] = bytes(PAGE)
    (path / DATA_NAME).write_bytes(data)
    report = hw.repair(path)
    check_saved(whole, path, report)
    log, documents = contents(path)
    assert log == whole.log
    assert documents == whole.documents
    assert report.lost == []


@pytest.mark.parametrize("shard", range(SHARDS))
def test_of_a_file_that_was_cut_the_rest_is_saved(whole, place, quick, shard) -> None:
    for size in list(range(PAGE, len(whole.data), PAGE // 2))[shard::SHARDS]:
        path = place / str(size)
        shutil.copytree(whole.path, path)
        (path / DATA_NAME).write_bytes(whole.data[:size])
        try:
            report = hw.repair(path)
        except hw.CorruptionError:
            assert size <= len(whole.data) // 2
            assert (path / DATA_NAME).read_bytes() == whole.data[:size]
        else:
            check_saved(whole, path, report)
        shutil.rmtree(path)


def test_a_check_outlives_every_page_that_is_wiped(whole, path) -> None:
    """Some of them kill the process that looks, which is not this one."""
    with Pages(path / DATA_NAME) as pages:
        roots = max(pages.heads, key=lambda head: head.transaction).roots
    for number in (*roots, roots[1] - 1, 0):
        data = bytearray(whole.data)
        data[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
        (path / DATA_NAME).write_bytes(data)
        for problem in hw.check(path):
            assert problem.kind in get_args(ProblemKind)
            assert "hw.repair" in problem.advice or "db.rebuild" in problem.advice
            break
        else:
            assert number == roots[1] - 1, "the roots count"


def test_an_open_database_whose_pages_are_damaged_says_so(whole, path) -> None:
    with hw.open(path) as db, Pages(path / DATA_NAME) as pages:
        newest = max(pages.heads, key=lambda head: head.transaction)
        with (path / DATA_NAME).open("r+b") as file:
            file.seek(newest.roots[1] * PAGE)
            before = file.read(PAGE)
            file.seek(newest.roots[1] * PAGE + 8)
            file.write(b"\x55" * 8)
            file.flush()
            kinds = {problem.kind for problem in db.verify()}
            file.seek(newest.roots[1] * PAGE)
            file.write(before)
            file.flush()
        assert kinds == {"pages_damaged"}
        assert db.verify() == []


# Records ----------------------------------------------------------------------------------------


def places_of(data: bytes, content: bytes) -> list[int]:
    return [match.start() for match in re.finditer(re.escape(content), data)]


def change_all(path: Path, content: bytes) -> None:
    """Flip a bit in the middle of every copy of some bytes."""
    data = bytearray((path / DATA_NAME).read_bytes())
    found = places_of(bytes(data), content)
    assert found
    for at in found:
        data[at + len(content) // 2] ^= 1
    (path / DATA_NAME).write_bytes(data)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_damaged_commit_comes_back_from_its_documents(whole, place, quick, shard) -> None:
    for ts in sorted(whole.log)[shard::SHARDS]:
        if len(whole.log[ts]) > 3000:
            continue  # lies on pages of its own; pages have a test of theirs
        path = place / str(ts)
        shutil.copytree(whole.path, path)
        change_all(path, whole.log[ts])
        report = hw.repair(path)
        check_saved(whole, path, report)
        assert {lost.ts for lost in report.lost if lost.kind == "commit"} == {ts}
        _, documents = contents(path)
        written = {id for id, value in whole.documents.items() if value[4:12] == timestamp_key(ts)}
        assert {id: documents[id] for id in written} == {id: whole.documents[id] for id in written}
        shutil.rmtree(path)


def test_a_damaged_document_comes_back_from_its_commit(whole, place, quick) -> None:
    for id_text, value in list(whole.documents.items())[::5]:
        path = place / id_text
        shutil.copytree(whole.path, path)
        change_all(path, value[:20])
        report = hw.repair(path)
        assert report.lost == []
        assert contents(path) == (whole.log, whole.documents)
        shutil.rmtree(path)


def test_a_document_and_its_commit_that_are_both_damaged_are_named(whole, path, quick) -> None:
    id_text, value = next((id, value) for id, value in whole.documents.items() if b"short" in value)
    ts = int.from_bytes(value[4:12], "big")
    change_all(path, value[:20])
    change_all(path, whole.log[ts][:40])
    report = hw.repair(path)
    check_saved(whole, path, report)
    assert ts in {lost.ts for lost in report.lost}
    _, documents = contents(path)
    assert documents.get(id_text) != value
    assert all("lost" in lost.message or "found" in lost.message for lost in report.lost)


def test_tables_whose_declaration_is_lost_get_a_name(whole, path, quick) -> None:
    """The documents of ``_tables``, and the commits that wrote them."""
    for value in whole.documents.values():
        if b"halves" in value and b"schema" in value:
            change_all(path, value[:20])
            change_all(path, whole.log[int.from_bytes(value[4:12], "big")][:40])
    report = hw.repair(path)
    assert report.lost
    with hw.open(path) as db:
        (name,) = [name for name in db.tables() if name.startswith("recovered_")]
        assert db.verify() == []
        with db.snapshot() as snapshot:
            assert snapshot.query(name).first()["side"] in {"left", "right"}


@pytest.mark.parametrize("content", [b"", b"{", b'{"magic": 1}'])
def test_a_manifest_that_is_lost_is_written_anew(whole, path, content) -> None:
    (path / MANIFEST_NAME).write_bytes(content)
    assert [problem.kind for problem in hw.check(path)] == ["manifest_damaged"]
    report = hw.repair(path)
    assert [problem.kind for problem in report.problems] == ["manifest_damaged"]
    assert report.lost == []
    assert contents(path) == (whole.log, whole.documents)
    true, found = (
        (at / MANIFEST_NAME).read_text().split('"uuid": ')[1][:34] for at in (whole.path, path)
    )
    assert found == true


def test_without_data_nothing_can_be_saved(path) -> None:
    (path / DATA_NAME).unlink()
    assert [problem.kind for problem in hw.check(path)] == ["file_damaged"]
    with pytest.raises(hw.CorruptionError, match=r"nothing can be saved.*missing.*backup"):
        hw.repair(path)
    (path / DATA_NAME).write_bytes(b"")
    with pytest.raises(hw.CorruptionError, match="nothing can be saved"):
        hw.repair(path)
    (path / DATA_NAME).write_bytes(os.urandom(10 * PAGE))
    with pytest.raises(hw.CorruptionError, match="nothing can be saved"):
        hw.repair(path)
    assert sorted(entry.name for entry in path.iterdir() if entry.is_dir()) == ["members"]


def test_a_newer_format_is_left_alone(path) -> None:
    manifest = path / MANIFEST_NAME
    known, newer = (f'"format": {FORMAT_VERSION + more}' for more in (0, 1))
    manifest.write_text(manifest.read_text().replace(known, newer))
    for use in (hw.check, hw.repair):
        with pytest.raises(hw.NewerFormatError):
            use(path)


def test_the_key_of_a_commit_beyond_time_names_repair(whole, path) -> None:
    """The newest commit's key with its first bit set: what opening reads first."""
    newest = timestamp_key(max(whole.log))
    data = bytearray(whole.data)
    for at in places_of(whole.data, newest + whole.log[max(whole.log)][:4]):
        data[at] |= 0x80
    (path / DATA_NAME).write_bytes(data)
    with pytest.raises(hw.CorruptionError, match=r"hw\.repair"):
        hw.open(path)
    report = repaired(whole, path)
    assert {lost.ts for lost in report.lost} <= {max(whole.log)}


# A trimmed log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", range(2))
def test_what_was_trimmed_away_does_not_come_back(whole, place, quick, shard) -> None:
    """Its bytes are still on pages that nothing leads to."""
    trimmed = place / "trimmed"
    shutil.copytree(whole.path, trimmed)
    with hw.open(trimmed) as db:
        horizon = db.trim_log(sorted(whole.log)[-8]).horizon
    log, documents = contents(trimmed)
    assert len(log) < len(whole.log)
    data = (trimmed / DATA_NAME).read_bytes()
    for number in range(2 + shard, len(data) // PAGE, 2):
        path = place / str(number)
        shutil.copytree(trimmed, path)
        damaged = bytearray(data)
        damaged[number * PAGE : (number + 1) * PAGE] = bytes(PAGE)
        (path / DATA_NAME).write_bytes(damaged)
        report = hw.repair(path)
        saved, found = contents(path)
        gone = whole.log.keys() - log.keys()
        assert saved.keys().isdisjoint(gone)
        if not report.lost:
            assert found == documents
            assert saved == log
            with hw.open(path) as db, pytest.raises(hw.LogTrimmedError):
                db.snapshot(at=horizon - 1)
        shutil.rmtree(path)


def test_documents_from_elsewhere_keep_their_order(place, quick) -> None:
    """Their ids do not have their creation times, so all of it has to come from the records."""
    true = place / "true"
    with hw.open(true) as db:
        db.transact(lambda tx: tx.insert("notes", {"a": 0}))
        make_foreign(db._store, "notes")
        ids = adopted(db._store, 5000.0, 1000.0, 9000.0, 3000.0)
        db.transact(lambda tx: tx.patch(ids[0], a=50))
        db.transact(lambda tx: tx.delete(ids[1]))
        with db.snapshot() as snapshot:
            expected = snapshot.query("notes").collect()
    data = (true / DATA_NAME).read_bytes()
    whole = 0
    for number in range(len(data) // PAGE):
        path = place / str(number)
        shutil.copytree(true, path)
        (path / DATA_NAME).write_bytes(
            data[: number * PAGE] + bytes(PAGE) + data[(number + 1) * PAGE :]
        )
        report = hw.repair(path)
        with hw.open(path) as db, db.snapshot() as snapshot:
            assert db.verify() == []
            if not report.lost:
                whole += 1
                assert snapshot.query("notes").collect() == expected
    assert whole > 10


# Never worse ------------------------------------------------------------------------------------


def damaged(whole: Whole, path: Path) -> bytes:
    """A database with a damaged commit."""
    shutil.copytree(whole.path, path)
    change_all(path, whole.log[sorted(whole.log)[-2]][:40])
    return (path / DATA_NAME).read_bytes()


def repair_in_fork(path: Path, number: int) -> int:
    """Repair in a child that is killed before its n-th change of the directory; how it ended."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            repair_steps.kill_at(number, path)
            hw.repair(path)
            os._exit(0)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_repair_that_is_killed_at_any_step_changes_nothing_or_all(whole, place, quick) -> None:
    states = set()
    for number in itertools.count(1):
        path = place / str(number)
        before = damaged(whole, path)
        code = repair_in_fork(path, number)
        after = (path / DATA_NAME).read_bytes()
        states.add(after == before)
        kept = [(entry / DATA_NAME).read_bytes() for entry in path.glob("damaged-*")]
        assert after == before or kept == [before]
        assert all(found == before for found in kept)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if after == before:
            check_saved(whole, path, hw.repair(path))
            assert not list(path.glob("repair-*"))
        with hw.open(path) as db:
            check_sound(db)
        shutil.rmtree(path)
    assert states == {True, False}
    assert number > 10


def test_a_repair_that_fails_changes_nothing(whole, place, quick) -> None:
    for number in itertools.count(1):
        path = place / str(number)
        before = damaged(whole, path)
        armed = Faults()

        def fail(reached: int, _: str, at=number) -> None:
            if reached == at:
                raise failure(errno.ENOSPC, lmdb.DiskError)

        armed.before = fail
        with faults.engine(armed):
            try:
                hw.repair(path)
            except hw.DatabaseFullError:
                pass
            else:
                break
        assert (path / DATA_NAME).read_bytes() == before
        assert not list(path.glob("damaged-*"))
        assert not list(path.glob("repair-*"))
        shutil.rmtree(path)
    assert number > 5
