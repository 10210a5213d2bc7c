"""Functions: which there are, what they take, calling them, and watching queries."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any, Final

from headwater.aio import AsyncVerbs
from headwater.dashboard.asked import Asked
from headwater.errors import ApplicationError, HeadwaterError, RequestInvalidError
from headwater.exchange.json_values import write_value
from headwater.functions.arguments import CompiledFunction
from headwater.functions.calls import Call
from headwater.functions.declaration import Function
from headwater.functions.identity import Identity, acting_as
from headwater.functions.parameters import NO_DEFAULT
from headwater.functions.runner import Runner
from headwater.functions.snapshots import query_at
from headwater.reactive.live import Live
from headwater.reactive.reactor import Reactor
from headwater.schema.json_form import to_json
from headwater.transactions.origins import origin

_CLAIMS_APART: Final = ("subject", "issuer")


class Functions:
    """The functions of the application, internal ones too.

    Args:
        runner: Runs them.
        reactor: Watches queries.
        aio: Calls without blocking.
    """

    def __init__(self, runner: Runner, reactor: Reactor, aio: AsyncVerbs) -> None:
        self._runner = runner
        self._reactor = reactor
        self._aio = aio

    def list(self, _: Asked) -> dict[str, Any]:
        """All functions, by path, with the types of their arguments."""
        functions = self._runner.application.functions
        return {"functions": [self._facts(path, functions[path]) for path in sorted(functions)]}

    def _facts(self, path: str, function: Function[..., Any]) -> dict[str, Any]:
        contract = self._runner.find(function).contract
        defaults = {
            contract.wire_names[one.name]: one.default
            for one in function.signature.parameters
            if one.default is not NO_DEFAULT and _is_writable(one.default)
        }
        return {
            "path": path,
            "kind": function.kind,
            "isInternal": function.is_internal,
            "doc": function.doc,
            "arguments": to_json(contract.wire_arguments),
            "returns": to_json(contract.result),
            "defaults": defaults,
        }

    async def run(self, asked: Asked) -> dict[str, Any]:
        """Call a function, now or a query at a moment; what it raised is an outcome as well."""
        at = asked.moment("at")
        clock = self._runner.store.clock
        with _calling(asked):
            call = self._call(asked)
            started = clock.monotonic()
            try:
                if at is None:
                    value = await self._aio.run(call)
                else:
                    value = await asyncio.to_thread(query_at, self._runner, call, at)
                outcome = {"value": value}
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
                outcome = failure_facts(error)
            outcome["seconds"] = clock.monotonic() - started
        lines = () if call.lines is None else call.lines.lines
        outcome["lines"] = [{"level": one.level, "message": one.message} for one in lines]
        outcome["runs"] = call.runs
        outcome["requestId"] = asked.request_id
        return outcome

    async def watch(self, asked: Asked) -> AsyncGenerator[dict[str, Any]]:
        """The result of a query, now and whenever it changes, as long as somebody listens."""
        with _calling(asked):
            call = self._call(asked)
        if call.compiled.function.kind != "query":
            raise RequestInvalidError(f"{call.path}: only a query can be watched")
        wanted = [self._runner.wanted(call)]
        live: Live[Any] = await asyncio.to_thread(
            lambda: Live(self._reactor, wanted, is_single=True)
        )
        is_over = False
        with live:
            while not is_over:
                try:
                    async for value in live:
                        yield {"value": value, "ts": str(live.ts)}
                    is_over = True  # it was closed, with the database
                except Exception as error:  # noqa: BLE001 - the query's; its next result may be good
                    yield failure_facts(error) | {"ts": str(live.ts)}

    def _call(self, asked: Asked) -> Call:
        function = self._runner.application.function(asked.text("path"))
        compiled: CompiledFunction[..., Any] = self._runner.find(function)
        return self._runner.prepared(function, compiled.bind_wire(asked.members("arguments")))


@contextmanager
def _calling(asked: Asked) -> Generator[None]:
    """A block whose calls and commits are those of somebody."""
    with origin(request_id=asked.request_id), acting_as(_identity(asked)):
        yield


def _identity(asked: Asked) -> Identity | None:
    if not asked.has("identity"):
        return None
    facts = asked.members("identity")
    if not isinstance(facts.get("subject"), str):
        raise RequestInvalidError("identity: expected a subject in it")
    claims = {name: claim for name, claim in facts.items() if name not in _CLAIMS_APART}
    return Identity(facts["subject"], facts.get("issuer", "local"), claims)


def failure_facts(error: Exception) -> dict[str, Any]:
    """What a function has raised, for developers: where, and what the application said by it."""
    facts: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
    if isinstance(error, ApplicationError) and _is_writable(error.data):
        facts["data"] = error.data
    elif not isinstance(error, HeadwaterError):
        facts["trace"] = "".join(traceback.format_exception(error))
    return facts


def _is_writable(value: Any) -> bool:
    try:
        write_value(value, "exact")
    except (TypeError, ValueError, RecursionError):
        return False
    return True
