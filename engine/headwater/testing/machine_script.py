"""Steps as a program that can be pasted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headwater.functions.declaration import Query
from headwater.schema.explain import TableNumbers
from headwater.testing.machine_names import Names, expression, members
from headwater.testing.machine_steps import (
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
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import decode_id

_INDENT = "    "
_WIDTH = 100
_ID_LENGTH = 30
"""Shorter texts are no ids."""


def script(
    plan: Plan,
    steps: Sequence[Step],
    tables: TableNumbers,
    invariant: Invariant | None,
    error: Exception,
) -> str:
    """A program that does the same again, and ends with what has failed.

    Args:
        plan: Of the state machine.
        steps: What it did.
        tables: How its database numbers its tables.
        invariant: What did not hold; None if the last step raised.
        error: What was raised.
    """
    return _Script(plan, _adjacent_joined(_finished(steps)), tables).text(invariant, error)


def _finished(steps: Sequence[Step]) -> list[Step]:
    """Without mutations that nobody has committed; nobody has seen anything of them.

    They stay where an id is in the arguments that no result has: it is as it is because of
    everything that took randomness before.
    """
    given = {text for step in steps if isinstance(step, Ended) for text, _ in members(step.result)}
    taken = {
        text
        for step in steps
        if isinstance(step, Called | Started)
        for text, _ in members(step.arguments)
        if len(text) >= _ID_LENGTH
    }
    if not taken <= given:
        return list(steps)
    kept: list[Step] = []
    is_finished: set[int] = set()
    for step in reversed(steps):
        if isinstance(step, Finished):
            is_finished.add(step.client)
        elif isinstance(step, Crashed):
            is_finished.clear()
        elif isinstance(step, Started):
            if step.client not in is_finished and kept:
                continue
            is_finished.discard(step.client)
        kept.append(step)
    return kept[::-1]


def _adjacent_joined(steps: Sequence[Step]) -> list[Step]:
    """A mutation that was committed right after it had run is a plain call."""
    joined: list[Step] = []
    for step in steps:
        last = joined[-1] if joined else None
        if isinstance(step, Finished) and isinstance(last, Started) and last.client == step.client:
            joined[-1] = Called(
                result=step.result,
                error=step.error,
                function=last.function,
                arguments=last.arguments,
            )
        else:
            joined.append(step)
    return joined


class _Script:
    def __init__(self, plan: Plan, steps: Sequence[Step], tables: TableNumbers) -> None:
        self._plan = plan
        self._steps = steps
        self._tables = tables
        self._names = Names(plan.modules)
        self._known: dict[str, str] = {}
        self._pending: dict[int, str] = {}
        self._asked = set(self._ids_asked_for())

    def _ids_asked_for(self) -> Iterator[str]:
        for step in self._steps:
            if isinstance(step, Called | Started):
                for text, _ in members(step.arguments):
                    if self._table_of(text) is not None:
                        yield text

    def _table_of(self, text: str) -> str | None:
        try:
            return self._tables.name_of(decode_id(text)[0])
        except MalformedIdError:
            return None

    # -- the whole ------------------------------------------------------------------------------

    def text(self, invariant: Invariant | None, error: Exception) -> str:
        """The program."""
        body = [line for step in self._steps for line in self._lines(step)]
        if invariant is None and body:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            body.append(f"# raises {said}"[:_WIDTH])
        elif invariant is not None:
            name = self._names.plain(invariant)
            body += [
                "with db.snapshot() as snapshot:",
                f"{_INDENT}assert {name}(snapshot) in (True, None)",
            ]
        opened = ", ".join(map(self._names.module, self._plan.modules))
        lines = [*self._imports(body), "", f"with testing.database({opened}) as db:"]
        return "\n".join([*lines, *(_INDENT + line for line in self._with_clients(body))]) + "\n"

    def _imports(self, body: Sequence[str]) -> Iterator[str]:
        if any("contextlib." in line for line in body):
            yield "import contextlib"
            yield ""
        yield "import headwater as hw"
        yield "from headwater import testing"
        yield from self._names.imports
        yield from dict.fromkeys(self._names.notes)

    def _with_clients(self, body: Sequence[str]) -> Iterator[str]:
        used = [step.client for step in self._steps if isinstance(step, Started)]
        if used:
            yield f"clients = testing.Clients(db, {max(used) + 1})"
        yield from body

    # -- one step -------------------------------------------------------------------------------

    def _lines(self, step: Step) -> list[str]:
        match step:
            case Prepared():
                assert self._plan.setup is not None
                return self._with_result(step, f"{self._names.plain(self._plan.setup)}(db)")
            case Called():
                verb = "db.query" if isinstance(step.function, Query) else "db.mutate"
                return self._with_result(step, self._call(verb, step.function, step.arguments))
            case Started():
                verb = f"clients[{step.client}].start"
                name = self._names.fresh("pending")
                self._pending[step.client] = name
                return [f"{name} = {self._call(verb, step.function, step.arguments)}"]
            case Finished():
                return self._with_result(step, f"{self._pending[step.client]}.finish()")
            case Crashed():
                return ["db.crash()"]
            case Waited():
                return [f"db.clock.advance(seconds={step.seconds})"]

    def _call(self, verb: str, function: Any, arguments: Mapping[str, Any]) -> str:
        given = [f"{name}={expression(value, self._known)}" for name, value in arguments.items()]
        return f"{verb}({', '.join([self._names.function(function), *given])})"

    def _with_result(self, step: Ended, call: str) -> list[str]:
        if step.error is not None:
            name = self._error_name(step.error)
            return [f"with contextlib.suppress({name}):", _INDENT + call]
        found = [
            (text, path)
            for text, path in members(step.result)
            if text in self._asked and text not in self._known
        ]
        if not found:
            return [call]
        name = self._names.fresh(self._name_for(*found[0]))
        self._known |= {text: name + path for text, path in found}
        return [f"{name} = {call}"]

    def _name_for(self, id: str, path: str) -> str:
        return "result" if path else (self._table_of(id) or "document").removesuffix("s")

    def _error_name(self, error: type[Exception]) -> str:
        if error.__module__ == "headwater.errors":
            return f"hw.{error.__name__}"
        return error.__name__ if error.__module__ == "builtins" else self._names.plain(error)
