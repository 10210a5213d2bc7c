"""Who has a directory open: the living are listed, the dead removed, other containers refused.

Method: children that are killed, and files like theirs with other places in them, locked by hand.
"""

import fcntl
import json
import os
import signal
from contextlib import contextmanager

import pytest

import headwater as hw
from headwater.errors import StorageError
from headwater.storage import members as module
from headwater.storage.environment import Environment
from headwater.storage.members import Membership, Place, members, own_place, start_of

MEMBER = """
from headwater.storage.members import Membership
mine = Membership.join(path)
print("joined", flush=True)
"""


def files(directory) -> list[str]:
    return sorted(entry.name for entry in (directory / "members").iterdir())


@contextmanager
def held(directory, content: bytes):
    """A file with this content, locked as by a living process."""
    (directory / "members").mkdir(exist_ok=True)
    file = directory / "members" / "4711-cafe"
    file.write_bytes(content)
    with file.open() as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield file


def described(place: Place) -> bytes:
    return json.dumps({"pid": 4711, "started": 1, "program": "app.py", **place._asdict()}).encode()


def test_an_open_database_is_listed_until_it_is_closed(tmp_path) -> None:
    path = tmp_path / "db"
    with Environment.open(path):
        (mine,) = members(path)
        assert mine.pid == os.getpid()
        assert mine.started == start_of(os.getpid())
        assert mine.place == own_place()
        assert mine.is_near
        assert mine.program
        assert mine.file.stat().st_mode & 0o777 == 0o600
    assert members(path) == []
    assert files(path) == []


def test_other_processes_are_listed_and_forgotten_when_they_are_killed(tmp_path, start) -> None:
    children = [start(MEMBER + "input()", tmp_path) for _ in range(3)]
    for child in children:
        assert child.stdout.readline() == "joined\n"
    assert sorted(child.pid for child in children) == [member.pid for member in members(tmp_path)]
    for member in members(tmp_path):
        assert member.started == start_of(member.pid) > 0

    children[0].kill()
    children[0].wait()

    assert sorted(child.pid for child in children[1:]) == [m.pid for m in members(tmp_path)]
    assert len(files(tmp_path)) == 2


def test_a_stopped_process_is_alive(tmp_path, start) -> None:
    child = start(MEMBER + "input()", tmp_path)
    child.stdout.readline()
    child.send_signal(signal.SIGSTOP)
    assert [member.pid for member in members(tmp_path)] == [child.pid]


def test_a_forked_child_does_not_keep_its_parent_alive(tmp_path, start) -> None:
    child = start(
        MEMBER
        + """
pid = os.fork()
if not pid:
    mine.leave()
    print("forked", flush=True)
    input()
    os._exit(0)
os.waitpid(pid, 0)
""",
        tmp_path,
    )
    assert child.stdout.readline() == "joined\n"
    assert child.stdout.readline() == "forked\n"
    assert [member.pid for member in members(tmp_path)] == [child.pid]
    child.kill()
    child.wait()
    assert members(tmp_path) == []


def test_files_of_the_dead_are_removed_whatever_is_in_them(tmp_path) -> None:
    with held(tmp_path, described(Place("another boot", 7))) as file:
        pass
    assert members(tmp_path) == []
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"pid": "x"}'])
def test_a_living_process_whose_file_is_damaged_is_listed_by_its_name(tmp_path, content) -> None:
    with held(tmp_path, content):
        (member,) = members(tmp_path)
    assert (member.pid, member.started, member.program) == (4711, 0, "an unknown program")


def test_a_damaged_name_says_nothing(tmp_path) -> None:
    with held(tmp_path, b"") as file:
        file.rename(file.with_name("what"))
        assert [member.pid for member in members(tmp_path)] == [0]


def test_what_cannot_be_read_is_passed_over(tmp_path, monkeypatch) -> None:
    assert members(tmp_path / "missing") == []
    (tmp_path / "members").mkdir()
    (tmp_path / "members" / "1-gone").symlink_to(tmp_path / "nothing")
    assert members(tmp_path) == []
    with held(tmp_path, b""):
        monkeypatch.setattr(module.fcntl, "flock", unlockable)
        assert members(tmp_path) == []


def unlockable(*_):
    raise OSError(37, "no locks available")


def test_opening_goes_on_where_nobody_can_be_listed(tmp_path, monkeypatch) -> None:
    path = tmp_path / "db"
    with Environment.open(path):
        pass
    monkeypatch.setattr(module.fcntl, "flock", unlockable)
    with Environment.open(path):
        assert files(path) == []


def test_opening_goes_on_where_no_file_can_be_made(tmp_path, monkeypatch) -> None:
    (tmp_path / "members").write_text("in the way")
    membership = Membership.join(tmp_path)
    membership.leave()
    assert members(tmp_path) == []


def test_one_that_is_taken_for_dead_before_it_is_locked_tries_again(tmp_path, monkeypatch) -> None:
    real, seen = fcntl.flock, []

    def looked_at(descriptor, operation):
        if operation & fcntl.LOCK_EX and not seen:
            seen.extend(members(tmp_path) or ["nobody"])
        real(descriptor, operation)

    monkeypatch.setattr(module.fcntl, "flock", looked_at)
    membership = Membership.join(tmp_path)
    assert seen == ["nobody"]
    assert [member.pid for member in members(tmp_path)] == [os.getpid()]
    membership.leave()
    assert files(tmp_path) == []


def test_one_that_is_looked_at_while_it_locks_tries_again(tmp_path, monkeypatch) -> None:
    real, seen = fcntl.flock, []

    def shared(descriptor, operation):
        if operation & fcntl.LOCK_EX and not seen:
            seen.append("once")
            raise BlockingIOError
        real(descriptor, operation)

    monkeypatch.setattr(module.fcntl, "flock", shared)
    membership = Membership.join(tmp_path)
    assert len(files(tmp_path)) == 1
    membership.leave()
    membership.leave()


OTHERS = [
    (
        Place(own_place().boot, 4026530000),
        f"in another container (its pid namespace is 4026530000, here it is {own_place()[1]})",
    ),
    (
        Place("another", own_place().namespace),
        "under another kernel (a virtual machine or a sandbox on the same disk)",
    ),
]


@pytest.mark.parametrize(("place", "where"), OTHERS)
def test_what_another_container_has_open_is_refused(tmp_path, monkeypatch, place, where) -> None:
    path = tmp_path / "db"
    hw.open(path).close()
    with held(path, described(place)):
        with pytest.raises(StorageError) as caught:
            hw.open(path)
        assert str(caught.value) == (
            f"{path}: process 4711 (app.py) has it open {where}, where locks cannot tell whether a "
            "process is alive, and the database would get damaged; use one container, or let the "
            "containers share one pid namespace (docker run --pid=container:..., Kubernetes "
            "shareProcessNamespace), or close it there first (or set "
            "HEADWATER_ALLOW_OTHER_CONTAINERS=1 to risk it)"
        )
        assert files(path) == ["4711-cafe"], "the one that was refused has not stayed"
        with monkeypatch.context() as patch:
            patch.setenv("HEADWATER_ALLOW_OTHER_CONTAINERS", "1")
            hw.open(path).close()
    hw.open(path).close()


def test_a_system_that_says_nothing_of_places_refuses_nobody(tmp_path, monkeypatch) -> None:
    path = tmp_path / "db"
    hw.open(path).close()
    with held(path, described(Place("", 0))):
        hw.open(path).close()
    with held(path, described(Place("another", 7))):
        monkeypatch.setattr(module, "own_place", lambda: Place("", 0))
        hw.open(path).close()


def test_the_start_of_a_process_is_known_whatever_its_name_is(run) -> None:
    output = run(
        """
        from headwater.storage.members import start_of
        before = start_of(os.getpid())
        with open("/proc/self/comm", "w") as name:
            name.write(") 1 (2) x")
        print(before == start_of(os.getpid()) > 0, start_of(2**22 + 1))
        """,
        "unused",
    )
    assert output == "True 0\n"
