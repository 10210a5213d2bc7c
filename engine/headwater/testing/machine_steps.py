"""What a state machine does, step by step, as plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from hypothesis.strategies import SearchStrategy

from headwater.functions.declaration import Function
from headwater.functions.snapshots import OpenSnapshot
from headwater.testing.database import ThrowAwayDatabase

AnyFunction: TypeAlias = Function[..., Any]
Invariant: TypeAlias = Callable[[OpenSnapshot], object]
"""Reads a snapshot; says False or raises if something is wrong."""

Setup: TypeAlias = Callable[[ThrowAwayDatabase], object]
Arguments: TypeAlias = SearchStrategy[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a state machine may do, and what has to hold.

    Attributes:
        modules: What the database is opened with.
        functions: What clients call, with how often each is chosen beside the others.
        arguments: Strategies of some functions, in place of those of their annotations.
        invariants: What is checked after each commit.
        setup: Fills the database before the first step.
        errors: What functions may raise.
        clients: How many of them have a mutation under way at once, at most.
        crashes: Whether the process may die.
        dangling_ids: Whether arguments may hold ids of no document.
    """

    modules: tuple[ModuleType, ...]
    functions: Mapping[AnyFunction, int]
    arguments: Mapping[AnyFunction, Arguments | Callable[[ThrowAwayDatabase], Arguments]]
    invariants: tuple[Invariant, ...]
    setup: Setup | None
    errors: tuple[type[Exception], ...]
    clients: int
    crashes: bool
    dangling_ids: bool


@dataclass(slots=True)
class Ended:
    """How a step ended: with a result, or with an error that is fine."""

    result: Any = None
    error: type[Exception] | None = None


@dataclass(slots=True)
class Prepared(Ended):
    """The function that fills the database has run; always the first step."""


@dataclass(slots=True, kw_only=True)
class Called(Ended):
    """A function was called, and a mutation committed at once."""

    function: AnyFunction
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class Started:
    """A client ran a mutation, and has not committed it yet."""

    client: int
    function: AnyFunction
    arguments: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Finished(Ended):
    """A client committed what it had started."""

    client: int


@dataclass(slots=True)
class Crashed:
    """The process died, and the database was opened again."""


@dataclass(slots=True)
class Waited:
    """Time passed."""

    seconds: int


Step: TypeAlias = Prepared | Called | Started | Finished | Crashed | Waited


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Something that a state machine found.

    Attributes:
        error: What was raised; by a function, or by an invariant.
        invariant: The one that did not hold; None if a function raised.
        seed: With which it is found again.
        steps: The few steps that lead there, in order.
        script: The same as a program in Python.
    """

    error: Exception
    invariant: Invariant | None
    seed: int
    steps: Sequence[Step]
    script: str
