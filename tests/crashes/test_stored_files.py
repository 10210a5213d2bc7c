"""kill -9 while files are stored, deleted and collected, by one process and by several.

Goal: every file that was acknowledged has its bytes, none that was deleted is there, no document
names a content that is not there, and what nothing names is gone after one collection.
"""

import hashlib
import random
import signal

import pytest
from tests.services import filing

import headwater as hw
from headwater.tables import repair as repairing
from headwater.tables.problems import Problem

ROUNDS = 12

WORKER = """
import random
from tests.crashes.test_stored_files import content_of
from tests.services import filing
from headwater.storage import contents
seed, fatal = sys.argv[2], int(sys.argv[3])
draw = random.Random(seed)
left = [fatal]
def deadly(original):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        done = original(*arguments, **options)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call
with hw.open(path, modules=[filing]) as db:
    if fatal:
        for name in ("write", "fsync", "open", "close", "link"):
            setattr(contents.os, name, deadly(getattr(contents.os, name)))
        for name in ("replace", "unlink", "mkdir"):
            setattr(contents.Path, name, deadly(getattr(contents.Path, name)))
        contents.fcntl.flock = deadly(contents.fcntl.flock)
    own = []
    os.write(1, b"open\\n")
    for turn in range(200):
        if own and draw.random() < 0.5:
            file = own.pop(draw.randrange(len(own)))
            os.write(1, f"deleting {file}\\n".encode())
            db.mutate(filing.delete, file=file)
            os.write(1, f"deleted {file}\\n".encode())
        elif draw.random() < 0.2:
            db.storage.collect()
        else:
            number = draw.randrange(4)
            file = db.storage.store(content_of(number), filename=str(number))
            own.append(file)
            os.write(1, f"stored {file} {number}\\n".encode())
"""


def content_of(number: int) -> bytes:
    return bytes([number]) * (number * 100_000)


class Told:
    """What children have said."""

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.doubtful: set[str] = set()

    def hear(self, lines: list[str]) -> None:
        for line in lines:
            word, *facts = line.split()
            if word == "stored":
                self.there[facts[0]] = int(facts[1])
            elif word == "deleting":
                self.doubtful.add(facts[0])
            elif word == "deleted":
                del self.there[facts[0]]
                self.doubtful.discard(facts[0])


def check(path, told: Told) -> None:
    with hw.open(path, modules=[filing]) as db:
        assert [
            problem for problem in db.storage.verify() if problem.kind != "content_unnamed"
        ] == []
        with db.snapshot() as snapshot:
            stored = {file["_id"]: file for file in snapshot.query(hw.StoredFiles)}
        for file, number in told.there.items():
            if file in stored or file not in told.doubtful:
                with db.storage.get(file) as found:
                    assert found.read() == content_of(number)
        while db.storage.collect():
            pass
        named = {file["sha256"] for file in stored.values()}
        assert {found.name for found in (path / "files").glob("??/*")} == named
        assert list((path / "files" / "incoming").glob("*")) == []
        known = {hashlib.sha256(content_of(number)).hexdigest() for number in range(4)}
        assert named <= known
        assert db.storage.verify() == []
        assert db.verify() == []


@pytest.mark.parametrize("kind", ["call", "line"])
def test_a_kill_at_any_moment_loses_no_file_and_leaves_no_content(path, start, kind) -> None:
    draw = random.Random(kind)
    told = Told()
    for round_ in range(ROUNDS):
        fatal = draw.randint(1, 120) if kind == "call" else 0
        child = start(WORKER, path, f"{kind}{round_}", fatal)
        lines = [child.hear() for _ in range(draw.randint(1, 20))] if kind == "line" else []
        lines += child.kill() if kind == "line" else child.rest()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        told.hear(lines)
        check(path, told)
    assert told.there


def test_a_repair_keeps_the_contents_that_documents_may_have_named(path, monkeypatch) -> None:
    with hw.open(path, modules=[filing]) as db:
        db.storage.store(b"content")
    monkeypatch.setattr(
        repairing, "check", lambda *_, **__: [Problem("pages_damaged", "", "", 0, "planted")]
    )
    report = hw.repair(path)
    assert report.kept is not None
    (kept,) = (report.kept / "files").glob("??/*")
    assert kept.read_bytes() == b"content"


def test_processes_that_store_and_collect_the_same_contents_lose_nothing(path, start) -> None:
    with hw.open(path, modules=[filing]) as db:
        db.storage.store(b"")
    told = Told()
    children = [start(WORKER, path, f"several{number}", number * 400) for number in range(3)]
    for child in children:
        lines = child.rest()
        told.hear(lines)
        assert child.process.returncode in {0, -signal.SIGKILL}, child.errors
    assert any(child.process.returncode == 0 for child in children)
    check(path, told)
