"""Live queries and the commits of other processes.

Goal: who watches sees what others commit, without asking again and again, and ends with the last
state. Method: a child that commits when it is told to; the parent watches, or the other way round.
"""

from tests.processes import application
from tests.processes.application import bump, counters, value_of

import headwater as hw

WRITER = """
db = hw.open(path, modules=[application])
say("open")
while (count := hear()):
    for _ in range(int(count)):
        db.mutate(application.bump, writer="child", name="n")
    say("done")
db.close()
"""


def test_a_live_query_sees_the_commits_of_another_process(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(30) == 0
        child = start(WRITER, path)
        assert child.hear() == "open"
        for round_ in range(1, 6):
            child.tell(1)
            assert live.next(30) == round_
            assert child.hear() == "done"
        child.tell()
        child.finish()


def test_after_many_foreign_commits_the_last_state_comes_last(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(counters) as live:
        seen = [live.next(30)]
        child = start(WRITER, path)
        child.tell(50)
        while seen[-1] != {"n": 50}:
            seen.append(live.next(30))
        values = [state.get("n", 0) for state in seen]
        assert values == sorted(set(values)), "older after newer, or the same twice"
        child.tell()
        assert child.finish() == ["open", "done"]


def test_a_live_query_of_a_child_ends_with_the_commits_of_the_parent(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        child = start(
            """
            db = hw.open(path, modules=[application])
            with db.watch(application.value_of, name="n") as live:
                value = live.next(30)
                say("watching")
                while value < 30:
                    value = live.next(30)
            say(value)
            db.close()
            """,
            path,
        )
        assert child.hear() == "watching"
        for _ in range(30):
            db.mutate(bump, writer="parent", name="n")
        assert child.finish() == ["30"]


def test_what_asyncio_watches_is_woken_too(path, start) -> None:
    with hw.open(path, modules=[application]) as db:
        child = start(
            """
            import asyncio
            db = hw.open(path, modules=[application])
            async def main():
                async for value in db.aio.watch(application.value_of, name="n"):
                    say(value)
                    if value == 3:
                        return
            asyncio.run(main())
            db.close()
            """,
            path,
        )
        assert child.hear() == "0"
        for _ in range(3):
            db.mutate(bump, writer="parent", name="n")
        assert child.finish()[-1] == "3"


def test_explicit_transactions_wake_others_as_mutations_do(path, start) -> None:
    with hw.open(path, modules=[application]) as db, db.watch(value_of, name="n") as live:
        assert live.next(30) == 0
        child = start(
            """
            db = hw.open(path, modules=[application])
            with db.transaction() as tx:
                tx.insert(application.Counters, {"name": "n", "value": 7})
            hear()
            """,
            path,
        )
        assert live.next(30) == 7
        child.tell()
        child.finish()
