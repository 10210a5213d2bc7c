"""The example with jobs: every file is read, what fails is shown, and a kill costs nothing."""

import signal

import pytest
from examples.jobs import words
from tests.examples.test_examples import run, start

import headwater as hw


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "texts"
    made.mkdir()
    for number in range(6):
        (made / f"{number}.txt").write_text("one two three\n" * (number * 100 + 10))
    (made / "picture.bin").write_bytes(bytes(range(256)))
    return made


WORDS = sum(3 * (number * 100 + 10) for number in range(6))


def test_every_file_is_read_and_its_progress_shown(folder):
    output = run("examples.jobs", folder, "--pause", 0)
    assert f"{WORDS} words in 6 files of {folder}; 1 unreadable" in output
    assert "5.txt" in output
    assert "[####################] success  1530 words" in output
    assert "dead     NonRetryableError: " in output


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_ends_midway_is_taken_up_by_the_next_one(tmp_path, folder, end):
    path = tmp_path / "jobs.hw"
    with hw.open(path, modules=[words], jobs="hold") as db:
        with start("examples.jobs", folder, "--path", path, "--pause", 0.05) as child:
            with db.watch(words.files_read) as live:
                while live.next(timeout_seconds=60) < 2:
                    pass
            child.send_signal(end)
            output, _ = child.communicate(timeout=60)
        assert child.returncode == (-end if end == signal.SIGKILL else 130), output
    again = run("examples.jobs", folder, "--path", path, "--pause", 0)
    assert f"{WORDS} words in 6 files of {folder}; 1 unreadable" in again
    with hw.open(path, modules=[words], jobs="hold") as db:
        with db.snapshot() as snapshot:
            read = snapshot.query(words.Texts).collect()
        assert sorted(text["words"] for text in read) == [30, 330, 630, 930, 1230, 1530]
        assert all(text["times"] <= 3 for text in read)
        assert db.verify() == []


def test_two_processes_share_the_files(tmp_path, folder):
    path = tmp_path / "jobs.hw"
    with start("examples.jobs", folder, "--path", path, "--pause", 0.02) as one:
        other = run("examples.jobs", folder, "--path", path, "--pause", 0.02)
        output, _ = one.communicate(timeout=60)
    assert one.returncode == 0, output
    for said in (output, other):
        assert f"{WORDS} words in 6 files of {folder}; 1 unreadable" in said
