"""A batch equals the loop over its documents, as a sub-transaction of its own.

Two databases with the same seed do the same: one by batches, one by single operations. What they
answer, refuse, depend on, write into their logs and tell live queries has to be the same, with and
without rules, for documents that collide, move and vanish within a batch.
"""

from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws import batched, fenced
from tests.laws.batched import GONE
from tests.laws.fenced import Chosen, Items
from tests.laws.test_access import CHANGES, CHOSEN, ITEMS, NUMBERS, WHO, acting

from headwater import testing

OPEN = Chosen("all", "all", "all", "all")
PLACES = st.integers(0, 9)
WRONG = st.fixed_dictionaries({"n": st.just("three")})
PATCHES = st.one_of(CHANGES, CHANGES, CHANGES, WRONG, st.just({"key": GONE}))
WRONG_ITEMS = st.one_of(ITEMS, ITEMS, ITEMS, st.just({"owner": "ada"}))
RANGES = st.tuples(NUMBERS, st.sampled_from(["asc", "desc"]), st.integers(-1, 2))
STEPS = st.one_of(
    st.tuples(st.just("get_many"), st.lists(PLACES, max_size=6)),
    st.tuples(st.just("insert_many"), st.lists(WRONG_ITEMS, max_size=4)),
    st.tuples(st.just("patch_many"), st.lists(st.tuples(PLACES, PATCHES), max_size=4)),
    st.tuples(st.just("delete_many"), st.lists(PLACES, max_size=3)),
    st.tuples(st.just("patch_where"), PATCHES, RANGES),
    st.tuples(st.just("delete_where"), RANGES),
)
CALLS = st.tuples(WHO, st.booleans(), st.lists(STEPS, min_size=1, max_size=4))


class Side:
    """One of the two databases, and who watches it."""

    def __init__(self, stack: ExitStack, modules: Any, *, is_batch: bool) -> None:
        self.is_batch = is_batch
        self.db = stack.enter_context(testing.database(*modules))
        self.watchers: list[Any] = []
        self.shown: list[Any] = []

    def watch(self, stack: ExitStack) -> None:
        for query in (batched.by_n, batched.keyed):
            live = stack.enter_context(self.db.watch(query))
            self.watchers.append(live)
            self.shown.append(live.next())

    def call(self, who: str, is_guarded: bool, steps: list[Any]) -> Any:
        function = batched.write if is_guarded else batched.write_inside
        with acting(who):
            return self.db.mutate(function, steps=steps, is_batch=self.is_batch)

    def told(self) -> list[Any]:
        """What live queries show now."""
        for at, (live, query) in enumerate(
            zip(self.watchers, (batched.by_n, batched.keyed), strict=True)
        ):
            if self.db.query(query) != self.shown[at]:
                self.shown[at] = live.next(60)
            with pytest.raises(TimeoutError):
                live.next(0)
        return list(self.shown)

    def log(self) -> Any:
        return [
            (entry.ts, entry.origin.function, list(entry.changes)) for entry in self.db.log.read()
        ]


def with_ids(step: Any, known: list[str]) -> list[Any]:
    """The step with an id in each place."""
    verb, *rest = step
    if verb in ("get_many", "delete_many"):
        return [verb, [known[place % len(known)] for place in rest[0]]]
    if verb == "patch_many":
        return [verb, [[known[place % len(known)], changes] for place, changes in rest[0]]]
    return [verb, *(list(one) if isinstance(one, tuple) else one for one in rest)]


def item(n: int, **more: Any) -> dict[str, Any]:
    return {"owner": "ada", "team": "red", "n": n, "public": True, **more}


@given(CHOSEN, st.lists(ITEMS, min_size=1, max_size=6), st.lists(CALLS, min_size=1, max_size=6))
@example(
    OPEN,
    [item(1, key=1), item(2, key=2)],
    [
        # Documents that swap keys collide, as one after the other; by way of no key they do not.
        ("", True, [("patch_many", [(1, {"key": 2}), (2, {"key": 1})])]),
        ("", True, [("patch_many", [(1, {"key": GONE}), (2, {"key": 1})])]),
        ("", True, [("patch_where", {"n": 5}, (0, "asc", -1)), ("delete_where", (5, "asc", -1))]),
    ],
)
@example(OPEN, [item(1)], [("", True, [("delete_many", [1, 1]), ("get_many", [1, 1, 0])])])
@example(
    OPEN,
    [item(n) for n in range(4)],
    [("", True, [("insert_many", [item(9), {"owner": "ada"}]), ("delete_where", (0, "asc", 1))])],
)
def test_a_batch_equals_the_loop(chosen: Chosen, items: Any, calls: Any) -> None:
    with ExitStack() as stack:
        modules = (fenced, batched, chosen.module())
        sides = [Side(stack, modules, is_batch=is_batch) for is_batch in (True, False)]
        gone = {side.db.transact(lambda tx: tx.insert(Items, item(0))) for side in sides}
        known = list(gone)
        for side in sides:
            side.db.transact(lambda tx: tx.delete(known[0]))
            known[1:] = side.db.transact(
                lambda tx: [
                    tx.insert(Items, {**one, "key": at + 10}) for at, one in enumerate(items)
                ]
            )
            side.watch(stack)
        for who, is_guarded, steps in calls:
            given = [with_ids(step, known) for step in steps]
            answers = [side.call(who, is_guarded, given) for side in sides]
            assert answers[0] == answers[1]
            known += [id for step in answers[0][0] if made(step) for id in step if id not in known]
            assert sides[0].log() == sides[1].log()
            assert sides[0].told() == sides[1].told()
        assert [side.db.verify() for side in sides] == [[], []]


def distinct(items: Any) -> Any:
    """Those of the items that have a key of their own."""
    keys: list[Any] = []
    for one in items:
        if "key" not in one or one["key"] not in keys:
            keys.append(one.get("key"))
            yield one


def made(step: Any) -> bool:
    """Whether these are ids of new documents."""
    return isinstance(step, list) and all(
        isinstance(id, str) and len(id) == len(step[0]) and id.islower() for id in step
    )
