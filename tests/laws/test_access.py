"""No sequence of calls by one identity shows a document that its rules hide.

A model knows all documents and what each rule means; whatever a public function reads or writes has
to be what the model filters, for drawn rules, documents, callers and functions, while documents and
memberships change.
"""

import asyncio
from contextlib import ExitStack
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws import fenced
from tests.laws.fenced import RULES, Chosen, Model, read_of, view

import headwater as hw
from headwater import testing

PEOPLE = ("", "ada", "eva", "kim")
TEAMS = ("red", "blue")

NUMBERS = st.integers(0, 5)
ITEMS = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(PEOPLE[1:]),
        "team": st.sampled_from(TEAMS),
        "n": NUMBERS,
        "public": st.booleans(),
    },
    optional={"key": st.integers(0, 2)},
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(PEOPLE[1:]),
        "team": st.sampled_from(TEAMS),
        "n": NUMBERS,
        "public": st.booleans(),
        "key": st.integers(0, 2),
    },
)
A_DELETED_ITEM = {"owner": "kim", "team": "red", "n": 0, "public": True}
NAMES = st.sampled_from(sorted(RULES))
CHOSEN = st.builds(
    Chosen, read=NAMES, insert=NAMES, modify=st.one_of(NAMES, st.just("keeps")), delete=NAMES
)
WHO = st.sampled_from(PEOPLE)
PLACE = st.integers(0, 20)
RANGE_VERBS = ("collect", "take", "first", "unique", "count", "iterate", "filter")

READS = st.one_of(
    st.tuples(st.just("get"), PLACE),
    st.tuples(st.just("get_many"), st.lists(PLACE, max_size=4)),
    st.tuples(st.just("owned"), st.sampled_from(PEOPLE[1:])),
    st.tuples(
        st.sampled_from(RANGE_VERBS), NUMBERS, st.sampled_from(["asc", "desc"]), st.integers(0, 4)
    ),
)
WRITES = st.one_of(
    st.tuples(st.just("insert"), ITEMS),
    st.tuples(st.just("insert_many"), st.lists(ITEMS, max_size=3)),
    st.tuples(st.just("patch"), PLACE, CHANGES),
    st.tuples(st.just("replace"), PLACE, ITEMS),
    st.tuples(st.just("delete"), PLACE),
    st.tuples(st.just("patch_many"), st.lists(st.tuples(PLACE, CHANGES), max_size=3)),
    st.tuples(st.just("delete_many"), st.lists(PLACE, max_size=2)),
    st.tuples(st.just("patch_where"), NUMBERS, CHANGES),
    st.tuples(st.just("delete_where"), NUMBERS),
)
WAYS = ("query", "path", "nested", "mutation", "action", "aio", "snapshot")
STEPS = st.one_of(
    st.tuples(st.just("read"), WHO, st.sampled_from(WAYS), st.lists(READS, min_size=1, max_size=3)),
    st.tuples(st.just("then"), WHO, PLACE, st.lists(READS, min_size=1, max_size=2)),
    st.tuples(st.just("pages"), WHO, st.integers(1, 4), st.sampled_from(["asc", "desc"])),
    st.tuples(
        st.just("write"),
        WHO,
        st.sampled_from(["write", "nested", "action"]),
        st.lists(WRITES, min_size=1, max_size=3),
    ),
    st.tuples(st.just("trusted"), st.lists(WRITES, min_size=1, max_size=3)),
    st.tuples(st.just("member"), st.sampled_from(TEAMS), WHO, st.booleans()),
)


class World:
    """A database with drawn rules, and the model of it."""

    def __init__(self, chosen: Chosen, db: hw.Database) -> None:
        self.chosen = chosen
        self.db = db
        self.model = Model()
        self.known: list[str] = []
        gone = db.transact(lambda tx: tx.insert(fenced.Items, A_DELETED_ITEM))
        db.transact(lambda tx: tx.delete(gone))
        self.known.append(gone)
        self.past: list[tuple[int, Model]] = [(db.ts, self.model.copy())]

    def id(self, place: int) -> str:
        """An id that is or was one of the table's."""
        return self.known[place % len(self.known)]

    # -- writing ----------------------------------------------------------------------------------

    def write(self, who: str, way: str, steps: Any) -> None:
        """Write by a public function, and compare what each verb gave."""
        function = {"write": fenced.write, "nested": fenced.write_nested}.get(way)
        given = [self.with_id(step) for step in steps]
        with acting(who):
            if function is not None:
                results = self.db.mutate(function, steps=given)
            else:
                results = self.db.act(fenced.write_in_action, steps=given)
        for step, result in zip(given, results, strict=True):
            self.expect_write(who, step, result, is_guarded=True)
        self.committed()

    def trusted(self, steps: Any) -> None:
        """Write by a function that has no rules."""
        given = [self.with_id(step) for step in steps]
        for step, result in zip(given, self.db.mutate(fenced.write_inside, given), strict=True):
            self.expect_write("", step, result, is_guarded=False)
        self.committed()

    def member(self, team: str, who: str, is_one: bool) -> None:
        """Let somebody join a team, or leave it."""
        self.db.mutate(fenced.set_member, team=team, who=who, is_one=is_one)
        others = [one for one in self.model.members if one != (team, who)]
        self.model.members = [*others, (team, who)] if is_one else others
        self.committed()

    def committed(self) -> None:
        with self.db.snapshot() as snapshot:
            stored = snapshot.query(fenced.Items).collect()
        for item, expected in zip(stored, self.model.items.values(), strict=True):
            expected |= {"_creationTime": item["_creationTime"]}
            assert item == expected
        self.past.append((self.db.ts, self.model.copy()))

    def with_id(self, step: Any) -> list[Any]:
        verb, *rest = step
        if verb in ("get", "patch", "replace", "delete"):
            return [verb, self.id(rest[0]), *rest[1:]]
        if verb in ("get_many", "delete_many"):
            return [verb, [self.id(place) for place in rest[0]]]
        if verb == "patch_many":
            return [verb, [[self.id(place), changes] for place, changes in rest[0]]]
        return [verb, *rest]

    def expect_write(self, who: str, step: list[Any], result: Any, *, is_guarded: bool) -> None:
        """Do to the model what the verb had to do, and compare what it gave."""
        verb, *rest = step
        if verb == "insert":
            self.expect_insert(who, rest[0], result, is_guarded=is_guarded)
        elif verb == "insert_many":
            self.expect_inserts(who, rest[0], result, is_guarded=is_guarded)
        elif verb.endswith(("many", "where")):
            assert result == self.batch(who, verb, rest, is_guarded=is_guarded), step
        else:
            assert result == self.changed(who, verb, *rest, is_guarded=is_guarded), step

    def expect_insert(self, who: str, item: Any, result: Any, *, is_guarded: bool) -> None:
        refusal = self.refusal(who, item, is_guarded=is_guarded)
        if refusal is not None:
            assert result == refusal
        else:
            assert isinstance(result, str)
            self.model.items[result] = {"_id": result, **item}
            self.known.append(result)

    def expect_inserts(self, who: str, items: Any, result: Any, *, is_guarded: bool) -> None:
        """All are added, or none if one is refused."""
        newest = max(self.known)
        before = dict(self.model.items)
        for at, item in enumerate(items):
            refusal = self.refusal(who, item, is_guarded=is_guarded)
            if refusal is not None:
                if refusal[1].startswith("new "):  # one of the same batch, which is gone too
                    refusal[1] = result[1]
                    assert result[1] not in before
                assert result == refusal
                self.model.items = before
                return
            self.model.items[f"new {at}"] = {"_id": f"new {at}", **item}
        self.model.items = before
        assert result == sorted({id for id in result if id > newest})
        assert len(result) == len(items)
        self.model.items |= {
            id: {"_id": id, **item} for id, item in zip(result, items, strict=True)
        }
        self.known += result

    def batch(self, who: str, verb: str, rest: Any, *, is_guarded: bool) -> Any:
        """Do to the model what a batch had to do: one after the other, all or nothing."""
        before = dict(self.model.items)
        count = 0
        for id, changes in self.batched(who, verb, rest, is_guarded=is_guarded):
            one, given = ("delete", []) if changes is None else ("patch", [changes])
            refusal = self.changed(who, one, id, *given, is_guarded=is_guarded)
            if refusal is not None and verb.endswith("where") and refusal[0] == "absent":
                continue
            if refusal is not None:
                self.model.items = before
                return refusal
            count += 1
        return count if verb.endswith("where") else None

    def batched(self, who: str, verb: str, rest: Any, *, is_guarded: bool) -> list[Any]:
        """What a batch writes: an id each, and the fields, or None if it is deleted."""
        if verb == "patch_many":
            return list(dict(rest[0]).items())
        if verb == "delete_many":
            return [(id, None) for id in rest[0]]
        chosen = self.chosen if is_guarded else Chosen("all", "all", "all", "all")
        shown = [item for item in view(chosen, self.model, who) if item["n"] >= rest[0]]
        return [(item["_id"], rest[1] if verb == "patch_where" else None) for item in shown]

    def refusal(self, who: str, item: Any, *, is_guarded: bool) -> list[str] | None:
        if is_guarded and not RULES[self.chosen.insert][1](self.model, who, item):
            return ["denied", "insert", ""]
        return self.collision(who, "", item, is_guarded=is_guarded)

    def collision(self, who: str, id: str, item: Any, *, is_guarded: bool) -> list[str] | None:
        for holder, other in self.model.items.items():
            if holder != id and "key" in item and other.get("key") == item["key"]:
                is_named = not is_guarded or self.chosen.reads(self.model, who, other)
                return ["unique", holder if is_named else ""]
        return None

    def changed(self, who: str, verb: str, id: str, *rest: Any, is_guarded: bool) -> Any:
        old = self.model.items.get(id)
        if old is None or (is_guarded and not self.chosen.reads(self.model, who, old)):
            return ["absent", id]
        if verb == "delete":
            if is_guarded and not RULES[self.chosen.delete][1](self.model, who, old):
                return ["denied", "delete", id]
            del self.model.items[id]
            return None
        system = {name: old[name] for name in ("_id", "_creationTime") if name in old}
        new = {**(old if verb == "patch" else system), **rest[0]}
        if is_guarded and not self.chosen.modifies(self.model, who, old, new):
            return ["denied", "modify", id]
        collision = self.collision(who, id, new, is_guarded=is_guarded)
        if collision is None:
            self.model.items[id] = new
        return collision

    # -- reading ----------------------------------------------------------------------------------

    def read(self, who: str, way: str, steps: Any) -> None:
        """Read by a public function in some way, and compare."""
        given = [self.with_id(step) for step in steps]
        with acting(who):
            found = self.read_by(way, given)
        assert found == [read_of(self.chosen, self.model, who, step) for step in given]

    def read_by(self, way: str, steps: list[list[Any]]) -> Any:
        self.make_cached()
        if way == "path":
            return self.db.call("fenced:read", {"steps": steps})
        if way == "mutation":
            return self.db.mutate(fenced.read_in_mutation, steps)
        if way == "action":
            return self.db.act(fenced.read_in_action, steps)
        if way == "aio":
            return asyncio.run(self.db.aio.query(fenced.read, steps))
        if way == "snapshot":
            with self.db.snapshot() as snapshot:
                return snapshot.run(fenced.read, steps)
        return self.db.query(fenced.read_nested if way == "nested" else fenced.read, steps)

    def make_cached(self) -> None:
        """Let the database think that these are slow, so that their results are kept."""
        for function in (fenced.read, fenced.read_nested, fenced.read_inside):
            self.db.runner.call("query", function, ([],), {}).statistics.took(10.0)

    def then(self, who: str, place: int, steps: Any) -> None:
        """Read the past."""
        ts, model = self.past[place % len(self.past)]
        given = [self.with_id(step) for step in steps]
        with acting(who):
            found = self.db.query(fenced.read, given, at=ts)
        assert found == [read_of(self.chosen, model, who, step) for step in given]

    def pages(self, who: str, count: int, order: str) -> None:
        """Walk through all pages: each is full but the last, and together they are the view."""
        expected = view(self.chosen, self.model, who)
        found: list[Any] = []
        cursor = None
        with acting(who):
            while True:
                options: Any = {"numItems": count, "cursor": cursor}
                one = self.db.query(fenced.page, options, order)
                found += one["page"]
                cursor = one["continueCursor"]
                if one["isDone"]:
                    break
                assert len(one["page"]) == count
        assert found == (expected if order == "asc" else expected[::-1])


def acting(who: str) -> Any:
    return hw.acting_as(hw.Identity(who) if who else None)


@given(CHOSEN, st.lists(ITEMS, max_size=5), st.lists(STEPS, min_size=3, max_size=14))
@example(
    Chosen("own", "all", "all", "all"),
    [{"owner": "ada", "team": "red", "n": 1, "public": False, "key": 1}],
    [
        ("read", "", "query", [("collect", 0, "asc", 0)]),
        ("read", "ada", "query", [("collect", 0, "asc", 0)]),
        ("read", "eva", "query", [("collect", 0, "asc", 0)]),
        ("write", "eva", "write", [("patch", 1, {"n": 2}), ("delete", 1)]),
        (
            "write",
            "eva",
            "nested",
            [("insert", {"owner": "eva", "team": "red", "n": 1, "public": True, "key": 1})] * 2,
        ),
        ("write", "ada", "action", [("patch", 1, {"owner": "eva"})]),
        ("read", "ada", "action", [("get", 1), ("get", 1)]),
        ("then", "ada", 1, [("get", 1)]),
    ],
)
def test_a_caller_reads_and_writes_what_the_rules_show(
    chosen: Chosen, items: Any, steps: Any
) -> None:
    with testing.database(fenced, chosen.module()) as db:
        world = World(chosen, db)
        world.trusted([("insert", item) for item in items])
        for verb, *rest in steps:
            getattr(world, verb)(*rest)


@given(CHOSEN, st.lists(ITEMS, min_size=1, max_size=6), st.lists(STEPS, min_size=2, max_size=10))
@example(
    Chosen("team", "all", "all", "all"),
    [{"owner": "eva", "team": "red", "n": n, "public": False} for n in range(4)],
    [("member", "red", "ada", True), ("trusted", [("patch", 2, {"team": "blue"})])],
)
def test_a_watcher_is_told_what_the_rules_show(chosen: Chosen, items: Any, steps: Any) -> None:
    """Live queries and live pages of everybody, while documents and memberships change."""
    everything = [["collect", 0, "asc", 0]]
    with testing.database(fenced, chosen.module()) as db, ExitStack() as stack:
        world = World(chosen, db)
        world.trusted([("insert", item) for item in items])
        watchers: list[Any] = []
        for who in PEOPLE:
            with acting(who):
                live = stack.enter_context(db.watch(fenced.read, everything))
                options: Any = {"numItems": 2, "cursor": None}
                pages = stack.enter_context(db.watch(fenced.page, options, "asc"))
            last = live.next()[0]
            assert last == view(chosen, world.model, who)
            check_page(world, pages, who)
            watchers.append([who, live, last, pages])
        for verb, *rest in steps:
            getattr(world, verb)(*rest)
            for watcher in watchers:
                who, live, last, pages = watcher
                expected = view(chosen, world.model, who)
                if expected != last:
                    watcher[2] = live.next(60)[0]
                    assert watcher[2] == expected
                check_page(world, pages, who, timeout_seconds=0)


def check_page(world: World, pages: Any, who: str, timeout_seconds: float | None = None) -> None:
    """A live page that begins at the beginning is the beginning of what its caller sees."""
    try:
        found = pages.next(timeout_seconds)["page"]
    except TimeoutError:
        return
    model = next(model for ts, model in reversed(world.past) if ts <= pages.ts)
    assert found == view(world.chosen, model, who)[: len(found)]
