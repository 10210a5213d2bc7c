"""Live queries: a subsequence of the true results, in order, ending with the last one."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.laws import application, drawn
from tests.laws.batches import OtherProcess
from tests.laws.clocks import StillClock
from tests.laws.programs import Program
from tests.laws.recording import Recorder
from tests.laws.serializability import without_times

import headwater as hw
from headwater.reactive.live_queries import LiveQueries, Wanted
from headwater.reactive.subscription import Subscription, Transition

LOOKS: Sequence[Program] = (
    [["get", 0]],
    [["get", 1]],
    [["range", "by_group", [0], {}, "asc", None]],
    [["range", "by_group", [1], {}, "desc", 1]],
    [["range", "by_number", [], {"gte": 2}, "asc", 2]],
    [["walk", "desc", 2]],
    [["get", 0], ["range", "by_group", [1], {"lt": 2}, "asc", None]],
)


class Stage:
    """Live queries that are run round by round in the thread of the test.

    Attributes:
        truth: The result of every query after each commit, by its timestamp.
        evaluations: How often a query was run for a round.
    """

    def __init__(self, db: hw.Database, recorder: Recorder) -> None:
        self.db = db
        self.recorder = recorder
        self.queries: LiveQueries = db._reactor.queries
        self.truth: dict[int, list[Any]] = {}
        self.evaluations = 0
        db._store.on_commit = self.queries.committed
        self.programs = [recorder.resolve(look) for look in LOOKS]
        self.note()

    def note(self) -> None:
        """Write down what is true now."""
        with self.db.snapshot() as snapshot:
            results = [application.run_program(snapshot, "", program) for program in self.programs]
            self.truth.setdefault(snapshot.ts, [without_times(result) for result in results])

    def wanted(self, look: int) -> Wanted:
        call = self.db._runner.bound(application.look.bind(program=self.programs[look]))
        key, evaluate = self.db._runner.wanted(call)

        def counted(snapshot: Any, journal: str | None) -> Any:
            self.evaluations += 1
            return evaluate(snapshot, journal)

        return key, counted

    def commit(self, name: str, program: Program) -> None:
        self.recorder.mutate(name, self.recorder.resolve(program))
        self.note()

    def rounds(self) -> None:
        """Run rounds until there is nothing left to do."""
        for _ in range(100):
            if not self.queries.run_round():
                return
        pytest.fail("the rounds do not end")


class Watcher:
    """One subscriber, which checks all that it is told."""

    def __init__(self, stage: Stage, looks: Sequence[int]) -> None:
        self.stage = stage
        self.looks = looks
        self.subscription = Subscription()
        self.seen: list[tuple[int, list[Any]]] = []
        self.stage.queries.subscribe(self.subscription, [stage.wanted(look) for look in looks])

    def take(self) -> None:
        """Look at what is new, if there is anything."""
        transition = self.subscription.take()
        if transition is not None:
            self.check(transition)

    def check(self, transition: Transition) -> None:
        values = [without_times(value) for value in transition.values()]
        true = [self.stage.truth[transition.ts][look] for look in self.looks]
        assert values == true, f"at {transition.ts}: told {values}, true is {true}"
        if self.seen:
            assert transition.ts > self.seen[-1][0], "an older state after a newer one"
            assert values != self.seen[-1][1], "told although nothing changed"
        self.seen.append((transition.ts, values))

    def check_last(self) -> None:
        """It knows the last true results."""
        self.take()
        last = self.stage.truth[max(self.stage.truth)]
        assert self.seen[-1][1] == [last[look] for look in self.looks]


STEPS = st.one_of(
    st.tuples(st.just("commit"), drawn.programs()),
    st.tuples(st.just("commit"), drawn.programs()),
    st.tuples(st.just("other"), drawn.programs()),
    st.tuples(st.just("subscribe"), st.lists(st.integers(0, 6), min_size=1, max_size=3)),
    st.tuples(st.just("leave"), st.integers(0, 5)),
    st.tuples(st.just("round"), st.none()),
    st.tuples(st.just("take"), st.integers(0, 5)),
)


@given(drawn.seeds(), st.lists(STEPS, min_size=3, max_size=20))
def test_subscribers_see_true_results_in_order_and_the_last(seeds: Any, steps: Any) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        recorder = Recorder(db, seeds)
        other = OtherProcess(recorder, patch)
        stage = Stage(db, recorder)
        watchers = [Watcher(stage, [0]), Watcher(stage, [0, 2])]
        for at, (kind, what) in enumerate(steps):
            if kind == "commit":
                stage.commit(f"t{at}", what)
            elif kind == "other":
                other.commit_now(recorder.resolve(what))
                stage.note()
            elif kind == "subscribe":
                watchers.append(Watcher(stage, what))
            elif kind == "leave" and len(watchers) > 1:
                stage.queries.unsubscribe(watchers.pop(what % len(watchers)).subscription)
            elif kind == "round":
                stage.rounds()
            elif kind == "take":
                watchers[what % len(watchers)].take()
            stage.queries.check()
        stage.rounds()
        stage.queries.check()
        for watcher in watchers:
            watcher.check_last()
        for watcher in watchers:
            stage.queries.unsubscribe(watcher.subscription)
        stage.queries.check()
        assert len(stage.queries) == 0


INTERRUPTIONS = st.one_of(
    st.tuples(st.just("commit"), drawn.programs()),
    st.tuples(st.just("other"), drawn.programs()),
    st.tuples(st.just("subscribe"), st.lists(st.integers(0, 6), min_size=1, max_size=3)),
    st.tuples(st.just("late"), st.lists(st.integers(0, 6), min_size=1, max_size=3)),
)


@given(
    drawn.seeds(),
    st.lists(st.tuples(drawn.programs(), st.lists(INTERRUPTIONS, max_size=3)), max_size=4),
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), min_size=1, max_size=4),
    st.integers(1, 3),
)
@example(
    [(0, 0), (0, 1)],
    [([["patch", 0, {"number": 2}], ["patch", 1, {"number": 3}]], [("late", [0, 1])])],
    [[0]],
    3,
)
def test_what_happens_in_the_middle_of_a_round_changes_no_law(
    seeds: Any, rounds: Any, early: Any, at_entry: int
) -> None:
    """Commits and subscriptions while the queries of a round are being run.

    "late": a subscriber whose snapshot is older than the round, and who is entered during it.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        recorder = Recorder(db, seeds)
        other = OtherProcess(recorder, patch)
        stage = Stage(db, recorder)
        watchers = [Watcher(stage, looks) for looks in early]
        for number, (program, interruptions) in enumerate(rounds):
            late = [Late(stage, what) for kind, what in interruptions if kind == "late"]
            stage.commit(f"t{number}", program)

            def interrupt(
                number: int = number, todo: Any = tuple(interruptions), late: Any = late
            ) -> None:
                for at, (kind, what) in enumerate(todo):
                    if kind == "commit":
                        stage.commit(f"t{number}.{at}", what)
                    elif kind == "other":
                        other.commit_now(recorder.resolve(what))
                        stage.note()
                    elif kind == "subscribe":
                        watchers.append(Watcher(stage, what))
                for one in late:
                    watchers.append(one.enter())

            run_round_interrupted(stage, interrupt, at_entry)
            stage.queries.check()
            for watcher in watchers[::2]:
                watcher.take()
        stage.rounds()
        stage.queries.check()
        for watcher in watchers:
            watcher.check_last()


def run_round_interrupted(stage: Stage, interrupt: Callable[[], None], at_entry: int) -> None:
    """Run one round; before it takes its lock for the n-th time, something else happens."""
    todo = [interrupt]
    round_lock = stage.queries._lock

    class Interrupting:
        """The lock, which a round takes before its snapshot, then before and after its runs."""

        def __init__(self) -> None:
            self.count = 0

        def __enter__(self) -> None:
            if threading.current_thread() is threading.main_thread():
                self.count += 1
                if self.count == at_entry and todo:
                    todo.pop()()
            round_lock.acquire()

        def __exit__(self, *_: object) -> None:
            round_lock.release()

    stage.queries._lock = Interrupting()
    try:
        stage.queries.run_round()
    finally:
        stage.queries._lock = round_lock


class Late:
    """A subscriber that has run its queries, and is entered later."""

    def __init__(self, stage: Stage, looks: Sequence[int]) -> None:
        self.stage = stage
        self.watcher = Watcher.__new__(Watcher)
        self.watcher.stage, self.watcher.looks, self.watcher.seen = stage, looks, []
        self.watcher.subscription = Subscription()
        self.wanted = [stage.wanted(look) for look in looks]
        self.snapshot = stage.db._store.snapshot()
        self.evaluations = [evaluate(self.snapshot, None) for _, evaluate in self.wanted]

    def enter(self) -> Watcher:
        queries = self.stage.queries
        with queries._lock:
            queries._register(
                self.watcher.subscription, self.wanted, self.evaluations, self.snapshot
            )
        self.snapshot.close()
        return self.watcher


def test_the_first_subscriber_misses_no_commit_of_another_process() -> None:
    """It lies between its snapshot and its entry, and a round has passed it with nobody to tell."""
    with (
        pytest.MonkeyPatch.context() as patch,
        hw.open(None, modules=[application], clock=StillClock()) as db,
    ):
        recorder = Recorder(db, [(0, 0)])
        other = OtherProcess(recorder, patch)
        stage = Stage(db, recorder)
        late = Late(stage, [0])
        other.commit_now(recorder.resolve([["patch", 0, {"number": 7}]]))
        stage.note()
        stage.rounds()
        watcher = late.enter()
        stage.rounds()
        watcher.check_last()
