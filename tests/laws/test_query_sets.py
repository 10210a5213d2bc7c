"""Sets of live queries that come and go: each change is told, at one timestamp, and is true."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.laws import application, drawn
from tests.laws.batches import OtherProcess
from tests.laws.clocks import StillClock
from tests.laws.recording import Recorder
from tests.laws.serializability import without_times
from tests.laws.test_live import Late, Stage, Watcher, run_round_interrupted

import headwater as hw
from headwater.reactive.live_queries import Asked
from headwater.reactive.subscription import Subscription, Transition
from headwater.storage.codec import unpack


class SetWatcher:
    """A subscriber with a set of queries, which checks all that it is told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.subscription = Subscription()
        self.looks: dict[int, int] = {}
        self.versions: list[dict[int, int]] = [{}]
        self.changed_at = 0
        self.seen: list[tuple[int, int, list[Any]]] = []
        self.change({}, ())

    def change(self, added: dict[int, int], removed: tuple[int, ...]) -> None:
        removed = tuple(number for number in removed if number in self.looks)
        added = {
            number: look
            for number, look in added.items()
            if number not in self.looks or number in removed
        }
        for number in removed:
            del self.looks[number]
        self.looks.update(added)
        self.versions.append(dict(self.looks))
        self.changed_at = max(self.stage.truth)
        asked = {number: Asked(self.stage.wanted(look)) for number, look in added.items()}
        self.stage.queries.change(self.subscription, asked, removed, version=len(self.versions) - 1)

    def take(self) -> None:
        transition = self.subscription.take()
        if transition is not None:
            self.check(transition)

    def check(self, transition: Transition) -> None:
        looks = self.versions[transition.version]
        assert transition.numbers == tuple(looks)
        values = [without_times(unpack(one.result or b"")) for one in transition.evaluations]
        true = [self.stage.truth[transition.ts][look] for look in looks.values()]
        assert values == true, f"at {transition.ts}: told {values}, true is {true}"
        if transition.version == len(self.versions) - 1:
            assert transition.ts >= self.changed_at, "a state from before the change was asked for"
        if self.seen:
            ts, version, before = self.seen[-1]
            assert transition.ts >= ts, "an older state after a newer one"
            assert transition.version >= version
            if transition.version == version:
                assert transition.ts > ts
                assert values != before, "told although nothing changed"
        self.seen.append((transition.ts, transition.version, values))

    def check_last(self) -> None:
        self.take()
        last = self.stage.truth[max(self.stage.truth)]
        assert self.seen[-1][1:] == (
            len(self.versions) - 1,
            [last[look] for look in self.looks.values()],
        )


NUMBERS = st.integers(0, 3)
CHANGES = st.tuples(
    st.dictionaries(NUMBERS, st.integers(0, 6), max_size=3),
    st.lists(NUMBERS, max_size=2, unique=True).map(tuple),
)
STEPS = st.one_of(
    st.tuples(st.just("commit"), drawn.programs()),
    st.tuples(st.just("other"), drawn.programs()),
    st.tuples(st.just("change"), st.tuples(st.integers(0, 5), CHANGES)),
    st.tuples(st.just("change"), st.tuples(st.integers(0, 5), CHANGES)),
    st.tuples(st.just("enter"), st.none()),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("subscribe"), st.lists(st.integers(0, 6), min_size=1, max_size=3)),
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("take"), st.integers(0, 5)),
)


class Scene:
    """Subscribers of both kinds beside each other."""

    def __init__(self, db: hw.Database, patch: pytest.MonkeyPatch, seeds: Any) -> None:
        recorder = Recorder(db, seeds)
        self.recorder = recorder
        self.other = OtherProcess(recorder, patch)
        self.stage = Stage(db, recorder)
        self.sets = [SetWatcher(self.stage), SetWatcher(self.stage)]
        self.watchers = [Watcher(self.stage, [0, 2])]
        self.commits = 0

    def step(self, kind: str, what: Any) -> None:
        stage = self.stage
        if kind == "commit":
            self.commits += 1
            stage.commit(f"t{self.commits}", what)
        elif kind == "other":
            self.other.commit_now(self.recorder.resolve(what))
            stage.note()
        elif kind == "change":
            which, (added, removed) = what
            self.sets[which % len(self.sets)].change(added, removed)
        elif kind == "enter":
            self.sets.append(SetWatcher(stage))
        elif kind == "leave" and len(self.sets) > 1:
            stage.queries.unsubscribe(self.sets.pop(what % len(self.sets)).subscription)
        elif kind == "subscribe":
            self.watchers.append(Watcher(stage, what))
        elif kind == "round":
            stage.rounds()
        elif kind == "take":
            self.sets[what % len(self.sets)].take()

    def finish(self) -> None:
        self.stage.rounds()
        self.stage.queries.check()
        for watcher in (*self.sets, *self.watchers):
            watcher.check_last()
        for watcher in (*self.sets, *self.watchers):
            self.stage.queries.unsubscribe(watcher.subscription)
        self.stage.queries.check()
        assert len(self.stage.queries) == 0


@given(drawn.seeds(), st.lists(STEPS, min_size=3, max_size=20))
def test_each_change_of_a_set_is_told_and_every_state_is_true(seeds: Any, steps: Any) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        scene = Scene(db, patch, seeds)
        for kind, what in steps:
            scene.step(kind, what)
            scene.stage.queries.check()
        scene.finish()


@given(
    drawn.seeds(),
    st.lists(st.tuples(drawn.programs(), st.lists(STEPS, max_size=3)), max_size=4),
    st.lists(st.integers(0, 6), min_size=1, max_size=3),
    st.integers(1, 3),
)
def test_changes_in_the_middle_of_a_round_are_no_exception(
    seeds: Any, rounds: Any, late_looks: list[int], at_entry: int
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        scene = Scene(db, patch, seeds)
        for program, interruptions in rounds:
            late = Late(scene.stage, late_looks)
            scene.step("commit", program)

            def interrupt(late: Late = late, todo: Any = tuple(interruptions)) -> None:
                for kind, what in todo:
                    if kind != "round":
                        scene.step(kind, what)
                scene.watchers.append(late.enter())

            interrupted: Callable[[], None] = interrupt
            run_round_interrupted(scene.stage, interrupted, at_entry)
            scene.stage.queries.check()
            for watcher in scene.sets[::2]:
                watcher.take()
        scene.finish()


def test_a_change_that_changes_nothing_is_told() -> None:
    with hw.open(None, modules=[application], clock=StillClock()) as db:
        stage = Stage(db, Recorder(db, [(0, 0)]))
        watcher = SetWatcher(stage)
        stage.rounds()
        watcher.take()
        watcher.change({}, ())
        stage.rounds()
        watcher.check_last()
        assert [version for _, version, _ in watcher.seen] == [1, 2]
