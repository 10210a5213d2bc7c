"""Forks: of an application server that preloads, of multiprocessing, in the midst of everything.

Goal: what was opened before a fork is refused in the child with the way out in the message; what is
opened in the child works, also while the parent's other threads commit and watch; the parent does
not notice. Method: programs as users write them, run as files, because spawning needs one.
"""

import os
import subprocess
import sys
import textwrap

import pytest
from tests.processes.children import ROOT, WAIT_SECONDS

BUSY = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
db = hw.open(path, modules=[application])
stop = threading.Event()
def write():
    while not stop.is_set():
        db.mutate(application.bump, writer="parent", name="n")
def transact():
    while not stop.is_set():
        db.transact(lambda tx: tx.insert("notes", {"text": "from the parent"}))
def read():
    while not stop.is_set():
        db.query(application.counters)
live = db.watch(application.counters)
live.next(100)
live.on_change(lambda value: None)
threads = [threading.Thread(target=target) for target in 2 * (write, transact, read)]
for thread in threads:
    thread.start()
def in_child(function):
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            function()
        except BaseException as error:
            say(type(error).__name__, error)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        say("the child ended with", status)
def end():
    stop.set()
    for thread in threads:
        thread.join()
    say("parent", db.verify())
    db.close()
"""


def test_a_child_of_a_busy_parent_opens_its_own(path, start) -> None:
    child = start(
        BUSY
        + """
def anew():
    with hw.open(path, modules=[application]) as mine:
        before = mine.mutate(application.bump, writer="child", name="of children")
        with mine.watch(application.value_of, name="of children") as own:
            assert own.next(60) == before
            mine.mutate(application.bump, writer="child", name="of children")
            assert own.next(60) == before + 1
    say("child", before)
for _ in range(15):
    in_child(anew)
end()
""",
        path,
    )
    assert child.finish() == [*(f"child {2 * at + 1}" for at in range(15)), "parent []"]


def test_a_child_of_a_busy_parent_may_close_everything_it_got(path, start) -> None:
    child = start(
        BUSY
        + """
def close():
    try:
        db.query(application.counters)
    except hw.ForkedError:
        live.close()
        db.close()
        say("closed")
for _ in range(15):
    in_child(close)
end()
""",
        path,
    )
    assert child.finish() == [*["closed"] * 15, "parent []"]


def test_a_child_gets_no_live_result_that_a_lost_thread_was_at(path, start) -> None:
    child = start(
        BUSY
        + """
stop.set()
for thread in threads:
    thread.join()
from headwater.reactive import subscription
taken, forked = threading.Event(), threading.Event()
def be_at_it():
    with subscription._lock:
        taken.set()
        forked.wait()
threads = [threading.Thread(target=be_at_it)]
threads[0].start()
taken.wait()
def close():
    live.close()
    say("closed")
in_child(close)
forked.set()
end()
""",
        path,
    )
    assert child.finish() == ["closed", "parent []"]


def test_a_fork_with_an_open_snapshot_says_so_to_who_opens_in_the_child(path, start) -> None:
    child = start(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
db = hw.open(path, modules=[application])
db.mutate(application.bump, writer="parent", name="n")
with db.snapshot() as snapshot:
    child = os.fork()
    if not child:
        try:
            hw.open(path, modules=[application])
        except hw.ForkedError as error:
            say(error)
        os._exit(0)
    os.waitpid(child, 0)
    say(snapshot.query("counters").collect()[0]["value"])
say(db.mutate(application.bump, writer="parent", name="n"))
""",
        path,
    )
    refused, seen, after = child.finish()
    assert refused == (
        f"{path}: this process has it from its parent, with snapshots or a write transaction open "
        "at the fork; close snapshots before forking"
    )
    assert (seen, after) == ("1", "2")


SERVER = """
# A server that preloads its application and forks its workers, as gunicorn --preload does.
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)

def serve(application, requests, post_fork=lambda: None):
    for request in requests:
        worker = os.fork()
        if not worker:
            try:
                post_fork()
                answer = application(request)
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
            os.write(1, f"{answer}\\n".encode())
            os._exit(0)
        os.waitpid(worker, 0)
"""

PRELOADED = (
    SERVER
    + """
import headwater as hw
from tests.processes import application
path = sys.argv[1]
db = hw.open(path, modules=[application])
db.mutate(application.bump, writer="master", name="n")
serve(lambda name: db.mutate(application.bump, writer="worker", name=name), ["n", "n"])

def post_fork():
    global db
    db = hw.open(path, modules=[application])

serve(lambda name: db.mutate(application.bump, writer="worker", name=name), ["n", "n"], post_fork)
print("master", db.query(application.value_of, name="n"))
"""
)

LAZY = (
    SERVER
    + """
import functools
import headwater as hw
from tests.processes import application

@functools.cache
def database():
    return hw.open(sys.argv[1], modules=[application])

serve(lambda name: database().mutate(application.bump, writer="w", name=name), ["n", "n", "n"])
print("master", database().query(application.value_of, name="n"))
"""
)


@pytest.fixture
def program(tmp_path):
    """Run a program from a file, and return the lines that it prints."""

    def run(code: str, *arguments: object) -> list[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(code))
        done = subprocess.run(
            [sys.executable, file, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": f"{ROOT / 'engine'}:{ROOT / 'indexes'}:{ROOT}"},
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_workers_of_a_preloading_server_are_told_to_open_after_the_fork(path, program) -> None:
    *refused, third, fourth, master = program(PRELOADED, path)
    message = (
        f"ForkedError: {path}: opened before a fork; open it again in the child process: where a "
        "worker starts (gunicorn: in post_fork) or at its first use"
    )
    assert refused == [message, message]
    assert (third, fourth, master) == ("2", "3", "master 3")


def test_a_database_that_is_opened_at_first_use_works_in_every_worker(path, program) -> None:
    assert program(LAZY, path) == ["1", "2", "3", "master 3"]


MULTIPROCESSING = """
import multiprocessing, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import headwater as hw
from tests.processes import application

def work(path, number):
    with hw.open(path, modules=[application]) as db:
        return db.mutate(application.bump, writer=f"worker {number}", name="n")

if __name__ == "__main__":
    path, method = sys.argv[1:]
    db = hw.open(path, modules=[application])
    with db.watch(application.value_of, name="n") as live:
        live.next(60)
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(sorted(pool.starmap(work, [(path, number) for number in range(9)])))
        while live.next(60) != 9:
            pass
    print(db.mutate(application.bump, writer="parent", name="n"), db.verify())
    db.close()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing_works_in_all_its_ways(path, program, method) -> None:
    assert program(MULTIPROCESSING, path, method) == ["[1, 2, 3, 4, 5, 6, 7, 8, 9]", "10 []"]
