"""What one process does to the others on a directory: killed, stopped, deploying, forked.

Goal: nobody is blocked by the dead, changes of the catalog are noticed, and a fork is refused
with a clear error on the child's side and unnoticed on the parent's.
"""

import types

import pytest
from tests.processes import application
from tests.processes.application import bump, issue, value_of

import headwater as hw


def test_a_killed_process_blocks_nobody(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        db.mutate(bump, writer="parent", name="n")
        child = start(
            """
            db = hw.open(path, modules=[application])
            snapshot = db.snapshot().__enter__()
            live = db.watch(application.counters)
            live.next()
            with db._store.environment.write() as writer:
                say("holds the lock")
                hear()
            """,
            path,
        )
        assert child.hear() == "holds the lock"
        child.kill()

        assert db.mutate(bump, writer="parent", name="n") == 2
        with db.watch(value_of, name="n") as live:
            assert live.next(30) == 2
            db.mutate(bump, writer="parent", name="n")
            assert live.next(30) == 3
        assert db._store.environment.check_readers() == 0, "LMDB has freed the slots of the dead"
        assert db.verify() == []


def test_a_table_that_another_process_made_is_there(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        assert db.snapshot().query("notes").collect() == []
        start(
            """
            with hw.open(path) as db:
                db.transact(lambda tx: tx.insert("notes", {"text": "hello"}))
            """,
            path,
        ).finish()
        with db.snapshot() as snapshot:
            (note,) = snapshot.query("notes")
        db.transact(lambda tx: tx.insert("notes", {"text": "and back"}))
        assert note["text"] == "hello"
        assert db.tables().count("notes") == 1
        assert [revision.document["text"] for revision in db.history(note["_id"])] == ["hello"]
        assert db.verify() == []


def test_a_live_query_over_a_missing_table_sees_it_come_from_another_process(path, start) -> None:
    module = types.ModuleType("notes_module")

    @hw.query
    def notes(ctx: hw.QueryCtx) -> list[str]:
        return [note["text"] for note in ctx.db.query("notes")]

    module.notes = notes
    with hw.open(path, modules=[module]) as db, db.watch(notes) as live:
        assert live.next(30) == []
        child = start(
            """
            with hw.open(path) as db:
                db.transact(lambda tx: tx.insert("notes", {"text": "hello"}))
                hear()
            """,
            path,
        )
        assert live.next(30) == ["hello"]
        child.tell()
        child.finish()


def test_an_index_that_another_process_added_is_kept_true_here(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        for _ in range(5):
            db.mutate(issue, writer="parent", group=0)
        child = start(
            """
            from types import ModuleType
            from typing import NotRequired
            class Ticket(hw.Document["Ticket"]):
                group: int
                number: int
                holder: NotRequired[str]
            class Tickets(hw.Table[Ticket]):
                by_number = hw.Index("group", "number", unique=True)
                by_holder = hw.Index("holder", "number")
            module = ModuleType("more")
            module.Tickets = Tickets
            with hw.open(path, modules=[module]) as db:
                say("added")
                hear()
                with db.snapshot() as snapshot:
                    held = snapshot.query(Tickets).with_index(Tickets.by_holder, "me").collect()
                    say(*[ticket["number"] for ticket in held])
            """,
            path,
        )
        assert child.hear() == "added"
        for number in range(5, 8):
            db.transact(
                lambda tx, n=number: tx.insert("tickets", {"group": 0, "number": n, "holder": "me"})
            )
        child.tell()
        assert child.finish() == ["5 6 7"]
        assert [index.name for index in db._store.catalog.by_name["tickets"].indexes] == [
            "by_number",
            "by_holder",
        ]
        assert db.verify() == []


def test_a_running_transaction_loses_to_an_index_that_another_process_made(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        db.mutate(issue, writer="parent", group=0)
        transaction = db.transaction()
        transaction.insert("tickets", {"group": 1, "number": 0, "holder": "me"})
        start(
            """
            from types import ModuleType
            from typing import NotRequired
            class Ticket(hw.Document["Ticket"]):
                group: int
                number: int
                holder: NotRequired[str]
            class Tickets(hw.Table[Ticket]):
                by_holder = hw.Index("holder")
            module = ModuleType("more")
            module.Tickets = Tickets
            hw.open(path, modules=[module]).close()
            """,
            path,
        ).finish()
        with pytest.raises(hw.ConflictError) as caught:
            transaction.commit()
        assert str(caught.value) == (
            "the transaction lost: the indexes, the type or the projections of table 'tickets' "
            "changed while it ran; run it again"
        )
        assert db.verify() == []


FORKING = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
db = hw.open(path, modules=[application])
for _ in range(5):
    db.mutate(application.bump, writer="parent", name="n")
live = db.watch(application.counters)
live.next()
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
"""


@pytest.mark.parametrize(
    "use",
    [
        'db.query(application.value_of, name="n")',
        'db.mutate(application.bump, writer="child", name="n")',
        'db.transact(lambda tx: tx.insert("notes", {}))',
        'db.call("application:bump", {"writer": "child", "name": "n"})',
        "db.snapshot()",
        "db.transaction()",
        "db.watch(application.counters)",
        "db.verify()",
        "db.rebuild()",
        "db.ts",
        "db.wait_for_indexes()",
    ],
)
def test_an_open_database_is_refused_in_a_forked_child(path, start, use) -> None:
    child = start(
        FORKING
        + f"""
in_child(lambda: {use})
say(db.mutate(application.bump, writer="parent", name="n"), live.next(60))
db.close()
""",
        path,
    )
    refused, after = child.finish()
    assert refused.startswith("ForkedError ")
    assert "opened before a fork" in refused
    assert "open it again in" in refused
    assert after == "6 {'n': 6}"


def test_watching_for_the_first_time_is_refused_in_a_forked_child(path, start) -> None:
    child = start(
        FORKING
        + """
live.close()
db.close()
db = hw.open(path, modules=[application])
in_child(lambda: db.watch(application.counters))
in_child(lambda: db.aio)
say(db.watch(application.counters).next(60))
""",
        path,
    )
    *refused, after = child.finish()
    assert [line.split()[0] for line in refused] == ["ForkedError"] * 2
    assert after == "{'n': 5}"


def test_asyncio_verbs_are_refused_in_a_forked_child(path, start) -> None:
    child = start(
        FORKING
        + """
import asyncio
async def main():
    await asyncio.wait_for(db.aio.mutate(application.bump, writer="child", name="n"), 60)
in_child(lambda: asyncio.run(main()))
say(db.mutate(application.bump, writer="parent", name="n"))
""",
        path,
    )
    refused, after = child.finish()
    assert refused.startswith("ForkedError ")
    assert after == "6"


def test_a_transaction_of_the_parent_is_refused_in_the_child_and_goes_on_in_the_parent(
    path, start
) -> None:
    child = start(
        FORKING
        + """
transaction = db.transaction()
transaction.insert("notes", {"text": "mine"})
in_child(lambda: transaction.query("notes").collect())
in_child(transaction.commit)
transaction.commit()
say(db.snapshot().query("notes").collect()[0]["text"])
""",
        path,
    )
    *refused, after = child.finish()
    assert [line.split()[0] for line in refused] == ["ForkedError"] * 2
    assert after == "mine"


def test_a_child_may_close_what_it_got_and_open_the_directory_anew(path, start) -> None:
    child = start(
        FORKING
        + """
def again():
    db.close()
    with hw.open(path, modules=[application]) as mine:
        for _ in range(5):
            value = mine.mutate(application.bump, writer="child", name="n")
        say("child", value, mine.verify())
in_child(again)
say("live", live.next(60))
say("parent", db.mutate(application.bump, writer="parent", name="n"), db.verify())
db.close()
""",
        path,
    )
    of_child, live, of_parent = child.finish()
    assert of_child == "child 10 []"
    assert live == "live {'n': 10}"
    assert of_parent == "parent 11 []"


def test_a_child_that_just_ends_takes_nothing_along(path, start) -> None:
    child = start(
        FORKING
        + """
child = os.fork()
if not child:
    signal.alarm(60)
    sys.exit(0)
say(os.waitpid(child, 0)[1])
say(db.mutate(application.bump, writer="parent", name="n"), live.next(60))
db.close()
say("closed")
""",
        path,
    )
    assert child.finish() == ["0", "6 {'n': 6}", "closed"]


def test_forks_in_the_midst_of_commits_harm_nobody(path, start) -> None:
    child = start(
        FORKING
        + """
stop = threading.Event()
def work():
    while not stop.is_set():
        db.mutate(application.bump, writer="parent", name="n")
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(10):
    in_child(lambda: db.mutate(application.bump, writer="child", name="n"))
stop.set()
for thread in threads:
    thread.join()
say(db.verify())
db.close()
""",
        path,
    )
    *refused, verified = child.finish()
    assert [line.split()[0] for line in refused] == ["ForkedError"] * 10
    assert verified == "[]"


def test_a_throw_away_database_stays_when_a_forked_child_ends(start, path) -> None:
    child = start(
        """
        db = hw.open(None)
        child = os.fork()
        if not child:
            sys.exit(0)
        os.waitpid(child, 0)
        db.transact(lambda tx: tx.insert("notes", {"n": 1}))
        say(len(db.verify()), db.path.exists())
        db.close()
        say(db.path.exists())
        """,
        path,
    )
    assert child.finish() == ["0 True", "False"]


OTHER_TYPE = """
from types import ModuleType
from typing import NotRequired
class Counter(hw.Document["Counter"]):
    name: str
    value: int
    {field}
class Counters(hw.Table[Counter]):
    by_name = hw.Index("name", unique=True)
module = ModuleType("other")
module.Counters = Counters
with hw.open(path, modules=[module]) as db:
    say(db.verify(), db.tables().count("counters"))
"""


def test_documents_have_to_fit_a_type_that_another_process_has_declared_since(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        start(OTHER_TYPE.format(field="unit: str"), path).finish()
        for use in (
            lambda: db.mutate(bump, writer="parent", name="n"),
            lambda: db.transact(lambda tx: tx.insert("counters", {"name": "n", "value": 1})),
        ):
            with pytest.raises(hw.DocumentInvalidError) as caught:
                use()
            assert str(caught.value) == (
                "counters (insert): missing field 'unit'; this is the type that another process "
                "has declared since: open the database again with the modules that declare it"
            )
        start(OTHER_TYPE.format(field="unit: NotRequired[str]"), path).finish()
        assert db.mutate(bump, writer="parent", name="n") == 1
        assert db.verify() == []


def test_a_process_without_modules_cannot_store_what_does_not_fit(path, start) -> None:
    start(OTHER_TYPE.format(field="unit: str"), path).finish()
    with hw.open(path) as db:
        with pytest.raises(hw.DocumentInvalidError) as caught:
            db.transact(lambda tx: tx.insert("counters", {"name": "n", "value": "1", "unit": "s"}))
        assert str(caught.value) == "counters (insert): value: expected int, got '1' (str)"
        counter = {"name": "n", "value": 1, "unit": "s"}
        assert db.transact(lambda tx: tx.get(tx.insert("counters", counter)))["unit"] == "s"
