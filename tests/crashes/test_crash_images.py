"""What a power failure can leave of the data file, byte by byte.

Goal: whatever part of a commit reached the disk, the next opening finds the state before it or
after it, or refuses the file by name; the process never dies. Method: a child commits and stops
between commits; from the copies of its data file those files are put together that a crash in the
midst of a commit could have left: some pages and not others, no head, half a head, a damaged head,
a cut file. Other children open them, because a damaged file may take its reader along.
"""

import itertools
import json
import random
import re
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.processes.children import nursery

from headwater.storage.pages import IS_BRANCH, NO_PAGE, Pages

PAGE = 4096
HEAD_BYTES = 152
"""Header and contents of a head page, see headwater/storage/precheck.py."""

COMMITS = 14

WRITER = """
from itertools import islice
from tests.crashes import workload
module = workload.declare()
db = hw.open(path, modules=[module])
say(db.ts)
for step in islice(workload.steps("image"), int(sys.argv[2])):
    hear()
    db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
    say(db.ts)
hear()
os._exit(0)
"""

READER = """
import json, shutil
from headwater.storage.journal import create_journal
from tests.crashes import workload
for image in hear().split():
    directory = path / ("of " + image)
    directory.mkdir()
    shutil.copy(path / "headwater.json", directory)
    shutil.copy(path / image, directory / "data.mdb")
    create_journal(directory)  # which says that the data file stands for itself
    say(json.dumps([image, "begun"]))
    try:
        with hw.open(directory) as db:
            found = [db.ts, [problem.kind for problem in db.verify()]]
            with db.snapshot() as snapshot:
                for table in db.tables():
                    list(snapshot.query(table))
    except hw.StorageError as error:
        found = [type(error).__name__, str(error)]
    say(json.dumps([image, *found]))
    shutil.rmtree(directory)
"""


class Copy(NamedTuple):
    """The data file after a commit."""

    ts: int
    data: bytes


class Written(NamedTuple):
    """The copies, and the manifest beside them."""

    copies: list[Copy]
    manifest: Path


class Outcome(NamedTuple):
    """What a child made of an image: a timestamp and problems, or an error and its text."""

    found: int | str
    more: list[str] | str


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Written:
    path = tmp_path_factory.mktemp("written") / "db.hw"
    found = []
    with nursery() as start:
        child = start(WRITER, path, COMMITS)
        for _ in range(COMMITS + 1):
            ts = int(child.hear())
            found.append(Copy(ts, (path / "data.mdb").read_bytes()))
            child.tell()
        child.finish()
    return Written(found, path / "headwater.json")


@pytest.fixture
def copies(written) -> list[Copy]:
    return written.copies


@pytest.fixture
def judge(written, tmp_path):
    shutil.copy(written.manifest, tmp_path)

    def judge_all(images: dict[str, bytes]) -> dict[str, Outcome]:
        for name, data in images.items():
            (tmp_path / name).write_bytes(data)
        return _read_all(tmp_path, list(images))

    return judge_all


def _read_all(path: Path, names: list[str]) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    with nursery() as start:
        while names:
            child = start(READER, path)
            child.tell(" ".join(names))
            for line in child.rest():
                name, *found = json.loads(line)
                outcomes[name] = Outcome(*found) if found != ["begun"] else Outcome("died", "")
            if child.process.returncode == 0:
                return outcomes
            assert outcomes, child.errors
            done = list(outcomes)
            outcomes[done[-1]] = Outcome("died", f"{child.process.returncode} {child.errors}")
            names = [name for name in names if name not in outcomes]
    return outcomes


def pages(data: bytes) -> list[bytes]:
    return [data[at : at + PAGE] for at in range(0, len(data), PAGE)]


def changed_pages(before: bytes, after: bytes) -> list[int]:
    """Pages that a commit has written, without the heads."""
    old, new = pages(before), pages(after)
    return [n for n in range(2, len(new)) if n >= len(old) or old[n] != new[n]]


def with_pages(before: bytes, after: bytes, chosen: list[int]) -> bytes:
    """The file before a commit with some of the commit's pages in it."""
    image = bytearray(before.ljust(len(after), b"\0"))
    for number in chosen:
        image[number * PAGE : (number + 1) * PAGE] = after[number * PAGE : (number + 1) * PAGE]
    return bytes(image)


def new_head(before: bytes, after: bytes) -> int:
    """The head page that a commit has written."""
    (number,) = [n for n in (0, 1) if pages(before)[n] != pages(after)[n]]
    return number


def reached(file: Path) -> set[int]:
    """Every page that a head leads to, the free list's and the long values' among them."""
    with Pages(file) as found:
        waiting = [root for head in found.heads for root in head.roots if root != NO_PAGE]
        data = file.read_bytes()
    seen: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        page = data[number * PAGE : (number + 1) * PAGE]
        flags, lower = struct.unpack_from("<HH", page, 10)
        for (at,) in struct.iter_unpack("<H", page[16:lower]):
            size, bits, key_bytes = struct.unpack_from("<IHH", page, at)
            content = page[at + 8 + key_bytes :]
            if flags == IS_BRANCH:
                waiting.append(size | bits << 32)
            elif bits & 1:  # pages of its own
                (own,) = struct.unpack_from("<Q", content)
                seen.update(range(own, own + (15 + size) // PAGE + 1))
            elif bits & 2:  # the description of a tree
                (root,) = struct.unpack_from("<Q", content, 40)
                waiting += [root] if root != NO_PAGE else []
    return seen


def test_a_commit_writes_no_page_that_a_head_leads_to(copies, tmp_path) -> None:
    """So whichever of its pages reach the disk, in whatever order and however torn: until the
    head is written, what was there before is whole. This is all subsets of all writes at once.
    """
    file = tmp_path / "data.mdb"
    for before, after in itertools.pairwise(copies):
        file.write_bytes(before.data)
        changed = set(changed_pages(before.data, after.data))
        assert changed
        assert changed.isdisjoint(reached(file))


def test_a_commit_whose_head_was_not_written_did_not_happen(copies, judge) -> None:
    """Each page of each commit alone, all but each, half of each, and all of them."""
    images, expected = {}, {}
    for at, (before, after) in enumerate(itertools.pairwise(copies)):
        changed = changed_pages(before.data, after.data)
        made = {f"all{at}": with_pages(before.data, after.data, changed)}
        for number in changed:
            others = [other for other in changed if other != number]
            made[f"only{at}-{number}"] = with_pages(before.data, after.data, [number])
            made[f"without{at}-{number}"] = with_pages(before.data, after.data, others)
            torn = bytearray(with_pages(before.data, after.data, changed))
            middle = number * PAGE + PAGE // 2
            torn[middle : middle + PAGE // 2] = bytes(PAGE // 2)
            made[f"torn{at}-{number}"] = bytes(torn)
        images |= made
        expected |= dict.fromkeys(made, before.ts)

    assert judge(images) == {name: Outcome(ts, []) for name, ts in expected.items()}


def test_a_commit_with_half_a_head_happened_or_did_not(copies, judge) -> None:
    """The head of each commit cut at each of its bytes."""
    images, expected, seen = {}, {}, set()
    for at, (before, after) in enumerate(itertools.pairwise(copies)):
        changed = changed_pages(before.data, after.data)
        start = new_head(before.data, after.data) * PAGE
        for cut in range(HEAD_BYTES + 1):
            image = bytearray(with_pages(before.data, after.data, changed))
            image[start : start + cut] = after.data[start : start + cut]
            if bytes(image) in seen:
                continue  # the byte before the cut did not change
            seen.add(bytes(image))
            images[f"half{at}-{cut}"] = bytes(image)
            expected[f"half{at}-{cut}"] = {before.ts, after.ts}
    outcomes = judge(images)

    assert outcomes.keys() == expected.keys()
    for name, outcome in outcomes.items():
        is_refused = outcome.found == "CorruptionError"
        assert is_refused or outcome.found in expected[name], (name, outcome)
        # The roots of the new state and the number of the old: found by verification.
        assert set(outcome.more) <= {"pages_damaged"} or is_refused, (name, outcome)
    whole = [outcome for outcome in outcomes.values() if outcome.more == []]
    assert {outcome.found for outcome in whole} >= {copy.ts for copy in copies}


def test_a_damaged_head_is_refused_or_opens_at_a_commit(copies, judge) -> None:
    draw = random.Random("bits")
    states = {copy.ts for copy in copies}
    last = copies[-1].data
    images = {}
    for bit in draw.sample(range(2 * HEAD_BYTES * 8), 160):
        head, place = divmod(bit, HEAD_BYTES * 8)
        image = bytearray(last)
        image[head * PAGE + place // 8] ^= 1 << place % 8
        images[f"bit{head}-{place}"] = bytes(image)
    for head in (0, 1):
        for name, filler in (("zero", b"\0"), ("ones", b"\xff")):
            image = bytearray(last)
            image[head * PAGE : (head + 1) * PAGE] = filler * PAGE
            images[f"{name}{head}"] = bytes(image)
    refused = 0
    for name, outcome in judge(images).items():
        refused += isinstance(outcome.found, str)
        if isinstance(outcome.found, str):
            assert outcome.found == "CorruptionError", (name, outcome)
            assert f"of {name}" in outcome.more, outcome
        else:
            assert outcome.found in states, (name, outcome)
            assert set(outcome.more) <= {"pages_damaged"}, (name, outcome)
    assert refused > 4


def test_a_file_that_was_cut_is_refused_or_whole(copies, judge) -> None:
    last = copies[-1]
    draw = random.Random("cuts")
    sizes = {0, 1, 100, PAGE + 1, *range(PAGE, len(last.data), PAGE)}
    sizes |= {draw.randrange(len(last.data)) for _ in range(20)}
    outcomes = judge({f"cut{size}": last.data[:size] for size in sizes})

    assert len(outcomes) == len(sizes)
    for name, outcome in outcomes.items():
        assert outcome.found == "CorruptionError" or outcome == Outcome(last.ts, []), name
    assert sum(outcome.found == "CorruptionError" for outcome in outcomes.values()) >= 20


def test_a_damaged_record_is_named_and_never_returned(copies, judge) -> None:
    """Bits of documents and commits: found by their checksums."""
    draw = random.Random("records")
    last = copies[-1]
    body = b'"short' if b'"short' in last.data else b"short"
    places = [match.start() for match in re.finditer(re.escape(body), last.data)]
    images = {}
    for at in draw.sample(places, min(12, len(places))):
        image = bytearray(last.data)
        image[at] ^= 1
        images[f"at{at}"] = bytes(image)
    for name, outcome in judge(images).items():
        assert outcome.found == "CorruptionError" or outcome.found == last.ts, (name, outcome)
        assert outcome.found != "died"
