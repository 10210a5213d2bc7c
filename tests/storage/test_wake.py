"""Waking other processes: whoever listens is told, the dead are forgotten, nobody waits.

Method: several beacons on one directory in this process, and children that are killed or forked.
"""

import os
import select
import threading
from pathlib import Path

import pytest

from headwater.clock import SystemClock
from headwater.errors import ClosedError, StorageError
from headwater.storage import deaths, wake
from headwater.storage.deaths import DeathWatch
from headwater.storage.members import Member, Place, own_place, start_of
from headwater.storage.wake import Beacon


@pytest.fixture
def beacons(tmp_path):
    made: list[Beacon] = []

    def make() -> Beacon:
        made.append(Beacon(tmp_path))
        return made[-1]

    yield make
    for beacon in made:
        beacon.close()


def pipes(tmp_path) -> list[str]:
    return [entry.name for entry in (tmp_path / "wake").iterdir()]


def test_every_other_listener_is_told_and_not_oneself(beacons) -> None:
    heard = [threading.Event() for _ in range(3)]
    three = [beacons() for _ in range(3)]
    for beacon, event in zip(three, heard, strict=True):
        beacon.listen(event.set)

    assert three[0].notify() == 2

    assert heard[1].wait(60)
    assert heard[2].wait(60)
    assert not heard[0].is_set()
    assert three[1].notify() == 2
    assert heard[0].wait(60)


class _Clock(SystemClock):
    """Stands still."""

    def __init__(self, now_ns: int) -> None:
        super().__init__()
        self.now_ns = lambda: now_ns


@pytest.mark.parametrize(
    ("changed_ns", "age_ns", "is_listed_again"),
    [
        (1_700_000_000_123_456_789, 50_000_000, True),
        (1_700_000_000_123_456_789, 150_000_000, False),
        # A file system that knows only seconds may be this one.
        (1_700_000_000_000_000_000, 1_900_000_000, True),
        (1_700_000_000_000_000_000, 2_100_000_000, False),
    ],
)
def test_who_joins_within_the_tick_of_a_file_system_is_seen(
    tmp_path: Path, changed_ns: int, age_ns: int, is_listed_again: bool
) -> None:
    listener, notifier = Beacon(tmp_path), Beacon(tmp_path, clock=_Clock(changed_ns + age_ns))
    listener.listen(lambda: None)
    os.utime(tmp_path / "wake", ns=(changed_ns, changed_ns))
    assert notifier.notify() == 1
    joined = Beacon(tmp_path)
    joined.listen(lambda: None)
    os.utime(tmp_path / "wake", ns=(changed_ns, changed_ns))  # in the same tick
    assert notifier.notify() == (2 if is_listed_again else 1)
    for beacon in (listener, notifier, joined):
        beacon.close()


def test_who_does_not_listen_may_notify(beacons) -> None:
    assert beacons().notify() == 0
    heard = threading.Event()
    beacons().listen(heard.set)

    assert beacons().notify() == 1

    assert heard.wait(60)


def test_a_listener_that_is_busy_loses_no_last_notice(beacons) -> None:
    busy, go_on, heard = threading.Event(), threading.Event(), threading.Semaphore(0)

    def hear() -> None:
        busy.set()
        go_on.wait()
        heard.release()

    beacons().listen(hear)
    speaker = beacons()
    speaker.notify()
    busy.wait()
    assert [speaker.notify() for _ in range(100)] == [1] * 100
    go_on.set()

    assert heard.acquire(timeout=60)
    assert heard.acquire(timeout=60)


def test_a_full_pipe_keeps_nobody_waiting(beacons, monkeypatch) -> None:
    monkeypatch.setattr(wake, "_COMMITTED", b"x" * 65536)
    busy, go_on = threading.Event(), threading.Event()
    beacons().listen(lambda: (busy.set(), go_on.wait()))
    speaker = beacons()
    speaker.notify()
    busy.wait()

    assert [speaker.notify() for _ in range(3)] == [1, 1, 1]
    monkeypatch.undo()
    go_on.set()


def test_closing_removes_the_pipe_and_stops_the_thread(beacons, tmp_path) -> None:
    beacon = beacons()
    beacon.listen(lambda: None)
    thread = beacon._thread
    assert len(pipes(tmp_path)) == 1

    beacon.close()
    beacon.close()

    assert not thread.is_alive()
    assert pipes(tmp_path) == []
    with pytest.raises(ClosedError):
        beacon.listen(lambda: None)


def test_a_listener_may_close_from_its_own_callback(beacons, tmp_path) -> None:
    closed = threading.Event()
    beacon = beacons()
    beacon.listen(lambda: (beacon.close(), closed.set()))
    beacons().notify()

    assert closed.wait(60)
    beacon._thread.join()
    assert pipes(tmp_path) == []


def test_the_pipe_of_a_killed_process_is_removed(beacons, tmp_path, start) -> None:
    child = start(
        """
        from headwater.storage.wake import Beacon
        Beacon(path).listen(lambda: None)
        print("listening", flush=True)
        input()
        """,
        tmp_path,
    )
    assert child.stdout.readline() == "listening\n"
    assert beacons().notify() == 1
    child.kill()
    child.wait()

    assert beacons().notify() == 0
    assert pipes(tmp_path) == []


def test_another_process_is_woken(beacons, tmp_path, start) -> None:
    child = start(
        """
        from headwater.storage.wake import Beacon
        import threading
        heard = threading.Event()
        beacon = Beacon(path)
        beacon.listen(heard.set)
        print("listening", flush=True)
        heard.wait()
        print("heard", flush=True)
        beacon.close()
        """,
        tmp_path,
    )
    child.stdout.readline()
    beacons().notify()

    assert child.communicate(timeout=60)[0] == "heard\n"


def test_a_forked_child_neither_hears_nor_keeps_the_pipe_alive(tmp_path, run) -> None:
    output = run(
        """
        from headwater.storage.wake import Beacon
        import threading
        heard = threading.Event()
        beacon, silent = Beacon(path), Beacon(path)
        beacon.listen(heard.set)
        pid = os.fork()
        if pid == 0:
            try:
                beacon.listen(heard.set)
                os._exit(1)
            except ClosedError:
                pass
            beacon.close()
            os._exit(0 if Beacon(path).notify() == 1 else 2)
        assert os.waitpid(pid, 0)[1] == 0
        print(heard.wait(60), len(os.listdir(path / "wake")))
        beacon.close()
        """,
        tmp_path,
    )

    assert output == "True 1\n"


def test_things_that_are_no_pipes_are_passed_over(beacons, tmp_path) -> None:
    (tmp_path / "wake").mkdir()
    (tmp_path / "wake" / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "wake" / ".hidden").touch()

    assert beacons().notify() == 0
    assert len(pipes(tmp_path)) == 2


def test_a_notice_that_fails_is_not_counted(beacons, monkeypatch) -> None:
    beacons().listen(lambda: None)

    def fail(descriptor, notice):
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(wake.os, "write", fail)
        told = beacons().notify()

    assert told == 0


def test_a_directory_that_takes_no_pipe_is_named(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="pipe"):
        Beacon(tmp_path / "file").listen(lambda: None)


def test_who_listens_hears_of_the_death_of_another_process(beacons, tmp_path, start) -> None:
    heard, died = threading.Event(), threading.Event()
    beacons().listen(heard.set, on_death=died.set)
    child = start(JOINING, tmp_path)
    assert child.stdout.readline() == "1\n"
    assert heard.wait(60)
    child.kill()
    assert died.wait(60)


def test_who_was_there_before_is_watched_as_well(beacons, tmp_path, start) -> None:
    child = start(JOINING, tmp_path)
    assert child.stdout.readline() == "0\n"
    heard, died = threading.Event(), threading.Event()
    beacons().listen(heard.set, on_death=died.set)
    child.kill()
    assert died.wait(60)
    assert heard.wait(60)


JOINING = """
from headwater.storage.members import Membership
from headwater.storage.wake import Beacon
membership = Membership.join(path)
print(Beacon(path).announce(), flush=True)
input()
"""


def test_one_who_joined_into_a_full_pipe_is_watched(beacons, tmp_path, start, monkeypatch) -> None:
    monkeypatch.setattr(wake, "_COMMITTED", b"\x01" * 65536)
    busy, go_on, died = threading.Semaphore(0), threading.Event(), threading.Event()
    beacons().listen(lambda: (busy.release(), go_on.wait()), on_death=died.set)
    speaker = beacons()
    speaker.notify()
    busy.acquire()
    speaker.notify()
    child = start(JOINING, tmp_path)
    assert child.stdout.readline() == "1\n"
    go_on.set()
    assert busy.acquire(timeout=60), "the full pipe was read, and looked who is there"
    assert not died.is_set()
    child.kill()
    assert died.wait(60)


def test_one_who_leaves_is_watched_no_longer(beacons, tmp_path, start) -> None:
    beacon, heard = beacons(), threading.Semaphore(0)
    beacon.listen(heard.release)
    child = start(
        JOINING
        + """
membership.leave()
print(Beacon(path).announce(), flush=True)
input()
""",
        tmp_path,
    )
    child.stdout.readline()
    assert heard.acquire(timeout=60)
    assert len(beacon._deaths._watched) == 1
    child.stdin.write("leave\n")
    child.stdin.flush()
    child.stdout.readline()
    assert heard.acquire(timeout=60)
    assert beacon._deaths._watched == {}


def test_closing_closes_what_watches_others(beacons, tmp_path, start) -> None:
    start(JOINING, tmp_path).stdout.readline()
    beacon = beacons()
    beacon.listen(lambda: None)
    assert len(beacon._deaths._watched) == 1
    (descriptor,) = beacon._deaths._watched.values()
    beacon.close()
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(descriptor)


@pytest.fixture
def watch(monkeypatch, start):
    """A watch over a directory in which one other process is; its file says what the test wants."""

    class Watched(DeathWatch):
        def __init__(self) -> None:
            pid = start("input()", ".").pid
            self.here = [Member(pid, start_of(pid), own_place(), "x", Path("x"))]
            monkeypatch.setattr(deaths, "members", lambda _: self.here)
            super().__init__(Path("x"), select.poll())

        def say(self, **facts) -> None:
            self.here = [self.here[0]._replace(**facts)]

    watched = Watched()
    yield watched
    watched.close()


def refuse(error: OSError):
    def open_descriptor(pid: int) -> int:
        raise error

    return open_descriptor


def test_a_process_that_took_the_number_of_another_is_not_taken_for_it(watch, monkeypatch) -> None:
    watch.say(started=1)
    assert watch.look(), "it is gone"
    assert watch._watched == {}


def test_a_process_that_died_before_it_could_be_watched_is_noticed(watch, monkeypatch) -> None:
    monkeypatch.setattr(deaths, "_open_descriptor", refuse(ProcessLookupError()))
    assert watch.look()


@pytest.mark.parametrize("way", [refuse(PermissionError()), None])
def test_where_processes_cannot_be_watched_nobody_is(watch, monkeypatch, way) -> None:
    monkeypatch.setattr(deaths, "_open_descriptor", way)
    assert not watch.look()
    assert watch._watched == {}


def test_a_process_that_is_gone_at_the_next_look_may_have_been_killed(watch, monkeypatch) -> None:
    assert not watch.look()
    assert not watch.look(), "still there"
    watch.here = []
    assert watch.look()
    assert not watch.look()


def test_processes_of_other_containers_and_this_one_are_not_watched(watch, monkeypatch) -> None:
    for facts in ({"place": Place("another", 1)}, {"pid": os.getpid()}):
        watch.say(**facts)
        assert not watch.look()
        assert watch._watched == {}
