"""The mutations and actions that one client asks for, and what it is answered."""

import asyncio
from collections.abc import Callable
from typing import Any

from headwater.errors import ActionCanceledError, ClosedError, RequestInvalidError
from headwater.server.client_calls import Caller, ClientCall, Failure, Success, calling_as
from headwater.server.recent import newest_timestamp
from headwater.server.sync_context import SyncContext
from headwater.server.sync_messages import FunctionRequest, ProtocolError, write_message
from headwater.server.wire_values import WireFormat, timestamp_to_wire, to_wire
from headwater.services.client_requests import Answered, run_once
from headwater.transactions.transaction import Transaction


class ClientRequestQueue:
    """Runs the mutations of a client in order, and its actions beside each other.

    Args:
        context: What clients share.
        name: What the connection is called in messages and logs.
        wire_format: How the client writes values.
        answer: Takes each answer, as JSON.

    Attributes:
        session: What the client calls itself, over all its connections; empty before it says so.
    """

    def __init__(
        self,
        context: SyncContext,
        name: str,
        wire_format: WireFormat,
        answer: Callable[[str], None],
    ) -> None:
        self._context = context
        self._name = name
        self._wire_format: WireFormat = wire_format
        self._hand_over = answer
        self._most = context.backend.runner.store.limits.client_requests
        self._mutations: asyncio.Queue[tuple[FunctionRequest, Caller]] = asyncio.Queue(self._most)
        self._actions: set[asyncio.Task[None]] = set()
        self._count = 0
        self._may_commit = False
        self._answered = 0
        self._has_answered = asyncio.Event()
        self.session: str = ""

    async def take(self, request: FunctionRequest, caller: Caller) -> None:
        """Have a request answered; waits while too many others are."""
        if request.kind == "mutation":
            await self._mutations.put((request, caller))
            return
        while len(self._actions) >= self._most:
            await asyncio.wait(self._actions, return_when=asyncio.FIRST_COMPLETED)
        # A task of its own: it goes on if the client goes away.
        task = asyncio.create_task(self._act(request, caller))
        self._actions.add(task)
        task.add_done_callback(self._actions.discard)

    async def mutate_in_order(self) -> None:
        """Run mutations one after the other, for ever.

        Raises:
            ProtocolError: The arguments of one are no values.
            ClosedError, StorageError: The database is closing or has failed: the client does well
                to come back and to send it again.
        """
        while True:
            request, caller = await self._mutations.get()
            await self._mutate(request, caller)

    async def until_answered(self) -> None:
        """Wait for the answer to the mutation whose effect a state may have that was just taken."""
        count = self._answered
        while self._may_commit and self._answered == count:
            self._has_answered.clear()
            await self._has_answered.wait()

    async def _mutate(self, request: FunctionRequest, caller: Caller) -> None:
        calls, backend, request_id = self._context.calls, self._context.backend, self._next_id()
        facts: dict[str, Any] = {"type": "MutationResponse", "requestId": request.number}
        with calling_as(caller, request_id):
            try:
                call = await calls.prepare_async(self._wanted(request), caller, request_id)
            except RequestInvalidError as error:
                raise ProtocolError(f"Mutation: {error}") from None
            if isinstance(call, Failure):
                self._answer({**facts, **self._failed(call), "ts": None})
                return
            run = run_once(backend.runner, call, self.session, request.number)

            def run_and_note(transaction: Transaction) -> Answered:
                answered = run(transaction)
                self._may_commit = True  # and be seen in a transition, before it is answered
                return answered

            try:
                answered: Answered = await backend.calls.mutate_as(call, run_and_note)
            except Exception as error:  # noqa: BLE001 - the client is told what it may know
                facts |= {**self._failed(calls.failure(call, error, request_id)), "ts": None}
            else:
                ts = answered.ts or newest_timestamp(backend.runner.store)
                facts |= self._succeeded(calls.success(call, answered.value))
                facts["ts"] = timestamp_to_wire(ts)
        self._answer(facts)

    async def _act(self, request: FunctionRequest, caller: Caller) -> None:
        request_id = self._next_id()
        facts: dict[str, Any] = {"type": "ActionResponse", "requestId": request.number}
        try:
            outcome = await self._context.calls.run(self._wanted(request), caller, request_id)
        except (ActionCanceledError, ClosedError):
            return  # the connection ends with the database, and the client knows that way
        except RequestInvalidError as error:
            outcome = Failure(str(error), [])
        except Exception:  # noqa: BLE001 - as in _mutate
            outcome = Failure(f"[Request ID: {request_id}] Server Error", [])
        if isinstance(outcome, Failure):
            facts |= self._failed(outcome)
        else:
            facts |= self._succeeded(outcome)
        self._answer(facts)

    def _next_id(self) -> str:
        self._count += 1
        return f"{self._name}-{self._count}"

    def _answer(self, facts: dict[str, Any]) -> None:
        self._hand_over(write_message(facts))
        self._may_commit = False
        self._answered += 1
        self._has_answered.set()

    def _wanted(self, request: FunctionRequest) -> ClientCall:
        return ClientCall(
            request.path, request.arguments, kind=request.kind, wire_format=self._wire_format
        )

    def _succeeded(self, success: Success) -> dict[str, Any]:
        value = to_wire(success.value, self._wire_format)
        return {"success": True, "result": value, "logLines": success.lines}

    def _failed(self, failure: Failure) -> dict[str, Any]:
        facts = {"success": False, "result": failure.message, "logLines": failure.lines}
        if failure.has_data:
            facts["errorData"] = to_wire(failure.data, self._wire_format)
        if failure.code:
            facts["errorCode"] = failure.code
        return facts
