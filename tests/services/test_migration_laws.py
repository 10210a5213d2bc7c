"""A migration is applied once to each document, whoever writes, crashes and goes on meanwhile."""

import contextvars
from contextlib import closing, suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws.batches import Held
from tests.services import migrating
from tests.services.migrating import Items, Notes

import headwater as hw
from headwater import testing
from headwater.services.performance import look, origin_of_task
from headwater.services.work import Room, Task

KEYS = st.integers(0, 14)
WRITES = st.one_of(
    st.tuples(st.just("insert"), KEYS),
    st.tuples(st.just("insert_many"), KEYS),
    st.tuples(st.just("patch"), KEYS),
    st.tuples(st.just("delete"), KEYS),
)
STEPS = st.lists(
    st.one_of(
        WRITES,
        st.tuples(st.just("begin_late"), KEYS),
        st.tuples(st.just("end_late"), st.just(0)),
        st.tuples(st.just("batch"), st.integers(1, 2)),
        st.tuples(st.just("batch"), st.integers(1, 2)),
        st.tuples(st.just("behind"), st.lists(WRITES, max_size=3)),
        st.tuples(
            st.just("together"), st.lists(st.one_of(WRITES, st.just(("batch", 0))), max_size=6)
        ),
        st.tuples(st.sampled_from(["crash", "cancel", "start"]), st.just(0)),
    ),
    max_size=25,
)


class World:
    """A database whose items are migrated, and transactions that are slow to commit."""

    def __init__(self, db: testing.database) -> None:
        self.db: Any = db
        self.late: list[Any] = []

    def insert(self, key: int) -> None:
        self.db.mutate(migrating.insert, key=key)

    def insert_many(self, key: int) -> None:
        self.db.mutate(migrating.insert_many, key=key)

    def patch(self, place: int) -> None:
        self.db.mutate(migrating.patch, place=place)

    def delete(self, place: int) -> None:
        self.db.mutate(migrating.delete, place=place)

    def begin_late(self, key: int) -> None:
        """Insert what gets its creation time now, and is committed later."""
        transaction = self.db.transaction()
        transaction.insert(Items, {"key": key, "n": 0, "times": 0})
        self.late.append(transaction)

    def end_late(self, _: int) -> None:
        if self.late:
            self.late.pop(0).commit()

    def batch(self, count: int) -> None:
        self.db.run_due_jobs(limit=count)

    def behind(self, writes: Any) -> None:
        """A batch on a snapshot, while others commit before it does."""
        task = self.task()
        if task is None:
            return
        store = self.db._store
        run = self.db._services.executing._performance.run_of(task)
        with closing(store.snapshot()) as snapshot:
            transaction = store.begin(snapshot, function=task.function)
            run(transaction)
            for name, argument in writes:
                getattr(self, name)(argument)
            with suppress(hw.ConflictError):
                store.commit(transaction, origin_of_task(task))

    def together(self, steps: Any) -> None:
        """Writes and batches that share one flush."""
        task = self.task()
        with Held(self.db) as held:
            for name, argument in steps:
                if name == "batch":
                    self.submit(held, task)
                else:
                    name_of = "key" if name.startswith("insert") else "place"
                    held.mutate(getattr(migrating, name), **{name_of: argument})

    def submit(self, held: Held, task: Task | None) -> None:
        if task is not None:
            ended = held._expect()
            run = self.db._services.executing._performance.run_of(task)
            context = contextvars.copy_context()
            self.db._runner.submit(run, origin_of_task(task), context, lambda _: ended.set())

    def task(self) -> Task | None:
        executing = self.db._services.executing
        found = look(self.db._store, [executing.migrations], Room(1, 1))
        return found.tasks[0] if found.tasks else None

    def crash(self, _: int) -> None:
        self.late.clear()
        self.db.crash()

    def cancel(self, _: int) -> None:
        self.db.migrations.cancel(migrating.count_up)

    def start(self, _: int) -> None:
        self.db.migrations.start(migrating.count_up)

    # -- what has to hold -------------------------------------------------------------------------

    def check(self) -> None:
        run = self.db.migrations.get(migrating.count_up)
        assert run["state"] == "success"
        ended = self.db.history(run["_id"])[0]
        assert ended.document["state"] == "success"
        with self.db.snapshot() as snapshot:
            items = snapshot.query(Items).collect()
            noted = [note["item"] for note in snapshot.query(Notes)]
        assert len(noted) == len(set(noted))
        for item in items:
            inserted = min(version.ts for version in self.db.history(item["_id"]))
            is_migrated = "made" not in item and inserted < ended.ts
            assert item["times"] == is_migrated, item
            assert (item["_id"] in noted) == (is_migrated and item["key"] % 3 == 0)
        assert self.db.verify() == []


@given(st.lists(KEYS, max_size=12), STEPS)
@example(  # what is committed late lies behind the walk, which has come to its end
    [1, 2, 4, 5],
    [("begin_late", 3), ("batch", 1), ("batch", 1), ("end_late", 0), ("insert", 4), ("crash", 0)],
)
@example(  # the last batch shares its flush with what is inserted before it
    [1],
    [("together", [("insert", 2), ("batch", 0), ("insert", 3), ("batch", 0), ("insert", 4)])],
)
@example([1, 2, 3, 4], [("batch", 1), ("behind", [("insert", 6), ("delete", 0)]), ("behind", [])])
@example([4] * 7, [("batch", 2), ("cancel", 0), ("insert", 4), ("start", 0)])
@example([1] * 7, [("batch", 1), ("together", [("insert", 2), ("batch", 0), ("insert", 3)])])
@example([1] * 7, [("batch", 1), ("together", [("insert_many", 2), ("batch", 0)])])
@example([1], [("behind", [("insert", 2)])])
@example([4] * 7, [("batch", 1), ("together", [("batch", 0), ("batch", 0)])])
@example(  # what is committed late lies ahead of the walk
    [1] * 4, [("begin_late", 2), ("insert", 1), ("batch", 1), ("end_late", 0), ("batch", 1)]
)
@example([1] * 4, [("batch", 1), ("insert_many", 3), ("batch", 1), ("crash", 0)])
@example(  # a clock that was set back: what is inserted now lies before what was there
    [14, 0], [("insert", 0), ("crash", 0), ("insert_many", 0)]
)
def test_each_document_is_migrated_once_under_any_interleaving(keys: Any, steps: Any) -> None:
    with testing.database(migrating) as db:
        world: Any = World(db)
        for key in keys:
            world.insert(key)
        world.start(0)
        for name, argument in steps:
            getattr(world, name)(argument)
        for transaction in world.late:
            transaction.rollback()
        world.start(0)
        world.db.run_due_jobs()
        world.check()
        world.insert(7)
        assert world.db.run_due_jobs() == 0
        world.check()


@given(st.lists(KEYS, min_size=1, max_size=12), STEPS, st.integers(0, 6))
def test_an_undone_migration_leaves_what_was_there(keys: Any, steps: Any, interrupted: int) -> None:
    """Also if it was canceled in the middle, and if the undo was cut short. So does trying it."""
    with testing.database(migrating) as db:
        world: Any = World(db)
        for key in keys:
            world.insert(key)
        before, head = items(db), db.ts
        tried = db.migrations.dry_run(migrating.count_up, sample=3)
        assert (tried.processed, tried.changed, tried.error) == (len(keys), len(keys), "")
        assert [one.before for one in tried.sample] == before[:3]
        assert all(one.after == {**one.before, "times": 1} for one in tried.sample)
        assert (items(db), db.ts) == (before, head)
        world.start(0)
        for name, argument in steps:
            if name in ("batch", "crash", "cancel", "start"):
                getattr(world, name)(argument)
        world.cancel(0)
        commits = undoable(db)
        with suppress(Cut):
            Cut.undo_after(db, interrupted)
        world.crash(0)
        db.migrations.undo(migrating.count_up)
        assert items(db) == before
        with db.snapshot() as snapshot:
            assert snapshot.query(Notes).collect() == []
        run = db.migrations.get(migrating.count_up)
        assert run is not None
        assert run["state"] == "undone"
        assert db.migrations.undo(migrating.count_up) == 0
        assert len(commits) <= len(keys)
        world.start(0)
        db.run_due_jobs()
        assert [item["times"] for item in items(db) if "made" not in item] == [1] * len(keys)


class Cut(Exception):
    """An undo that ends in the middle."""

    @classmethod
    def undo_after(cls, db: Any, count: int) -> None:
        from headwater.services import migrating as service

        undo, left = service.undo, count

        def cut(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if not left:
                raise cls
            left -= 1
            return undo(*arguments, **options)

        service.undo = cut
        try:
            db.migrations.undo(migrating.count_up)
        finally:
            service.undo = undo


def items(db: Any) -> list[Any]:
    with db.snapshot() as snapshot:
        found: list[Any] = snapshot.query(Items).collect()
    return found


def undoable(db: Any) -> list[int]:
    run = db.migrations.get(migrating.count_up)
    found: list[int] = db.migrations._commits(run)
    return found
