"""Waking other processes: whoever listens is told, the dead are forgotten, nobody waits.

Method: several beacons on one directory in this process, and children that are killed or forked.
"""

import threading

import pytest

from headwater.errors import ClosedError, StorageError
from headwater.storage import wake
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

    assert heard[1].wait(10)
    assert heard[2].wait(10)
    assert not heard[0].is_set()
    assert three[1].notify() == 2
    assert heard[0].wait(10)


def test_who_does_not_listen_may_notify(beacons) -> None:
    assert beacons().notify() == 0
    heard = threading.Event()
    beacons().listen(heard.set)

    assert beacons().notify() == 1

    assert heard.wait(10)


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

    assert heard.acquire(timeout=10)
    assert heard.acquire(timeout=10)


def test_a_full_pipe_keeps_nobody_waiting(beacons, monkeypatch) -> None:
    monkeypatch.setattr(wake, "_NOTICE", b"x" * 65536)
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

    assert closed.wait(10)
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
        print(heard.wait(10), len(os.listdir(path / "wake")))
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
