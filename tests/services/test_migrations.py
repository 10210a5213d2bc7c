"""Migrations: what they refuse, say and show, and that they go on after kills."""

import asyncio
import random
import signal
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NotRequired

import pytest
from tests.processes.children import nursery
from tests.services import migrating
from tests.services.migrating import Items
from tests.services.test_executor import wait_until

import headwater as hw
from headwater import Document, Index, MutationCtx, Table, testing


class Song(Document["Song"]):
    title: str
    stars: int
    genre: NotRequired[str]


class Songs(Table[Song]):
    by_title = Index("title", unique=True)


def module(*migrations: hw.Migration[Any], **names: Any) -> types.ModuleType:
    made = types.ModuleType("music")
    vars(made).update({one.name: one for one in migrations}, Songs=Songs, **names)
    return made


def declared(function: Callable[..., Any], **options: Any) -> hw.Migration[Song]:
    return hw.migration(Songs, **{"batch_documents": 2, **options})(function)


def add_genre(ctx: MutationCtx, song: Song) -> dict[str, Any] | None:
    """Every song gets one; some have it."""
    if song["stars"] < 0:
        raise ValueError(f"{song['title']} has {song['stars']} stars")
    return None if "genre" in song else {"genre": "rock" if song["stars"] > 2 else "folk"}


@pytest.fixture
def genre() -> hw.Migration[Song]:
    return declared(add_genre)


@pytest.fixture
def db(genre: hw.Migration[Song]) -> Iterator[testing.database]:
    with testing.database(module(genre)) as opened:
        for stars in range(5):
            opened.transact(lambda tx, n=stars: tx.insert(Songs, {"title": f"s{n}", "stars": n}))
        yield opened


def songs(db: Any) -> list[Any]:
    with db.snapshot() as snapshot:
        return list(snapshot.query(Songs))


def genres(db: Any) -> list[Any]:
    return [song.get("genre") for song in songs(db)]


# -- doing ----------------------------------------------------------------------------------------


def test_it_is_done_in_batches_that_are_commits(db, genre) -> None:
    (run,) = db.migrations.start(genre)
    assert (run["state"], run["total"]) == ("pending", 5)
    shown = []
    while db.run_due_jobs(limit=1):
        run = db.migrations.get(genre)
        shown.append((run["state"], run["processed"], len([one for one in genres(db) if one])))
    assert shown == [("running", 2, 2), ("running", 4, 4), ("success", 5, 5)]
    origins = [entry.origin for entry in db.log.read(tables=[Songs])[-3:]]
    assert {origin.function for origin in origins} == {"music:addGenre"}
    assert {origin.details["job"] for origin in origins} == {run["_id"]}


def test_it_runs_by_itself_and_its_progress_is_watched(tmp_path) -> None:
    with hw.open(tmp_path / "db.hw", modules=[migrating]) as db:
        for _ in range(20):
            db.mutate(migrating.insert, key=1)
        shown = []

        def is_done(found: Any) -> bool:
            if found is not None:
                shown.append(found)
            return found is not None and found[0] == "success"

        db.migrations.start(migrating.count_up)
        wait_until(db, migrating.progress, is_done)
        assert shown[-1] == ["success", 20, 20]
        assert [found[1] for found in shown] == sorted(found[1] for found in shown)


def test_it_runs_once_per_database_unless_forced(db, genre) -> None:
    assert db.migrations.run(genre)[0]["changed"] == 5
    head = db.ts
    assert db.migrations.run(genre)[0]["run"] == 1
    assert db.ts == head
    (again,) = db.migrations.run(genre, force=True)
    assert (again["run"], again["processed"], again["changed"]) == (2, 5, 0)


def test_a_failure_stops_it_at_a_document_and_it_goes_on_from_there(db, genre) -> None:
    bad = songs(db)[3]["_id"]
    db.transact(lambda tx: tx.patch(bad, stars=-1))
    with pytest.raises(hw.MigrationFailedError) as caught:
        db.migrations.run(genre)
    assert (caught.value.name, caught.value.document) == ("add_genre", bad)
    assert caught.value.reason == "ValueError: s3 has -1 stars"
    assert str(caught.value).startswith(
        f"migration 'add_genre' failed at document {bad}: ValueError: s3 has -1 stars. It changed "
        "2 of 2 documents before, and goes on from there when it is started again"
    )
    run = db.migrations.get(genre)
    assert (run["state"], run["document"], run["processed"]) == ("failed", bad, 2)
    assert genres(db) == ["folk", "folk", None, None, None]
    assert db.run_due_jobs() == 0
    db.transact(lambda tx: tx.patch(bad, stars=3))
    (run,) = db.migrations.run(genre)
    assert (run["state"], run["processed"], run["run"]) == ("success", 5, 1)
    assert "error" not in run
    assert genres(db) == ["folk", "folk", "folk", "rock", "rock"]


def test_one_whose_function_was_moved_goes_on(tmp_path, genre) -> None:
    with hw.open(tmp_path / "db.hw", modules=[module(genre)], jobs="hold") as db:
        rows = [{"title": f"s{n}", "stars": n} for n in range(5)]
        db.transact(lambda tx: tx.insert_many(Songs, rows))
        db.migrations.start()
        db.run_due_jobs(limit=1)
    moved = types.ModuleType("elsewhere")
    vars(moved).update(Songs=Songs, fill_in=genre)
    with hw.open(tmp_path / "db.hw", modules=[moved], jobs="hold") as db:
        assert db.run_due_jobs() == 2
        run = db.migrations.get(genre)
        assert (run["state"], run["processed"]) == ("success", 5)
        assert run["function"] == "elsewhere:fillIn"


def test_a_canceled_one_goes_on_when_it_is_started_again(db, genre) -> None:
    assert not db.migrations.cancel(genre)
    db.migrations.start(genre)
    db.run_due_jobs(limit=1)
    assert db.migrations.cancel(genre)
    assert not db.migrations.cancel(genre)
    assert db.run_due_jobs() == 0
    assert db.migrations.get(genre)["state"] == "canceled"
    db.migrations.start(genre)
    assert db.run_due_jobs() == 2
    assert genres(db) == ["folk", "folk", "folk", "rock", "rock"]


def test_a_series_runs_in_its_order() -> None:
    ran: list[str] = []

    def first(ctx: MutationCtx, song: Song) -> None:
        ran.append("first")

    def second(ctx: MutationCtx, song: Song) -> None:
        ran.append("second")

    one = declared(first)
    two = declared(second, after=one)
    three = declared(first, name="third", after=[two])
    with testing.database(module(two, three, one)) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        assert [run["name"] for run in db.migrations.start(three)] == ["first", "second", "third"]
        db.run_due_jobs()
        assert ran == ["first", "second", "first"]
        assert [run["state"] for run in db.migrations.run()] == ["success"] * 3


def test_what_comes_after_one_that_failed_waits() -> None:
    def fail(ctx: MutationCtx, song: Song) -> None:
        raise ValueError("no")

    failing = declared(fail)
    behind = declared(add_genre, after=failing)
    with testing.database(module(failing, behind)) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        with pytest.raises(hw.MigrationFailedError, match="migration 'fail' failed"):
            db.migrations.run(behind)
        assert [run["state"] for run in db.migrations.list()] == ["pending", "failed"]
        assert db.run_due_jobs() == 0


def test_a_table_that_is_not_there_yet_is_migrated_at_once(genre) -> None:
    with testing.database(module(genre)) as db:
        (run,) = db.migrations.run()
        assert (run["state"], run["processed"], run["total"]) == ("success", 0, 0)


def test_rules_do_not_hold_for_it(genre) -> None:
    made = module(genre, hw=hw)
    exec("hw.rules(Songs, read=False, modify=False)", vars(made))
    with testing.database(made) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        assert db.migrations.run()[0]["changed"] == 1


def test_documents_with_ids_of_another_database_are_met_in_their_order(db, genre, tmp_path) -> None:
    db.export_to(tmp_path / "export", tables=["songs"])
    with testing.database(module(genre)) as other:
        other.import_from(tmp_path / "export")
        other.migrations.start()
        assert other.run_due_jobs(limit=1) == 1
        assert genres(other) == ["folk", "folk", None, None, None]
        other.transact(lambda tx: tx.insert(Songs, {"title": "new", "stars": 5}))
        other.run_due_jobs()
        assert genres(other) == ["folk", "folk", "folk", "rock", "rock", "rock"]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_what_is_imported_meanwhile_is_met_although_it_is_older(tmp_path, genre, mode) -> None:
    long_ago = testing.ManualClock(datetime(2020, 1, 1, tzinfo=UTC), seed=1)
    with testing.database(module(genre), clock=long_ago) as old:
        rows = [{"title": f"old {n}", "stars": n} for n in range(5)]
        old.transact(lambda tx: tx.insert_many(Songs, rows))
        old.export_to(tmp_path / "export", tables=["songs"])
    with testing.database(module(genre)) as db:
        rows = [{"title": f"new {n}", "stars": n} for n in range(5)]
        db.transact(lambda tx: tx.insert_many(Songs, rows))
        db.migrations.start()
        db.run_due_jobs(limit=1)
        db.import_from(tmp_path / "export", mode=mode)
        db.run_due_jobs()
        run = db.migrations.get(genre)
        assert (run["state"], run["processed"]) == ("success", 10 if mode == "append" else 7)
        assert genres(db) == ["folk", "folk", "folk", "rock", "rock"] * (2 - (mode == "replace"))


def test_a_log_that_was_trimmed_meanwhile_stops_it(db, genre) -> None:
    db.migrations.start()
    db.run_due_jobs(limit=1)
    db.migrations.cancel(genre)
    first = songs(db)[0]["_id"]
    for stars in range(3):
        db.transact(lambda tx, n=stars: tx.patch(first, stars=n + 7))
    db.trim_log(db.ts)
    with pytest.raises(hw.MigrationFailedError, match="LogTrimmedError"):
        db.migrations.run()
    assert db.migrations.run(force=True)[0]["processed"] == 5


@pytest.mark.parametrize("result", [3, ["genre"], "rock"])
def test_a_result_that_is_no_dict_is_refused(result) -> None:
    wrong = declared(lambda ctx, song: result, name="wrong")
    with testing.database(module(wrong)) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        with pytest.raises(hw.MigrationFailedError, match="expected a dict of the fields to set"):
            db.migrations.run()


def test_the_document_itself_may_be_returned() -> None:
    def shout(ctx: MutationCtx, song: Song) -> Song:
        song["title"] = song["title"].upper()
        return song

    shouting = declared(shout)
    with testing.database(module(shouting)) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        db.migrations.run()
        assert [song["title"] for song in songs(db)] == ["A"]


# -- trying ---------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_change_and_changes_nothing(db, genre) -> None:
    first = songs(db)[0]["_id"]
    db.transact(lambda tx: tx.patch(first, genre="jazz"))
    head, log = db.ts, db.log.read()
    tried = db.migrations.dry_run(genre, sample=2)
    assert (tried.processed, tried.changed, tried.error) == (5, 4, "")
    assert [(one.before.get("genre"), one.after["genre"]) for one in tried.sample] == [
        (None, "folk"),
        (None, "folk"),
    ]
    assert (db.ts, db.log.read()) == (head, log)
    assert db.migrations.get(genre) is None
    assert genres(db) == ["jazz", None, None, None, None]
    assert db.migrations.dry_run(genre, limit=3).processed == 3


def test_a_dry_run_names_the_first_failure(db, genre) -> None:
    bad = songs(db)[3]["_id"]
    db.transact(lambda tx: tx.patch(bad, stars=-1))
    tried = db.migrations.dry_run(genre)
    assert (tried.document, tried.error) == (bad, "ValueError: s3 has -1 stars")
    assert tried.processed == 3


def test_a_dry_run_makes_no_table() -> None:
    def split(ctx: MutationCtx, song: Song) -> None:
        ctx.db.insert("elsewhere", {"song": song["_id"]})

    splitting = declared(split)
    with testing.database(module(splitting)) as db:
        db.transact(lambda tx: tx.insert(Songs, {"title": "a", "stars": 1}))
        head = db.ts
        with pytest.raises(hw.UsageError, match="writes into 'elsewhere', which is not there yet"):
            db.migrations.dry_run(splitting)
        assert db.ts == head
        db.migrations.run()
        assert db.migrations.dry_run(splitting).changed == 1


@pytest.mark.parametrize("options", [{"sample": -1}, {"limit": "3"}, {"limit": True}])
def test_wrong_options_of_a_dry_run(db, genre, options) -> None:
    with pytest.raises(hw.ArgumentError, match="expected a number, 0 or more"):
        db.migrations.dry_run(genre, **options)


# -- undoing --------------------------------------------------------------------------------------


def test_an_undo_stops_at_what_has_changed_since_and_goes_on(db, genre) -> None:
    db.migrations.run()
    last, first = songs(db)[4]["_id"], songs(db)[0]["_id"]
    db.transact(lambda tx: tx.patch(first, genre="jazz"))
    with pytest.raises(hw.UndoConflictError) as caught:
        db.migrations.undo(genre)
    assert list(caught.value.later) == [first]
    assert genres(db) == ["jazz", "folk", None, None, None]
    with pytest.raises(hw.UsageError, match="is being undone; finish that with"):
        db.migrations.start(genre)
    db.transact(lambda tx: tx.patch(last, genre="mine"))
    assert db.migrations.undo(genre, override=True) == 1
    assert genres(db) == [None, None, None, None, "mine"]
    assert db.migrations.get(genre)["state"] == "undone"


def test_one_that_has_not_ended_is_not_undone(db, genre) -> None:
    assert db.migrations.undo(genre) == 0
    db.migrations.start()
    with pytest.raises(hw.UsageError, match="is pending; cancel it with"):
        db.migrations.undo(genre)


def test_what_others_come_after_is_undone_behind_them() -> None:
    first = declared(add_genre)
    second = declared(lambda ctx, song: None, name="second", after=first)
    with testing.database(module(first, second)) as db:
        db.migrations.run()
        with pytest.raises(hw.UsageError, match="'second' comes after 'add_genre' and is success"):
            db.migrations.undo(first)
        db.migrations.undo(second)
        db.migrations.undo(first)


# -- declaring ------------------------------------------------------------------------------------


def test_one_of_another_module_is_refused(db) -> None:
    with pytest.raises(hw.UsageError, match="in no module that this database was opened with"):
        db.migrations.start(migrating.count_up)
    with pytest.raises(hw.UsageError, match=r"declared with @hw\.migration, got"):
        db.migrations.start(add_genre)


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(hw.DeclarationError, match="migration 'add_genre' is declared in"):
        testing.database(module(declared(add_genre)), module(declared(add_genre)))


def test_one_after_a_missing_one_is_refused() -> None:
    behind = declared(add_genre, after=declared(lambda ctx, song: None, name="missing"))
    with pytest.raises(hw.DeclarationError, match="comes after 'missing', which is in no module"):
        testing.database(module(behind))


async def wait(ctx: MutationCtx, song: Song) -> None:
    pass


WRONG = {
    "async": (lambda: declared(wait), "is an async def"),
    "one parameter": (lambda: declared(lambda ctx: None), "called with a context and a document"),
    "three": (lambda: declared(lambda a, b, c: None), "called with a context and a document"),
    "no function": (lambda: declared(3), "expected a function, got 3"),
    "no table": (lambda: hw.migration(Song)(add_genre), "with the class of a table"),
    "no brackets": (lambda: hw.migration(add_genre)(add_genre), "with the class of a table"),
    "service": (lambda: hw.migration(hw.Migrations)(add_genre), "of the database itself"),
    "batch": (lambda: declared(add_genre, batch_documents=0), "a number from 1 to 10000"),
    "name": (lambda: declared(add_genre, name=""), "expected a name of up to 200 characters"),
    "after": (lambda: declared(add_genre, after=["x"]), "declared with @hw.migration, or a list"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_declarations_say_what_is_expected(what) -> None:
    make, text = WRONG[what]
    with pytest.raises(hw.DeclarationError) as caught:
        make()
    assert text in str(caught.value)


def test_nobody_calls_its_step(db) -> None:
    with pytest.raises(hw.FunctionInternalError):
        db.call("music:addGenre", {"run": "x"})


def test_the_function_is_tried_like_any_other(genre) -> None:
    song: Any = {"title": "a", "stars": 5}
    no_context: Any = None
    assert genre(no_context, song) == {"genre": "rock"}


# -- kills ----------------------------------------------------------------------------------------

WORKER = """
from tests.services import migrating
db = hw.open(path, modules=[migrating], jobs="run")
db.migrations.start(migrating.count_up)
say("open")
for number in range(1000):
    db.mutate(migrating.insert, key=number % 15)
    say("inserted")
"""


HOLDER = """
from tests.services import migrating
db = hw.open(path, modules=[migrating], jobs="run")
say("open")
hear()
"""

OWNER = """
from tests.services import migrating
db = hw.open(path, modules=[migrating], jobs="run")
with db.watch(migrating.progress) as live:
    db.migrations.start()
    say(next(found[0] for found in live if found and found[1]))
hear()
"""


@pytest.fixture
def start() -> Iterator[Any]:
    with nursery() as started:
        yield started


def test_others_go_on_with_the_migration_of_one_that_is_killed(tmp_path, start) -> None:
    """One open database runs it at a time; that one is killed, and nobody opens it afterwards."""
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[migrating], jobs="hold") as db:
        rows = [{"key": 1, "n": 0, "times": 0} for _ in range(800)]
        db.transact(lambda tx: tx.insert_many(Items, rows))
        holder = start(HOLDER, path)
        assert holder.hear() == "open", holder.errors
        owner = start(OWNER, path)
        assert owner.hear() == "running", owner.errors
        owner.kill()  # after a few of 267 batches
        wait_until(db, migrating.progress, lambda found: found == ["success", 800, 800])


def test_a_closed_database_goes_on_when_it_is_opened_again(tmp_path) -> None:
    path = tmp_path / "db.hw"
    with hw.open(path, modules=[migrating], jobs="run") as db:
        rows = [{"key": 1, "n": 0, "times": 0} for _ in range(300)]
        db.transact(lambda tx: tx.insert_many(Items, rows))
        db.migrations.start()
    with hw.open(path, modules=[migrating]) as db:
        wait_until(db, migrating.progress, lambda found: found == ["success", 300, 300])


def test_tasks_have_the_same_verbs(db, genre) -> None:
    async def migrate() -> None:
        client = db.aio.migrations
        assert (await client.dry_run(genre, limit=2)).changed == 2
        assert [run["state"] for run in await client.start()] == ["pending"]
        assert await client.cancel(genre)
        assert [run["state"] for run in await client.run(genre)] == ["success"]
        assert await client.get(genre) == (await client.list())[0]
        assert await client.undo(genre) == 3

    asyncio.run(migrate())


@pytest.mark.parametrize("seed", range(3))
def test_kills_apply_it_to_no_document_twice_and_leave_none_out(tmp_path, start, seed) -> None:
    path, draw = tmp_path / "db.hw", random.Random(seed)
    with hw.open(path, modules=[migrating], jobs="hold") as db:
        rows = [{"key": n % 15, "n": 0, "times": 0} for n in range(400)]
        db.transact(lambda tx: tx.insert_many(Items, rows))
    for _ in range(3):
        workers = [start(WORKER, path) for _ in range(2)]
        for worker in workers:
            assert worker.hear() == "open", worker.errors
            for _ in range(draw.randint(0, 25)):
                worker.hear()
        for worker in workers:
            worker.kill()
            assert worker.process.returncode == -signal.SIGKILL, worker.errors
    with hw.open(path, modules=[migrating], jobs="hold") as db:
        run = db.migrations.get(migrating.count_up)
        assert run is not None
        db.migrations.run()
        ended = next(one for one in db.history(run["_id"]) if one.document["state"] == "success").ts
        for item in db.transact(lambda tx: tx.query(Items).collect()):
            inserted = min(version.ts for version in db.history(item["_id"]))
            assert item["times"] == ("made" not in item and inserted < ended), item
        assert db.verify() == []
