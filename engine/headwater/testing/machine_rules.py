"""The rules of a state machine: what Hypothesis may do next."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from headwater.functions.declaration import Mutation
from headwater.schema.validators import IdValidator
from headwater.testing.database import ThrowAwayDatabase, database
from headwater.testing.interleaving import Clients, Pending
from headwater.testing.machine_steps import (
    AnyFunction,
    Arguments,
    Called,
    Crashed,
    Ended,
    Finished,
    Invariant,
    Plan,
    Prepared,
    Started,
    Step,
    Waited,
)
from headwater.testing.strategies import arguments

T = TypeVar("T")

_SECONDS: Final = st.integers(1, 100_000)
_RUN: Final = st.runner()


class Current:
    """The database of the run that is under way."""

    db: ThrowAwayDatabase | None = None

    def __getattr__(self, name: str) -> Any:
        if self.db is None:
            raise AttributeError(f"no run is under way that has {name!r}")
        return getattr(self.db, name)


def _choose(draw: st.DrawFn, found: Sequence[T]) -> T:
    """One of them; the first is the simplest."""
    return found[draw(st.integers(0, len(found) - 1))]


@st.composite
def _steps(draw: st.DrawFn) -> Step | None:
    run: Run = draw(_RUN)
    return run.next_step(draw)


class Run(RuleBasedStateMachine):
    """One run of a state machine: a throw-away database, its clients, and what they did.

    Attributes:
        plan: What it may do.
        failed: Told when something is wrong.
        current: Stands for the database of each run, in strategies that are made only once.
        drawn: These strategies.
    """

    plan: ClassVar[Plan]
    failed: ClassVar["Callable[[Run, Exception, Invariant | None], None]"]
    current: ClassVar["Current"]
    drawn: ClassVar[dict[AnyFunction, Arguments]]

    def __init__(self) -> None:
        super().__init__()
        self.db: ThrowAwayDatabase = database(*self.plan.modules)
        self.steps: list[Step] = []
        self._clients = Clients(self.db, self.plan.clients)
        self._pending: dict[int, Pending[Any]] = {}
        self.current.db = self.db
        self._with_ids: set[AnyFunction] = set()
        try:
            self._prepare()
        except BaseException:
            self.db.close()
            raise

    def _prepare(self) -> None:
        setup = self.plan.setup
        if setup is not None:
            self._end(Prepared(), lambda: setup(self.db))
        self._check()

    def teardown(self) -> None:
        """Remove the database."""
        self._clients.drop()
        self.db.close()

    # -- what can be drawn ----------------------------------------------------------------------

    def next_step(self, draw: st.DrawFn) -> Step | None:
        """Draw what can happen now; nothing at all is the simplest.

        So a step that does not matter is first shrunk to nothing, whatever it took to draw it, and
        then left out.
        """
        kinds = [kind for kind, share in self._shares().items() for _ in range(share)]
        kind = _choose(draw, kinds)
        if kind == "call":
            return self._draw_call(draw, mutations_only=False)
        if kind == "start":
            idle = [at for at in range(len(self._clients)) if at not in self._pending]
            client = _choose(draw, idle)
            call = self._draw_call(draw, mutations_only=True)
            return Started(client, call.function, call.arguments)
        if kind == "finish":
            return Finished(client=_choose(draw, sorted(self._pending)))
        if kind == "wait":
            return Waited(draw(_SECONDS))
        return Crashed() if kind == "crash" else None

    def _shares(self) -> dict[str, int]:
        is_idle = len(self._pending) < len(self._clients) and len(self._clients) > 1
        return {
            "nothing": 1,
            "call": 8,
            "finish": 6 if self._pending else 0,
            "start": 6 if is_idle and self._functions(mutations_only=True) else 0,
            "wait": 1,
            "crash": 1 if self.plan.crashes else 0,
        }

    def _draw_call(self, draw: st.DrawFn, *, mutations_only: bool) -> Called:
        function = _choose(draw, self._functions(mutations_only=mutations_only))
        return Called(function=function, arguments=draw(self._arguments(function)))

    def _functions(self, *, mutations_only: bool) -> list[AnyFunction]:
        """What can be called now, each as often as its weight says."""
        found = [
            function
            for function, weight in self.plan.functions.items()
            if isinstance(function, Mutation) or not mutations_only
            for _ in range(weight)
        ]
        if len(self._with_ids) < len(self.plan.functions):
            self._with_ids |= {function for function in set(found) if self._has_ids(function)}
        return [function for function in found if function in self._with_ids] or found

    def _has_ids(self, function: AnyFunction) -> bool:
        """Whether there were ever documents for the ids that it asks for."""
        path = self.db.application.path_of(function)
        if path is None or function in self.plan.arguments:
            return True
        fields = self.db.application.contracts[path].arguments.fields.values()
        tables = {
            field.validator.table
            for field in fields
            if isinstance(field.validator, IdValidator) and not field.is_optional
        }
        with self.db.snapshot() as snapshot:
            return all(snapshot.query(table).first() is not None for table in tables)

    def _arguments(self, function: AnyFunction) -> Arguments:
        found = self.drawn.get(function)
        if found is None:
            chosen = self.plan.arguments.get(function)
            db = cast("ThrowAwayDatabase", self.current)
            if chosen is None:
                found = arguments(function, db, dangling_ids=self.plan.dangling_ids)
            else:
                found = chosen(db) if callable(chosen) else chosen
            self.drawn[function] = found
        return found

    # -- what happens ---------------------------------------------------------------------------

    @rule(step=_steps())
    def take(self, step: Step | None) -> None:
        """One step."""
        match step:
            case Called():
                self._call(step)
            case Started():
                self._start(step)
            case Finished():
                pending = self._pending.pop(step.client)
                self._end(step, pending.finish)
                self._check()
            case Crashed():
                self._crash(step)
            case Waited():
                self.steps.append(step)
                self.db.clock.advance(seconds=step.seconds)
            case _:
                pass

    def _call(self, call: Called) -> None:
        function: Any = call.function
        if function.kind == "query":
            self._end(call, lambda: self.db.query(function, **call.arguments))
        else:
            self._end(call, lambda: self.db.mutate(function, **call.arguments))
            self._check()

    def _start(self, start: Started) -> None:
        self.steps.append(start)
        function: Any = start.function
        try:
            pending = self._clients[start.client].start(function, **start.arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was found
            self._fail(error, None)
        else:
            self._pending[start.client] = pending

    def _crash(self, crash: Crashed) -> None:
        self.steps.append(crash)
        self._clients.drop()
        self._pending.clear()
        before = self._state()
        self.db.crash()
        if self._state() != before:
            self._fail(AssertionError("the crash has lost or changed what was acknowledged"), None)
        self._check()

    # -- outcomes -------------------------------------------------------------------------------

    def _end(self, step: Called | Finished | Prepared, action: Callable[[], Any]) -> None:
        self.steps.append(step)
        ended: Ended = step
        try:
            ended.result = action()
        except self.plan.errors as error:
            if isinstance(step, Prepared):
                self._fail(error, None)
            ended.error = type(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was found
            self._fail(error, None)

    def _check(self) -> None:
        for invariant in self.plan.invariants:
            try:
                with self.db.snapshot() as snapshot:
                    holds = invariant(snapshot)
                if holds is False:
                    name = getattr(invariant, "__name__", repr(invariant))
                    raise AssertionError(f"{name} does not hold")
            except Exception as error:  # noqa: BLE001 - whatever it is, it was found
                self._fail(error, invariant)

    def _fail(self, error: Exception, invariant: Invariant | None) -> None:
        type(self).failed(self, error, invariant)
        raise error

    def _state(self) -> tuple[int, dict[str, list[dict[str, Any]]]]:
        """Everything that a reader could see."""
        with self.db.snapshot() as snapshot:
            tables = {name: snapshot.query(name).collect() for name in self.db.tables()}
            return snapshot.ts, tables
