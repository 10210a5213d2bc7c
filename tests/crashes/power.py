"""What a power loss can leave of the files of a database, and a child that looks at it.

A disk may write what it was given in any order, and only a flush says that it has. So after a power
loss each page of a file is, by itself, as it was at the last flush or as it was made at any moment
since; it may be torn between two sectors; and a file that grew may have any length in between.
"""

import json
import random
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.processes.children import nursery

PAGE = 4096
SECTOR = 512
DATA, JOURNAL, MANIFEST = "data.mdb", "journal", "headwater.json"

READER = """
import json, shutil
from tests.crashes import workload
for line in iter(hear, ""):
    directory, acknowledged = json.loads(line)
    say(json.dumps([directory, "begun", ""]))
    try:
        with hw.open(directory) as db:
            problems = [problem.message for problem in db.verify()]
            if not problems:
                workload.check_acknowledged(db, acknowledged)
                db.transact(lambda tx: tx.insert("afterwards", {"ticket": "x"}))
                problems = [problem.message for problem in db.verify()]
        with hw.open(directory) as db:
            assert db.tables()
        found = "; ".join(problems) or "right"
    except (hw.HeadwaterError, AssertionError) as error:
        found = f"{type(error).__name__}: {error}"
    say(json.dumps([directory, "read", found]))
    shutil.rmtree(directory)
"""


class File:
    """One file: what is surely on the disk, and what was written since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.durable = path.read_bytes()
        self.later: list[bytes] = []

    def written(self) -> None:
        """Note what it is now."""
        now = self.path.read_bytes()
        if now != (self.later or [self.durable])[-1]:
            self.later.append(now)

    def flushed(self, content: bytes | None = None) -> None:
        """What it is now, or was when the flush began, is on the disk."""
        self.durable, self.later = content or self.path.read_bytes(), []
        self.written()

    def flushed_pages(self, pages: set[int]) -> None:
        """Of what it is now, these pages are on the disk; of the others nothing new is known."""
        self.written()
        now = self.path.read_bytes()
        self.durable, *self.later = [
            _with_pages(version, now, pages) for version in (self.durable, *self.later)
        ]

    def after_power_loss(self, draw: random.Random) -> bytes:
        """One of the many states in which it may be found."""
        versions = [self.durable, *self.later]
        size = draw.choice([len(version) for version in versions])
        share = draw.choice((0.0, 0.05, 0.5, 0.95, 1.0))  # of pages that have the newest version
        found = bytearray()
        for at in range(0, max(size, len(self.durable)), PAGE):
            known = [version[at : at + PAGE].ljust(PAGE, b"\0") for version in versions]
            page = known[-1] if draw.random() < share else draw.choice(known)
            if draw.random() < 0.05:
                cut = SECTOR * draw.randrange(1, PAGE // SECTOR)
                page = page[:cut] + draw.choice(known)[cut:]
            found += page
        return bytes(found)


def _with_pages(version: bytes, now: bytes, pages: set[int]) -> bytes:
    found = bytearray(version)
    for page in sorted(pages):
        end = min((page + 1) * PAGE, len(now))
        found = found.ljust(end, b"\0")
        found[page * PAGE : end] = now[page * PAGE : end]
    return bytes(found)


class Image(NamedTuple):
    """A directory after a power loss, and what must be in it.

    Attributes:
        directory: Where it is.
        acknowledged: Number of acknowledged steps by the seed of their worker.
    """

    directory: Path
    acknowledged: dict[str, int]


class Disk:
    """The files of a database, whose power can go at any moment."""

    def __init__(self, path: Path, images: Path, seed: str) -> None:
        self.data = File(path / DATA)
        self.journal = File(path / JOURNAL)
        self.images: list[Image] = []
        self._path = path
        self._target = images
        self._draw = random.Random(seed)

    def lose_power(self, acknowledged: dict[str, int]) -> None:
        """Keep what would be found if the power went now."""
        directory = self._target / f"image{len(self.images)}"
        directory.mkdir(parents=True)
        (directory / DATA).write_bytes(self.data.after_power_loss(self._draw))
        (directory / JOURNAL).write_bytes(self.journal.after_power_loss(self._draw))
        shutil.copy(self._path / MANIFEST, directory)
        self.images.append(Image(directory, dict(acknowledged)))


def judge(images: list[Image], reader: str = READER) -> list[str]:
    """What a child finds in each image: "right", what is wrong, or that it died."""
    outcomes: list[str] = []
    with nursery() as start:
        while len(outcomes) < len(images):
            child = start(reader, images[0].directory.parent)
            for directory, acknowledged in images[len(outcomes) :]:
                child.tell(json.dumps([str(directory), acknowledged]))
            for line in child.rest():
                _, what, found = json.loads(line)
                if what == "read":
                    outcomes.append(found)
            if child.process.returncode != 0:
                assert child.process.returncode < 0, child.errors
                outcomes.append(f"died of signal {-child.process.returncode}")
    return outcomes
