"""A power loss at any moment of a commit, a checkpoint or a recovery.

Goal: everything that was acknowledged is there, of the rest a commit is there as a whole or not at
all, verification is clean, and the database goes on. Method: whatever is written and flushed is
followed; from it those files are put together that a power loss at a drawn moment could have left
(`power.py`), and children open them.
"""

import errno
import os
import random
import shutil
from collections.abc import Callable
from itertools import count, islice
from pathlib import Path

import pytest
from tests.crashes import faults, workload
from tests.crashes.faults import Faults
from tests.crashes.power import PAGE, READER, Disk, Image, judge
from tests.processes.children import nursery

import headwater as hw
from headwater.storage import journal, journaling, recovery
from headwater.storage.flushing import flush_data, write_at
from headwater.storage.journal_format import HEADER_PLACES, Header, State, parse_header
from headwater.storage.journaling import newest_of
from headwater.storage.manifest import read_manifest
from headwater.storage.pages import HEAD_BYTES

CHECKPOINT_BYTES = 300_000
"""A checkpoint every few commits, made by a commit: it is known when."""


@pytest.fixture
def often(monkeypatch) -> None:
    monkeypatch.setattr(journaling, "CHECKPOINT_LATEST_BYTES", CHECKPOINT_BYTES)


class Followed:
    """A database whose writes and flushes are followed, with power losses in between."""

    def __init__(self, place: Path, seed: str, monkeypatch, share: float) -> None:
        self.acknowledged = {seed: 0}
        self._seed = seed
        self._share = share
        self._draw = random.Random(seed)
        self._module = workload.declare()
        self._path = place / "db.hw"
        armed = Faults()
        with faults.engine(armed):
            self.db = hw.open(self._path, modules=[self._module])
        self.disk = Disk(self._path, place / "images", seed)
        self.checkpoints = 0

        def before(number: int, name: str) -> None:
            self.may_lose_power()

        def after(number: int, name: str) -> None:
            if name == "sync":
                self.disk.data.flushed()
                self.checkpoints += 1
            else:
                self.disk.data.written()
            self.may_lose_power()

        def flush(descriptor: int) -> None:
            self.disk.journal.written()
            self.may_lose_power()
            flush_data(descriptor)
            self.disk.journal.flushed()
            self.may_lose_power()

        armed.before, armed.after = before, after
        monkeypatch.setattr(journal, "flush_data", flush)

    def work(self, steps: int, *, again: bool = False) -> int:
        """Do steps and close; those that are refused perhaps again. Returns how many were."""
        refused = 0
        for step in islice(workload.steps(self._seed), steps):
            before = refused + 1
            while before != refused:
                before = refused
                try:
                    self.db.mutate(
                        self._module.apply, kind=step.kind, ticket=step.ticket, turn=step.round
                    )
                except hw.DiskError as error:
                    if not again or "may or may not" in str(error):
                        raise
                    refused += 1
            self.acknowledged[self._seed] += 1
            self.may_lose_power()
        self.db.close()
        self.may_lose_power()
        return refused

    def may_lose_power(self) -> None:
        if self._draw.random() < self._share:
            self.disk.lose_power(self.acknowledged)


@pytest.mark.parametrize("seed", ["amber", "birch", "cedar"])
def test_what_was_acknowledged_survives_a_power_loss_at_any_moment(
    place, often, monkeypatch, seed
) -> None:
    followed = Followed(place, seed, monkeypatch, 0.06)
    followed.work(60)
    assert followed.checkpoints > 3
    images = followed.disk.images
    assert len(images) > 20
    assert judge(images) == ["right"] * len(images)


class FailingDisk:
    """A flush of the journal that fails, after which the system forgets what it had to write.

    Only what is written again after that is on the disk with the next flush that goes well.
    """

    def __init__(self, followed: Followed, monkeypatch, fails_at: int) -> None:
        self.flushes = 0
        self._fails_at = fails_at
        self._followed = followed
        self._pages: set[int] = set()
        monkeypatch.setattr(journal, "flush_data", self._flush)
        monkeypatch.setattr(journal, "write_at", self._write)

    def _write(self, descriptor: int, raw: bytes, at: int) -> None:
        write_at(descriptor, raw, at)
        self._pages.update(range(at // PAGE, (at + len(raw) - 1) // PAGE + 1))

    def _flush(self, descriptor: int) -> None:
        followed = self._followed
        followed.disk.journal.written()
        followed.may_lose_power()
        self.flushes += 1
        pages, self._pages = self._pages, set()
        if self.flushes == self._fails_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush_data(descriptor)
        followed.disk.journal.flushed_pages(pages)
        followed.may_lose_power()


@pytest.mark.parametrize("shard", range(3))
def test_a_flush_that_failed_is_not_relied_on_when_the_power_goes(
    place, often, monkeypatch, shard
) -> None:
    """Each flush of the journal fails once, those of its headers and those of its frames."""
    images: list[Image] = []
    hit = 0
    for fails_at in count(1 + shard, 3):
        with monkeypatch.context() as patch:
            followed = Followed(place / str(fails_at), f"fail{fails_at}", patch, 0.12)
            disk = FailingDisk(followed, patch, fails_at)
            errors = followed.work(10, again=True)
        images += followed.disk.images
        if disk.flushes < fails_at:
            break
        hit += 1
        assert errors <= 1
    assert hit > 3
    assert judge(images) == ["right"] * len(images)


WITHOUT_HEADS = (
    "from headwater.storage import recovery\nrecovery._put_heads_back = lambda *_: None\n"
)


@pytest.mark.parametrize("half", ["pin", "heads"])
def test_neither_the_pin_nor_the_heads_can_be_left_out(place, often, monkeypatch, half) -> None:
    """Otherwise the test above would find nothing."""
    reader = READER
    if half == "pin":
        renew = journaling.Journaling._renew_pin

        def renew_and_release(self, base: int) -> None:
            renew(self, base)
            self._pin.abort()

        monkeypatch.setattr(journaling.Journaling, "_renew_pin", renew_and_release)
    else:
        reader = WITHOUT_HEADS + READER
    followed = Followed(place, "without", monkeypatch, 0.08)
    followed.work(60)
    outcomes = judge(followed.disk.images, reader)
    assert any(outcome != "right" for outcome in outcomes)


def test_a_power_loss_in_the_midst_of_a_recovery_is_recovered_from(
    place, often, monkeypatch
) -> None:
    """Again and again: what each recovery has written may be on the disk in part."""
    followed = Followed(place, "twice", monkeypatch, 0.05)
    followed.work(40)
    draw = random.Random("twice")
    images: list[Image] = []
    for number, image in enumerate(draw.sample(followed.disk.images, 6)):
        once = _recover_and_lose_power(image, place / f"once{number}", monkeypatch)
        for again in draw.sample(once, min(2, len(once))):
            target = place / f"twice{len(images)}"
            images += _recover_and_lose_power(again, target, monkeypatch)
        images += once
    assert len(images) > 60
    assert judge(images) == ["right"] * len(images)


def _recover_and_lose_power(image: Image, target: Path, monkeypatch) -> list[Image]:
    """What may be found if the power goes while an image is being recovered."""
    path = target / "db.hw"
    shutil.copytree(image.directory, path)
    disk = Disk(path, target, str(target.name))

    def step() -> None:
        disk.data.written()
        disk.journal.written()
        disk.lose_power(image.acknowledged)

    def follow(function: Callable) -> Callable:
        def followed(*arguments, **options):
            step()
            result = function(*arguments, **options)
            step()
            return result

        return followed

    with monkeypatch.context() as patch:
        for module, name in (
            (recovery, "_put_heads_back"),
            (recovery, "_replay"),
            (recovery, "go_on_from"),
        ):
            patch.setattr(module, name, follow(getattr(module, name)))
        flush = recovery._flush

        def flushed(directory: Path) -> None:
            step()
            flush(directory)
            disk.data.flushed()
            step()

        patch.setattr(recovery, "_flush", flushed)
        recovery.recover(path, read_manifest(path).uuid)
        disk.journal.flushed()
    shutil.rmtree(path)
    return disk.images


WORKER = """
from tests.crashes import workload
from headwater.storage import checkpointing, journaling
checkpointing.CHECKPOINT_SECONDS = 3600
journaling.CHECKPOINT_LATEST_BYTES = int(sys.argv[3])
module = workload.declare()
db = hw.open(path, modules=[module])
say("open")
for step in workload.steps(sys.argv[2]):
    if hear() != "go":
        break
    db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
    say("done")
db.close()
say("closed")
"""


class Team:
    """Processes that commit in turn, some of which are killed."""

    def __init__(self, place: Path, start, draw: random.Random) -> None:
        self.path = place / "db.hw"
        hw.open(self.path).close()
        self.disk = Disk(self.path, place / "images", "team")
        self.acknowledged: dict[str, int] = {}
        self.sequences: set[int] = set()
        self._start = start
        self._draw = draw
        self._workers: dict[str, object] = {}

    def join(self) -> None:
        seed, is_first = f"w{len(self.acknowledged)}", not self._workers
        worker = self._start(WORKER, self.path, seed, CHECKPOINT_BYTES)
        assert worker.hear() == "open", worker.errors
        self._workers[seed] = worker
        self.acknowledged[seed] = 0
        if is_first:  # it has recovered what the last one left
            self.disk.data.flushed()
        self.look()

    def step(self) -> None:
        seed = self._draw.choice(list(self._workers))
        worker = self._workers[seed]
        worker.tell("go")
        assert worker.hear() == "done", worker.errors
        self.acknowledged[seed] += 1
        self.look()

    def kill(self) -> None:
        """Kill one of them in the midst of a step."""
        seed = self._draw.choice(list(self._workers))
        worker = self._workers.pop(seed)
        worker.tell("go")
        said = [worker.hear()] if self._draw.random() < 0.25 else []
        is_done = "done" in said + worker.kill()
        self.acknowledged[seed] += is_done
        self.look(is_flushed=is_done)

    def leave(self) -> None:
        """One of them closes the database."""
        if len(self._workers) > 1:
            seed = self._draw.choice(list(self._workers))
            worker = self._workers.pop(seed)
            worker.tell("end")
            assert worker.finish() == ["closed"]
            self.look()

    def look(self, *, is_flushed: bool = True) -> None:
        """Take note of what the last one to do something has done.

        A new header says that the data file was flushed before anything else was written. Who was
        told that a commit happened knows that the journal was flushed.
        """
        headers = [parse_header(self.disk.journal.path.read_bytes()[at:]) for at in HEADER_PLACES]
        newest = max(header for header in headers if header is not None)
        if newest.sequence not in self.sequences:
            self.sequences.add(newest.sequence)
            self.disk.data.flushed(self._flushed_before(newest))
        self.disk.data.written()
        if is_flushed:
            self.disk.journal.flushed()
        else:
            self.disk.journal.written()

    def _flushed_before(self, header: Header) -> bytes:
        """The data file as it was flushed when a header was written."""
        before = (self.disk.data.later or [self.disk.data.durable])[-1]
        if (
            header.state is State.IDLE
            or newest_of(heads_of(before)).transaction == header.transaction
        ):
            return before
        # In the midst of a step of two commits: since then its pages were not written over.
        now = bytearray(self.disk.data.path.read_bytes())
        for place, start in ((0, 0), (PAGE, HEAD_BYTES)):
            now[place : place + HEAD_BYTES] = header.heads[start : start + HEAD_BYTES]
        return bytes(now)


def heads_of(data: bytes) -> bytes:
    return data[:HEAD_BYTES] + data[PAGE : PAGE + HEAD_BYTES]


@pytest.mark.parametrize("seed", ["delta", "ember"])
def test_several_processes_some_of_which_are_killed_lose_nothing_with_the_power(
    place, seed
) -> None:
    draw = random.Random(seed)
    with nursery() as start:
        team = Team(place, start, draw)
        team.join()
        for _ in range(90):
            what = draw.random()
            if what < 0.06 or not team._workers:
                team.join()
            elif what < 0.1:
                team.kill()
            elif what < 0.12:
                team.leave()
            else:
                team.step()
            if draw.random() < 0.4:
                team.disk.lose_power(team.acknowledged)
    assert len(team.sequences) > 10
    images = team.disk.images
    assert judge(images) == ["right"] * len(images)
