"""One client of the sync protocol: its state, and what it is told, in which order.

The client is told of states of its queries, each at one timestamp, and of the outcomes of its
requests. A state that shows the effect of a mutation comes after its outcome, and one that is not
older than an outcome always follows it. Who is slow skips states: there is one place for the
newest, and what waits for an answer is counted.

Source: the observable behaviour of Convex's sync protocol.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from headwater.errors import (
    ActionCanceledError,
    ClosedError,
    TokenKeysUnavailableError,
)
from headwater.reactive.subscription import Transition
from headwater.server.authentication import identity_from_json
from headwater.server.client_calls import (
    NOBODY,
    Caller,
)
from headwater.server.recent import newest_timestamp
from headwater.server.refusals import RefusalError
from headwater.server.sync_context import SyncContext
from headwater.server.sync_messages import (
    PING,
    Authenticate,
    ClientMessage,
    Connect,
    FunctionRequest,
    ModifyQuerySet,
    ProtocolError,
    Version,
    auth_error,
    fatal_error,
    read_message,
    write_message,
)
from headwater.server.sync_queries import WatchedQueries
from headwater.server.sync_requests import ClientRequestQueue
from headwater.server.wire_values import WireFormat

GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011
TRY_AGAIN: Final = 1013
_TICKS_BEFORE_CONNECT_MAX: Final = 2
CHUNK_CHARACTERS: Final = 5_000_000
"""A longer transition is sent in parts to clients that can join them."""
_MS_PER_SECOND: Final = 1000
_NS_PER_MS: Final = 1_000_000
_NS_PER_SECOND: Final = 1_000_000_000
_READ_AT_ONCE_CHARACTERS: Final = 64 * 1024
"""A longer message is parsed on a thread, so that the event loop goes on."""

Send = Callable[[str], Awaitable[None]]
Receive = Callable[[], Awaitable[str]]


class SessionOverError(Exception):
    """The connection ends.

    Attributes:
        code: Of the WebSocket's close.
        reason: In a word, by which clients choose when to come back.
        last: What the client is told before; empty for nothing.
    """

    def __init__(self, code: int = 1000, reason: str = "", last: str = "") -> None:
        super().__init__(reason or last)
        self.code: int = code
        self.reason: str = reason
        self.last: str = last


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What is known of a connection before anything was said.

    Attributes:
        name: What it is called in messages and logs.
        address: Where it comes from; empty if nobody knows.
        joins_chunks: Whether the client takes transitions in parts.
        wire_format: How the client writes values.
    """

    name: str
    address: str
    joins_chunks: bool
    wire_format: WireFormat


class SyncSession:
    """A conversation with one client over one connection. Made on its event loop.

    Args:
        context: What clients share.
        caller: Who it is before it says so.
        connection: What is known of the connection.
        send: Sends a message; waits while the client is slow.
    """

    def __init__(
        self, context: SyncContext, caller: Caller, connection: Connection, send: Send
    ) -> None:
        name, wire_format = connection.name, connection.wire_format
        self._context = context
        self._caller = caller
        self._connection = connection
        self._send = send
        self._queries = WatchedQueries(context, name, wire_format)
        self._limits = context.backend.runner.store.limits
        self._received = Version()
        self._versions: dict[int, Version] = {0: Version()}
        self._version = Version()
        self._outgoing: deque[str] = deque()
        self._news = asyncio.Event()
        self._is_silent = True
        self._ticks_before_connect = 0
        self._requests = ClientRequestQueue(context, name, wire_format, self._answer)
        self._expiry = -1

    async def talk(self, receive: Receive) -> None:
        """Listen and answer until one of the two sides ends it.

        Args:
            receive: Gives the next message; raises `SessionOverError` at the end.

        Raises:
            SessionOverError: It is over.
        """
        self._queries.subscription.on_news(partial(self._context.wakeups.wake, self._news))
        tasks = [
            asyncio.create_task(_ending(part))
            for part in (self._read(receive), self._write(), self._requests.mutate_in_order())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._context.backend.actor.alarm.cancel(self._expiry)
            self._queries.close()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    def tick(self) -> None:
        """Some seconds have passed: let the client know that this side is there.

        A client that has not even said who it is by the second time is let go.
        """
        if not self._requests.session:
            self._ticks_before_connect += 1
        if self._is_silent or self._ticks_before_connect >= _TICKS_BEFORE_CONNECT_MAX:
            self._outgoing.append(PING)
            self._news.set()
        self._is_silent = True

    def _check_connected(self) -> None:
        is_late = self._ticks_before_connect >= _TICKS_BEFORE_CONNECT_MAX
        if is_late and not self._requests.session:
            raise SessionOverError(reason="ConnectTimeout")

    # -- what the client says -------------------------------------------------------------------

    async def _read(self, receive: Receive) -> None:
        while True:
            text = await receive()
            if len(text) <= _READ_AT_ONCE_CHARACTERS:
                message = read_message(text)
            else:
                message = await asyncio.to_thread(read_message, text)
            await self._take(message)

    async def _take(self, message: ClientMessage) -> None:
        if isinstance(message, Connect):
            self._connect(message)
        elif not self._requests.session:
            raise ProtocolError("the first message has to be Connect")
        elif isinstance(message, ModifyQuerySet):
            self._modify(message)
        elif isinstance(message, Authenticate):
            await self._authenticate(message)
        elif isinstance(message, FunctionRequest):
            await self._requests.take(message, self._caller)

    def _connect(self, message: Connect) -> None:
        if self._requests.session:
            raise ProtocolError("Connect: it was said before")
        if message.max_observed_ts > newest_timestamp(self._context.backend.runner.store):
            # What it has seen is not there any more: an older state has been restored.
            raise SessionOverError(TRY_AGAIN, "InternalServerError: an older state was restored")
        self._requests.session = message.session

    def _modify(self, message: ModifyQuerySet) -> None:
        received = self._received
        if message.base_version != received.query_set or (
            message.new_version != message.base_version + 1
        ):
            raise ProtocolError(
                f"BaseVersionMismatch: ModifyQuerySet from {message.base_version} to "
                f"{message.new_version}, expected from {received.query_set} to the next one"
            )
        if len(self._queries) + len(message.modifications) > 2 * self._limits.client_queries:
            raise self._too_many_queries()
        self._queries.modify(message, self._caller)
        if len(self._queries) > self._limits.client_queries:
            raise self._too_many_queries()
        self._reach(Version(message.new_version, received.identity))

    def _too_many_queries(self) -> ProtocolError:
        return ProtocolError(
            f"more than {self._limits.client_queries:,} queries, the limit client_queries"
        )

    def _reach(self, version: Version) -> None:
        self._received = self._versions[self._queries.version] = version

    async def _authenticate(self, message: Authenticate) -> None:
        if message.base_version != self._received.identity:
            raise ProtocolError(
                f"BaseVersionMismatch: Authenticate from {message.base_version}, expected from "
                f"{self._received.identity}"
            )
        try:
            self._caller = await self._recognized(message)
        except RefusalError as error:
            last = auth_error(str(error), message.base_version, is_refusal=True)
            raise SessionOverError(last=last) from None
        except TokenKeysUnavailableError:
            raise SessionOverError(TRY_AGAIN, "AuthProviderUnavailable") from None
        self._queries.call_as(self._caller)
        received = self._received
        self._reach(Version(received.query_set, received.identity + 1))
        self._await_expiry()

    def _await_expiry(self) -> None:
        backend, expires_at = self._context.backend, self._caller.expires_at
        backend.actor.alarm.cancel(self._expiry)
        if expires_at is not None:
            clock = backend.runner.store.clock
            seconds = expires_at / _MS_PER_SECOND - clock.now_ns() / _NS_PER_SECOND
            wake = partial(self._context.wakeups.wake, self._news)
            self._expiry = backend.actor.alarm.call_at(clock.monotonic() + seconds, wake)

    def _check_session(self, transition: Transition) -> None:
        if self._queries.is_signed_out(transition):
            raise self._ended("the session has ended")

    def _ended(self, why: str) -> SessionOverError:
        last = auth_error(why, self._received.identity, is_refusal=False)
        return SessionOverError(last=last)

    def _check_expiry(self) -> None:
        expires_at = self._caller.expires_at
        if expires_at is not None:
            now_ns = self._context.backend.runner.store.clock.now_ns()
            if now_ns / _NS_PER_MS >= expires_at:
                raise self._ended("the token has expired")

    async def _recognized(self, message: Authenticate) -> Caller:
        authentication = self._context.authentication
        if message.kind == "None":
            return NOBODY
        if message.kind == "User":
            return await authentication.bearer(message.token)
        acting_as = message.acting_as
        identity = None if acting_as is None else identity_from_json(acting_as)
        return authentication.administrator(
            message.token, identity, address=self._connection.address
        )

    def _answer(self, answer: str) -> None:
        self._outgoing.append(answer)
        self._news.set()
        self._queries.tell()

    # -- what the client is told ----------------------------------------------------------------

    async def _write(self) -> None:
        subscription = self._queries.subscription
        while True:
            await self._news.wait()
            self._news.clear()
            self._check_connected()
            self._check_expiry()
            transition = subscription.take()
            if transition is not None:
                await self._requests.until_answered()
            while self._outgoing:
                await self._send(self._outgoing.popleft())
            if transition is not None and self._queries.is_of_the_caller(transition):
                self._check_session(transition)
                await self._tell(transition)
            self._is_silent = False
            if subscription.is_closed:
                raise SessionOverError(GOING_AWAY, "ServerStopping")

    async def _tell(self, transition: Transition) -> None:
        modifications = ",".join(self._queries.modifications(transition))
        reached = self._versions[transition.version]
        for version in [one for one in self._versions if one < transition.version]:
            del self._versions[version]
        start, end = self._version, Version(reached.query_set, reached.identity, transition.ts)
        self._version = end
        # Without serverTs: with it, and no skew, the client of npm believes that a transition took
        # years to arrive, and warns of it. A skew of null lets it count the rest of a token's life
        # by its own clock; one made of its clientTs would be wrong by how long its page is open.
        text = (
            f'{{"type":"Transition","startVersion":{write_message(start.to_json())},'
            f'"endVersion":{write_message(end.to_json())},"modifications":[{modifications}],'
            '"clientClockSkew":null}'
        )
        size = CHUNK_CHARACTERS
        if len(text) <= size or not self._connection.joins_chunks:
            await self._send(text)
            return
        chunks = [text[at : at + size] for at in range(0, len(text), size)]
        for number, chunk in enumerate(chunks):
            facts = {"chunk": chunk, "partNumber": number, "totalParts": len(chunks)}
            name = f"{self._connection.name}-{transition.version}-{transition.ts}"
            await self._send(
                write_message({"type": "TransitionChunk", **facts, "transitionId": name})
            )


async def _ending(part: Coroutine[Any, Any, None]) -> None:
    """Run a part of a session until it ends, and say how as a `SessionOverError`."""
    try:
        await part
    except ProtocolError as error:
        raise SessionOverError(last=fatal_error(str(error))) from None
    except (ActionCanceledError, ClosedError):
        raise SessionOverError(GOING_AWAY, "ServerStopping") from None
