"""``headwater jobs`` and ``headwater crons``: what runs later."""

import json

import pytest
from tests.cli.calling import call, refused, shown

import headwater as hw


@pytest.fixture
def notes(folder, app):
    return app[0].notes


@pytest.fixture
def dead(app, notes):
    """Two jobs that have failed for good."""
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        ids = [db.jobs.enqueue(notes.work, number=number) for number in (1, 2)]
        db.run_due_jobs()
    return ids


@pytest.fixture
def pending(app, notes):
    """A job that waits, and what is called when it has ended."""
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        client = db.jobs.with_options(on_complete=notes.ended, context="Eve", delay_seconds=99)
        return client.enqueue(notes.add, size=1)


def facts(*arguments):
    return [json.loads(line) for line in shown(*arguments, "--json").splitlines()]


def test_jobs_are_listed_and_chosen(dead, pending):
    assert [job["_id"] for job in facts("jobs", "list", "app.hw")] == [pending, *reversed(dead)]
    assert [job["_id"] for job in facts("jobs", "list", "app.hw", "--state", "pending")] == [
        pending
    ]
    assert len(facts("jobs", "list", "app.hw", "--queue", "slow")) == 2
    assert len(facts("jobs", "list", "app.hw", "--function", "notes:add", "--limit", "5")) == 1
    lines = shown("jobs", "list", "app.hw").splitlines()
    assert lines[0].split()[:3] == ["id", "state", "queue"]
    assert "notes:add" in lines[1]


def test_dead_letters_say_why(dead):
    output = shown("jobs", "dead", "app.hw")
    assert "ValueError: no 1" in output
    assert "attempt 1, 20" in output
    assert len(facts("jobs", "dead", "app.hw", "--queue", "slow")) == 2
    assert shown("jobs", "dead", "app.hw", "--queue", "other") == "there are no dead letters\n"


def test_dead_jobs_run_again(dead, app):
    assert shown("jobs", "retry", "app.hw", dead[0]) == f"{dead[0]} will run again\n"
    assert shown("jobs", "retry", "app.hw", dead[0]) == f"{dead[0]} not dead\n"
    assert shown("jobs", "retry", "app.hw", "--all", "--queue", "other") == (
        "0 jobs will run again\n"
    )
    assert shown("jobs", "retry", "app.hw", "--all") == "1 job will run again\n"
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        assert db.run_due_jobs() == 2


def test_jobs_are_forgotten(dead, pending):
    assert shown("jobs", "purge", "app.hw", dead[0], pending) == (
        f"{dead[0]} forgotten\n{pending} has not ended\n"
    )
    assert shown("jobs", "purge", "app.hw", "--all") == "1 job forgotten\n"
    assert len(facts("jobs", "list", "app.hw")) == 1


def test_a_job_is_canceled_and_who_waits_for_it_is_told(pending, app, notes):
    said = refused("jobs", "cancel", "app.hw", pending)
    assert "notes:ended" in said
    assert facts("jobs", "list", "app.hw")[0]["state"] == "pending"
    assert shown("jobs", "cancel", "app.hw", pending, "-m", "app") == f"{pending} canceled\n"
    assert shown("jobs", "cancel", "app.hw", pending) == f"{pending} had ended before\n"
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        assert [note["author"] for note in db.query(notes.list_, author="Eve")] == ["Eve"]


def test_scheduled_functions_are_listed_and_canceled(app, notes):
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        id = db.scheduler.run_after(60, notes.add, size=1)
    assert facts("jobs", "scheduled", "app.hw")[0]["name"] == "notes:add"
    assert shown("jobs", "cancel", "app.hw", id) == f"{id} canceled\n"
    assert facts("jobs", "scheduled", "app.hw", "--state", "pending") == []
    assert "canceled" in shown("jobs", "scheduled", "app.hw")


def test_queues_are_counted_paused_and_resumed(dead, pending):
    shown("jobs", "pause", "app.hw", "slow")
    by_name = {queue["queue"]: queue for queue in facts("jobs", "queues", "app.hw")}
    assert by_name["slow"]["is_paused"]
    assert by_name["slow"]["dead"] == 2
    assert by_name["default"]["pending"] == 1
    assert "paused" in shown("jobs", "queues", "app.hw")
    shown("jobs", "resume", "app.hw", "slow")
    assert "paused" not in shown("jobs", "queues", "app.hw")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["retry", "app.hw"], 2, "expected the ids of jobs, or --all"),
        (["retry", "app.hw", "x", "--all"], 2, "expected the ids of jobs, or --all"),
        (["purge", "app.hw", "x", "--queue", "slow"], 2, "--queue goes with --all"),
        (["cancel", "app.hw"], 2, "expected the ids of jobs"),
        (["cancel", "app.hw", "nonsense"], 1, "nonsense"),
        (["retry", "app.hw", "nonsense"], 1, "nonsense"),
        (["list", "app.hw", "--state", "gone"], 2, "pending"),
        (["pause", "app.hw", ""], 1, "queue"),
        (["list", "none.hw"], 1, "there is no database"),
        (["cancel", "none.hw", "x", "-m", "app"], 1, "there is no database"),
    ],
)
def test_wrong_input_is_refused(app, folder, arguments, code, says):
    assert says in refused("jobs", *arguments, code=code)
    assert not (folder / "none.hw").exists()


def test_crons_are_listed_with_their_runs(app, notes):
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        db.crons.register("often", hw.IntervalSchedule(minutes=1), notes.add, {"size": 1})
        db.run_due_jobs()
    by_name = {cron["name"]: cron for cron in facts("crons", "list", "app.hw")}
    assert by_name["tidy"]["module"] == "app.notes"
    output = shown("crons", "list", "app.hw")
    assert "every 60 s" in output
    assert "0 4 * * * UTC" in output
    assert [run["name"] for run in facts("crons", "runs", "app.hw")] == ["often"]
    assert "success" in shown("crons", "runs", "app.hw", "often")
    assert facts("crons", "runs", "app.hw", "tidy") == []
    assert "no cron 'x'" in refused("crons", "runs", "app.hw", "x")


def test_registered_crons_can_be_deleted(app, notes):
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        db.crons.register("often", hw.IntervalSchedule(minutes=1), notes.add, {"size": 1})
    assert shown("crons", "delete", "app.hw", "often") == "cron often is deleted\n"
    assert "no cron 'often'" in refused("crons", "delete", "app.hw", "often")
    assert "app.notes" in refused("crons", "delete", "app.hw", "tidy")


@pytest.mark.parametrize("group", ["jobs", "crons"])
def test_a_group_alone_shows_its_commands(group):
    assert "list" in call(group)[1]
