"""Random sequences of an application's own functions, from several clients, and what must hold."""

import os
import unittest
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from headwater.errors import ApplicationError, UsageError
from headwater.functions.declaration import Function, Mutation
from headwater.functions.modules import collect
from headwater.testing.database import ThrowAwayDatabase
from headwater.testing.machine_rules import Current, Run
from headwater.testing.machine_script import script
from headwater.testing.machine_steps import (
    AnyFunction,
    Arguments,
    Failure,
    Invariant,
    Plan,
    Setup,
)
from headwater.testing.world import table_numbers

_SEED_VARIABLE: Final = "HEADWATER_SEED"
"""Where the pytest plugin leaves the seed of the run."""

_MUTATION_WEIGHT: Final = 3
_QUERY_WEIGHT: Final = 1
_SUPPRESSED: Final[tuple[HealthCheck, ...]] = (
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.data_too_large,
    HealthCheck.large_base_example,
)
_PHASES: Final = (Phase.generate, Phase.shrink)


class StateMachine:
    """Tries sequences of functions until something is wrong. Made by `from_module`.

    As a test: ``TestChat = StateMachine.from_module(chat, invariants=[...]).TestCase``. As a
    function: ``machine.check()``.
    """

    def __init__(self, plan: Plan, *, seed: int | None, steps: int, examples: int | None) -> None:
        self._plan = plan
        self._seed = seed
        self._steps = steps
        self._examples = examples

    @classmethod
    def from_module(  # noqa: PLR0913 - each option is of its own, and given by name
        cls,
        *modules: ModuleType,
        invariants: Sequence[Invariant] = (),
        clients: int = 3,
        only: Collection[AnyFunction] | None = None,
        without: Collection[AnyFunction] = (),
        weights: Mapping[AnyFunction, int] | None = None,
        arguments: Mapping[AnyFunction, Arguments | Callable[[ThrowAwayDatabase], Arguments]]
        | None = None,
        setup: Setup | None = None,
        errors: Collection[type[Exception]] = (),
        crashes: bool = True,
        dangling_ids: bool = True,
        seed: int | None = None,
        steps: int = 30,
        examples: int | None = None,
    ) -> "StateMachine":
        """A state machine over the public functions of modules.

        Each run has a throw-away database, on which time stands still until a step moves it.
        Clients call mutations and queries with arguments that fit their annotations; mutations of
        several clients overlap, conflict and run again; the process dies and the database is opened
        again, and has to be what was acknowledged.

        Args:
            *modules: Modules with functions and tables.
            invariants: Functions of a snapshot, checked at the beginning and after each commit.
                One that returns False or raises has found something.
            clients: How many mutations are under way at once, at most; with 1 none overlap.
            only: The functions to call, internal ones too; all public ones by default.
            without: Functions that are not called.
            weights: How often a function is called beside the others, 0 or more; 3 for a mutation
                and 1 for a query by default.
            arguments: A strategy for all the arguments of a function, by name; or a function from
                the database to one.
            setup: Fills the database before each run.
            errors: What functions may raise besides `ApplicationError`; everything else they raise
                is a failure.
            crashes: Whether the process dies now and then.
            dangling_ids: Whether one in eight of the ids in arguments is that of no document.
            seed: Of everything that is drawn; that of ``pytest --headwater-seed`` by default,
                which is 0 if it is not given.
            steps: The most of one run.
            examples: How many runs; as many as the Hypothesis profile says by default.

        Raises:
            UsageError: There is nothing to call, or an option names a function that is not called.
            DeclarationError: The modules declare something that cannot work.
        """
        chosen = _chosen(modules, only, without, weights or {})
        _check_called("arguments", arguments or {}, chosen)
        if clients < 1:
            raise UsageError(f"clients={clients}: expected 1 or more")
        plan = Plan(
            modules=modules,
            functions=chosen,
            arguments=arguments or {},
            invariants=tuple(invariants),
            setup=setup,
            errors=(ApplicationError, *errors),
            clients=clients,
            crashes=crashes,
            dangling_ids=dangling_ids,
        )
        return cls(plan, seed=seed, steps=steps, examples=examples)

    @property
    def TestCase(self) -> type[unittest.TestCase]:  # noqa: N802 - what Hypothesis calls it
        """A class for unittest and pytest whose one test is `check`."""
        machine = self

        class StateMachineTestCase(unittest.TestCase):
            def runTest(self) -> None:  # noqa: N802 - unittest's name
                machine.check()

        return StateMachineTestCase

    def check(self, *, seed: int | None = None) -> None:
        """Run, and raise what is found, with a script that does it again as a note.

        Args:
            seed: In place of the machine's.

        Raises:
            Exception: What a function raised.
            AssertionError: An invariant does not hold, or a crash has lost something.
        """
        failure = self.find_failure(seed=seed)
        if failure is not None:
            failure.error.add_note(
                f"Found with seed {failure.seed}: check(seed={failure.seed}) and pytest "
                f"--headwater-seed={failure.seed} find it again. The same by hand:\n\n"
                f"{failure.script}"
            )
            raise failure.error

    def find_failure(self, *, seed: int | None = None) -> Failure | None:
        """Run, and return what is found in its shortest form; None if nothing is.

        Args:
            seed: In place of the machine's.
        """
        chosen = self._chosen_seed(seed)
        found: list[Failure] = []

        def failed(run: Run, error: Exception, invariant: Invariant | None) -> None:
            tables = table_numbers(run.db)
            text = script(self._plan, run.steps, tables, invariant, error)
            found[:] = [
                Failure(error=error, invariant=invariant, seed=chosen, steps=run.steps, script=text)
            ]

        attributes: dict[str, object] = {
            "plan": self._plan,
            "failed": staticmethod(failed),
            "current": Current(),
            "drawn": {},
        }
        machine: Any = seeded(chosen)(type("Run", (Run,), attributes))
        try:
            run_state_machine_as_test(machine, settings=self._settings())
        except Exception as error:
            if not found or found[0].error is not error:
                raise
            error.__notes__ = []  # the steps as Hypothesis tells them
            return found[0]
        return None

    def _chosen_seed(self, seed: int | None) -> int:
        for given in (seed, self._seed):
            if given is not None:
                return given
        return int(os.environ.get(_SEED_VARIABLE, "0"))

    def _settings(self) -> settings:
        return settings(
            max_examples=self._examples or settings().max_examples,
            stateful_step_count=self._steps,
            deadline=None,
            database=None,
            print_blob=False,
            report_multiple_bugs=False,
            phases=_PHASES,
            suppress_health_check=_SUPPRESSED,
        )


def _chosen(
    modules: tuple[ModuleType, ...],
    only: Collection[AnyFunction] | None,
    without: Collection[AnyFunction],
    weights: Mapping[AnyFunction, int],
) -> dict[AnyFunction, int]:
    """The functions to call and their weights; mutations first, for failures shrink to those."""
    application = collect(modules)
    public = [found for found in application.functions.values() if not found.is_internal]
    functions = list(public if only is None else only)
    given: list[object] = [*functions, *without, *weights]
    for function in given:
        if not isinstance(function, Function):
            raise UsageError(
                f"expected functions declared with @hw.mutation or @hw.query, got {function!r}"
            )
    functions = [function for function in functions if function not in without]
    _check_called("weights", weights, functions)
    functions.sort(key=lambda function: not isinstance(function, Mutation))
    chosen = {function: weights.get(function, _weight(function)) for function in functions}
    if not any(chosen.values()):
        names = ", ".join(module.__name__ for module in modules)
        raise UsageError(f"there is no public function to call in {names or 'no module at all'}")
    return chosen


def _weight(function: AnyFunction) -> int:
    return _MUTATION_WEIGHT if isinstance(function, Mutation) else _QUERY_WEIGHT


def _check_called(
    option: str, given: Mapping[AnyFunction, object], called: Collection[AnyFunction]
) -> None:
    for function in given:
        if function not in called:
            raise UsageError(f"{option}= names {function.path}, which is not called")
