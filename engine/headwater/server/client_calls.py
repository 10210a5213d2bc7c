"""Calls that clients make by path, over whatever connects them, and what they are told of them."""

import asyncio
import json
import logging
import sysconfig
import traceback
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headwater.errors import (
    ActionCanceledError,
    ApplicationError,
    ArgumentError,
    ClosedError,
    ConflictError,
    FunctionKindError,
    FunctionNotFoundError,
    RequestInvalidError,
    StorageError,
)
from headwater.exchange.fitting import Fitting, fit
from headwater.functions.accounts import AccountSession
from headwater.functions.arguments import CompiledFunction
from headwater.functions.call_log import Level, Lines
from headwater.functions.calls import Call
from headwater.functions.declaration import Function
from headwater.functions.identity import Identity, acting_as
from headwater.functions.kinds import Kind
from headwater.schema.explain import Walk, is_dict, is_list, nearest
from headwater.schema.tables import Id
from headwater.schema.validators import ObjectValidator
from headwater.server.protocol import Backend
from headwater.server.wire_values import WireFormat, from_wire, to_wire
from headwater.transactions.explicit import snapshot_at
from headwater.transactions.origins import origin
from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import check_value

READ_AT_ONCE_BYTES: Final = 64 * 1024
"""What is larger is read and checked on a thread, so that the event loop goes on."""

_LOG: Final = logging.getLogger("headwater.server")
_NOT_THE_APPLICATION: Final = (
    str(Path(__file__).parents[1]),
    sysconfig.get_path("stdlib"),
    "<",
)
_SHOWN_CHARACTERS: Final = 200
_SHOWN_KIND: Final[dict[Kind, str]] = {
    "query": "Query",
    "mutation": "Mutation",
    "action": "Action",
}
_SHOWN_LEVEL: Final[dict[Level, str]] = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARN",
    "error": "ERROR",
}
_REFUSALS: Final = (FunctionNotFoundError, FunctionKindError, ArgumentError)
_NOT_OF_THE_FUNCTION: Final = (ConflictError, StorageError)
_OF_THE_END: Final = (ActionCanceledError, ClosedError)
"""Also what a function raises that keeps something for longer than it may."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        identity: As whom.
        is_admin: Whether internal functions may be called, too.
        expires_at: When the token ends that says so, ms since the epoch; None if never.
        session: If that token is one of the database's own sessions: its id.
    """

    identity: Identity | None = None
    is_admin: bool = False
    expires_at: float | None = None
    session: Id[AccountSession] | None = None


NOBODY: Final = Caller()


@dataclass(frozen=True, slots=True)
class ClientCall:
    """What a client asks for.

    Attributes:
        path: Of the function, in any spelling.
        arguments: As parsed from JSON: an object, or a list of one.
        kind: What the function has to be; None for any kind.
        size: Bytes that the arguments came in, where somebody has counted.
        wire_format: Who has written them.
    """

    path: str
    arguments: Any
    kind: Kind | None = None
    size: int = 0
    wire_format: WireFormat = "encoded"


@dataclass(frozen=True, slots=True)
class Success:
    """A function has returned.

    Attributes:
        value: What.
        lines: What it logged, for developers; empty outside of dev mode.
    """

    value: Any
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Failure:
    """A function has failed, or cannot be called so.

    Attributes:
        message: What the client is told.
        lines: What it logged, for developers; empty outside of dev mode.
        has_data: Whether the application raised an `ApplicationError`.
        data: Its data; None is data, too.
        code: Of a call that cannot be made so: that of the error.
    """

    message: str
    lines: list[str]
    has_data: bool = False
    data: Any = None
    code: str = ""


class ClientCalls:
    """Runs what clients ask for. None of it blocks the event loop.

    Args:
        backend: The database.
        is_dev: Whether clients are told the messages of errors, where they were raised, and what
            functions log.
    """

    def __init__(self, backend: Backend, *, is_dev: bool) -> None:
        self._backend = backend
        self._runner = backend.runner
        self._is_dev = is_dev
        self._fitting = Fitting(
            Walk(self._runner.tables, self._runner.store.limits.nesting), is_bigint=True
        )
        self._wire_arguments: dict[CompiledFunction[..., Any], ObjectValidator] = {}

    async def run(self, wanted: ClientCall, caller: Caller, request_id: str) -> Success | Failure:
        """Call a function and wait for it.

        Args:
            wanted: What is asked for.
            caller: Who asks.
            request_id: Stands in the message of a failure, in the logs and in the commit.

        Raises:
            RequestInvalidError: The arguments are no values.
            ConflictError: It lost to others for too long.
            ClosedError, ActionCanceledError: The database is closing.
            StorageError: The disk failed.
        """
        with calling_as(caller, request_id):
            call = await self.prepare_async(wanted, caller, request_id)
            if isinstance(call, Failure):
                return call
            try:
                return self.success(call, await self._backend.calls.run(call))
            except Exception as error:  # noqa: BLE001 - the client is told what it may know
                return self.failure(call, error, request_id)

    async def run_queries(
        self, wanted: Sequence[ClientCall], caller: Caller, request_id: str, at: int | None = None
    ) -> list[Success | Failure]:
        """Run several queries on one snapshot.

        Args:
            wanted: What is asked for.
            caller: Who asks.
            request_id: As in `run`.
            at: The moment, nanoseconds since the epoch; None for now.

        Raises:
            RequestInvalidError: The arguments of one are no values.
            LogTrimmedError: The log does not reach back to the moment.
        """
        with calling_as(caller, request_id):
            calls = [await self.prepare_async(one, caller, request_id) for one in wanted]
            return await asyncio.to_thread(self._run_queries, calls, request_id, at)

    def prepare(self, wanted: ClientCall, caller: Caller, request_id: str) -> Call | Failure:
        """Find the function and check the arguments. To be called inside of `calling_as`.

        Raises:
            RequestInvalidError: The arguments are no values.
        """
        try:
            compiled = self._runner.find(self._function(wanted, caller))
            return self._runner.prepared(compiled.function, self._bound(compiled, wanted))
        except _REFUSALS as error:
            # It is about what the client has sent, and tells nothing that it does not know.
            return Failure(_message(request_id, str(error)), [], code=error.code)

    async def prepare_async(
        self, wanted: ClientCall, caller: Caller, request_id: str
    ) -> Call | Failure:
        """The same; large arguments are checked on a thread. Raises what it raises."""
        if wanted.size <= READ_AT_ONCE_BYTES:
            return self.prepare(wanted, caller, request_id)
        return await asyncio.to_thread(self.prepare, wanted, caller, request_id)

    def success(self, call: Call, value: Any) -> Success:
        """What a client is told of a call that has returned."""
        return Success(value, self._lines(call.lines))

    def failure(self, call: Call, error: Exception, request_id: str) -> Failure:
        """What a client is told of a call that has failed.

        Raises:
            ConflictError, ClosedError, ActionCanceledError, StorageError: That one, as it is no
                fault of the function: the call may succeed later.
        """
        if isinstance(error, _NOT_OF_THE_FUNCTION) or (
            isinstance(error, _OF_THE_END) and self._backend.is_closed()
        ):
            raise error
        lines = self._lines(call.lines)
        if isinstance(error, ApplicationError) and _is_value(error.data):
            _LOG.info("%s refused (request %s): %s", call.path, request_id, error)
            said = f"Uncaught ConvexError: {_shown_data(error.data)}"
            message = _message(request_id, said)
            return Failure(message, lines, has_data=True, data=error.data)
        _LOG.error("%s failed (request %s)", call.path, request_id, exc_info=error)
        return Failure(_message(request_id, _trace(error) if self._is_dev else ""), lines)

    def _run_queries(
        self, calls: Sequence[Call | Failure], request_id: str, at: int | None
    ) -> list[Success | Failure]:
        with closing(snapshot_at(self._runner.store, at)) as snapshot:

            def run(call: Call) -> Success | Failure:
                try:
                    with self._runner.noted(call):
                        return self.success(call, self._runner.query_in(call, snapshot, None))
                except Exception as error:  # noqa: BLE001 - as in run
                    return self.failure(call, error, request_id)

            return [call if isinstance(call, Failure) else run(call) for call in calls]

    def _function(self, wanted: ClientCall, caller: Caller) -> Function[..., Any]:
        application, path = self._runner.application, wanted.path[:_SHOWN_CHARACTERS]
        function = application.find(wanted.path) if path == wanted.path else None
        if function is None or (function.is_internal and not caller.is_admin):
            # The same words for both, so that nobody finds out which internal ones there are.
            raise FunctionNotFoundError(
                f"Could not find public function for {path!r}.{self._hint(path)}"
            )
        if wanted.kind is not None and function.kind != wanted.kind:
            raise FunctionKindError(
                f"Trying to execute {path} as {_SHOWN_KIND[wanted.kind]}, but it is defined as "
                f"{_SHOWN_KIND[function.kind]}."
            )
        return function

    def _hint(self, path: str) -> str:
        """For developers, the nearest public function."""
        if not self._is_dev:
            return ""
        functions = self._runner.application.functions.items()
        close = nearest(path, [name for name, one in functions if not one.is_internal])
        return "" if close is None else f" Did you mean {close!r}?"

    def _bound(self, compiled: CompiledFunction[..., Any], wanted: ClientCall) -> dict[str, Any]:
        nesting = self._runner.store.limits.nesting + 1
        given = from_wire(_only(wanted.arguments), wanted.wire_format, nesting=nesting)
        if wanted.wire_format == "exact":
            return compiled.bind_wire(given)
        validator = self._wire_arguments.get(compiled)
        if validator is None:
            validator = self._wire_arguments[compiled] = compiled.contract.wire_arguments
        return compiled.bind_wire(fit(validator, given, self._fitting))

    def _lines(self, lines: Lines | None) -> list[str]:
        if lines is None or not self._is_dev:
            return []
        return [f"[{_SHOWN_LEVEL[line.level]}] {line.message!r}" for line in lines.lines]


@contextmanager
def calling_as(caller: Caller, request_id: str) -> Generator[None]:
    """A block whose calls and commits are those of a client."""
    with origin(request_id=request_id), acting_as(caller.identity):
        yield


def _only(arguments: Any) -> Any:
    """The one object of arguments: the client of PyPI sends it alone, that of npm in a list."""
    if is_list(arguments) and len(arguments) == 1:
        (arguments,) = arguments
    if is_dict(arguments):
        return arguments
    raise RequestInvalidError("args: expected an object, or a list of one object")


def _message(request_id: str, said: str) -> str:
    message = f"[Request ID: {request_id}] Server Error"
    return f"{message}\n{said}" if said else message


def _is_value(data: Any) -> bool:
    try:
        check_value(data)
    except NotStorableError:
        return False
    return True


def _shown_data(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(to_wire(data), ensure_ascii=False)


def _trace(error: Exception) -> str:
    """An error for developers: its message, and where in the application it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_APPLICATION)]
    lines = [f"Uncaught {type(error).__name__}: {error}"]
    lines += [f"    at {one.name} ({one.filename}:{one.lineno})" for one in reversed(own)]
    return "\n".join(lines)
