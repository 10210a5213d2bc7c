"""Limits that the operating system really sets: how large a file may be, and who may do what.

Goal: the error names the directory and the cause, nothing that was refused is there, reads go on,
and once the limit is lifted so do writes. Method: a child lowers the greatest size of a file to
each page of the growing data file (so that writes are cut short or refused, as on a full disk), or
gives its rights away, and says what it sees.
"""

import json
import stat
from pathlib import Path

import pytest
from tests.crashes import workload
from tests.crashes.raw import check_sound

import headwater as hw

CROWDED = """
import json, resource
from itertools import islice
from tests.crashes import workload
from tests.crashes.raw import check_sound
module = workload.declare()
db = hw.open(path, modules=[module])
done, errors = [], {}
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
def lift():
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
for step in islice(workload.steps("crowded"), 40):
    room = (path / "data.mdb").stat().st_size + int(sys.argv[2]) * 1024
    while True:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            db.mutate(module.apply, kind=step.kind, ticket=step.ticket, turn=step.round)
        except hw.StorageError as error:
            lift()
            errors.setdefault(type(error).__name__, str(error))
            assert workload.stored(db, "crowded/") == workload.expected(done)
            assert db.verify() == []
            room += 4096
        else:
            lift()
            break
    done.append(step)
    assert workload.stored(db, "crowded/") == workload.expected(done)
check_sound(db)
db.close()
say(json.dumps(errors))
"""


@pytest.mark.parametrize("kibibytes", [0, 1, 2, 4, 6])
def test_a_file_that_may_not_grow_is_a_full_disk(path, start, kibibytes) -> None:
    (line,) = start(CROWDED, path, kibibytes).finish()
    errors = json.loads(line)
    assert errors or kibibytes > 4
    assert errors.keys() <= {"DatabaseFullError", "DiskError"}
    for message in errors.values():
        assert str(path) in message
    with hw.open(path) as db:
        check_sound(db)


POOR = """
import ctypes, json, struct
if os.getuid() == 0:
    # Root without the capabilities to pass over the rights of files, for its children as well.
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):
        assert libc.prctl(24, capability, 0, 0, 0) == 0
    header = struct.pack("Ii", 0x20080522, 0)
    assert libc.capset(header, bytes(24)) == 0
found = []
for use in (lambda: hw.open(path), lambda: hw.check(path), lambda: hw.repair(path)):
    try:
        result = use()
        found.append(["done", str(result)])
        if isinstance(result, hw.Database):
            with result.transaction() as tx:
                tx.insert("notes", {})
            result.close()
    except hw.StorageError as error:
        found.append([type(error).__name__, str(error)])
say(json.dumps(found))
"""


def with_database(place: Path) -> Path:
    path = place / "db.hw"
    with hw.open(path, modules=[workload.declare()]):
        pass
    path.chmod(0o755)
    for entry in path.rglob("*"):
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    return path


RIGHTS = {
    "nothing may be made": ("parent", 0o555),
    "the directory may not be entered": ("db.hw", 0o000),
    "the directory may not be written": ("db.hw", 0o555),
    "the data may not be read": ("data.mdb", 0o000),
    "the data may not be written": ("data.mdb", 0o444),
    "the lock may not be written": ("lock.mdb", 0o444),
    "the manifest may not be read": ("headwater.json", 0o000),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_rights_that_lack_are_named_and_nothing_changes(tmp_path, start, name) -> None:
    what, mode = RIGHTS[name]
    path = tmp_path / "db.hw"
    if what != "parent":
        with_database(tmp_path)
    target = {"parent": tmp_path, "db.hw": path}.get(what, path / what)
    before = (path / "data.mdb").read_bytes() if path.exists() else b""
    target.chmod(mode)
    (line,) = start(POOR, path).finish()
    target.chmod(0o755 if stat.S_ISDIR(target.stat().st_mode) else 0o644)
    outcomes = json.loads(line)
    if name == "the directory may not be written":  # its files may
        assert {kind for kind, _ in outcomes} == {"done"}
    else:
        assert {kind for kind, _ in outcomes} & {"ReadOnlyError", "NotADatabaseError"}, outcomes
    for kind, message in outcomes:
        assert kind in {"ReadOnlyError", "NotADatabaseError", "StorageError", "done"}, outcomes
        assert kind == "done" or str(path) in message
    if before:
        with hw.open(path) as db:
            assert db.verify() == []
    else:
        assert not path.exists()
