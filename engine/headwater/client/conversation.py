"""What this side of the sync protocol knows, says and hears; of no connection in particular.

All of it is called on one thread. What is to be said is put into ``outgoing``; a new connection
begins with `begin`, which says again what the server has to know: all queries, and the mutations
that have no answer yet, which the server does not run twice.

Source: as for `headwater.server.sync_messages`.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from headwater.client.calls import NESTING_MAX, RemoteCall
from headwater.errors import (
    ApplicationError,
    ArgumentError,
    FunctionKindError,
    FunctionNotFoundError,
    HeadwaterError,
    RemoteCallError,
    ServerGoneError,
)
from headwater.reactive.evaluation import Evaluation
from headwater.reactive.subscription import Subscription, Transition
from headwater.server.sync_messages import write_message
from headwater.server.wire_values import from_wire, timestamp_from_wire, timestamp_to_wire
from headwater.storage.codec import pack

_REFUSALS: Final[dict[str, type[HeadwaterError]]] = {
    kind.code: kind for kind in (ArgumentError, FunctionKindError, FunctionNotFoundError)
}
_REQUEST_ID: Final = re.compile(r"\[Request ID: ([^\]]+)\]")
_ZERO: Final = {"querySet": 0, "identity": 0, "ts": timestamp_to_wire(0)}


class Credentials(NamedTuple):
    """What the client shows of itself.

    Attributes:
        kind: ``User`` for a token, ``Admin`` for the token of an administrator.
        token: The token.
    """

    kind: str
    token: str


class RefusedError(Exception):
    """The server has refused the credentials."""


class ProtocolBrokenError(Exception):
    """The server has said what this side does not understand, or says that of this side."""


Done = Callable[[Any, Exception | None], None]
"""Takes a value, or why there is none."""


@dataclass(eq=False, slots=True)
class Watch:
    """One subscriber and the queries whose results it gets together."""

    subscription: Subscription
    queries: "tuple[_Watched, ...]" = ()


@dataclass(eq=False, slots=True)
class _Watched:
    """One query that the server runs for this client."""

    number: int
    call: RemoteCall
    journal: str | None = None
    evaluation: Evaluation | None = None
    watches: set[Watch] = field(default_factory=set[Watch])
    done: Done | None = None


@dataclass(slots=True)
class _Asked:
    """A mutation or an action that has no answer yet."""

    kind: str
    text: str
    done: Done
    was_said: bool = False


class Conversation:
    """The state of one client, over all its connections.

    Args:
        session: What it calls itself; nobody can guess it.

    Attributes:
        outgoing: What is to be said, oldest first.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._connections = 0
        self._is_connected = False
        self._watched: dict[int, _Watched] = {}
        self._by_key: dict[tuple[str, str], _Watched] = {}
        self._asked: dict[int, _Asked] = {}
        self._queries = 0
        self._requests = 0
        self._query_set = 0
        self._version: dict[str, Any] = _ZERO
        self._observed_ts = 0
        self._parts: list[str] = []
        self.outgoing: deque[str] = deque()

    # -- what the application wants -------------------------------------------------------------

    def ask(self, call: RemoteCall, done: Done) -> None:
        """Call a function once."""
        if call.kind == "query":
            # A query of its own, whatever is watched: the server runs it now.
            self._add(_Watched(self._next_query(), call, done=done))
            return
        number, self._requests = self._requests, self._requests + 1
        message = {"type": call.kind.capitalize(), "requestId": number, "udfPath": call.path}
        asked = _Asked(call.kind, write_message({**message, "args": [call.arguments]}), done)
        self._asked[number] = asked
        self._say_request(asked)

    def watch(self, watch: Watch, calls: Sequence[RemoteCall]) -> None:
        """Deliver the results of queries to a subscriber, and every change of them."""
        queries: list[_Watched] = []
        for call in calls:
            watched = self._by_key.get(call.key)
            if watched is None:
                watched = self._by_key[call.key] = _Watched(self._next_query(), call)
                self._add(watched)
            watched.watches.add(watch)
            queries.append(watched)
        watch.queries = tuple(queries)
        self._deliver(watch)

    def unwatch(self, watch: Watch) -> None:
        """Deliver nothing more."""
        for watched in set(watch.queries):
            watched.watches.discard(watch)
            if not watched.watches:
                del self._by_key[watched.call.key]
                self._remove(watched)
        watch.queries = ()

    def end(self, error: Exception) -> None:
        """Nothing is going to be answered any more."""
        asked, self._asked = list(self._asked.values()), {}
        for one in asked:
            one.done(None, error)
        watched, self._watched = list(self._watched.values()), {}
        self._by_key.clear()
        for query in watched:
            if query.done is not None:
                query.done(None, error)
            for watch in query.watches:
                watch.subscription.close()

    # -- the connection -------------------------------------------------------------------------

    def begin(self, credentials: Credentials | None) -> None:
        """A connection is there: say who this is and what it waits for."""
        self.outgoing.clear()
        self._parts.clear()
        self._is_connected = True
        self._query_set = 0
        self._version = _ZERO
        connect = {"type": "Connect", "sessionId": self._session, "clientTs": 0}
        if self._observed_ts:
            connect["maxObservedTimestamp"] = timestamp_to_wire(self._observed_ts)
        reason = "Reconnected" if self._connections else "InitialConnect"
        self._say({**connect, "connectionCount": self._connections, "lastCloseReason": reason})
        self._connections += 1
        if credentials is not None:
            self._say_authenticate(credentials)
        self._modify([_added(watched) for watched in self._watched.values()])
        for asked in list(self._asked.values()):
            self._say_request(asked)

    def broke(self) -> None:
        """The connection is gone; actions that were said are not said again."""
        self._is_connected = False
        self.outgoing.clear()
        for number, asked in list(self._asked.items()):
            if asked.kind == "action" and asked.was_said:
                del self._asked[number]
                asked.done(
                    None,
                    ServerGoneError(
                        "the connection broke while an action was running; whether it has done "
                        "its work is not known"
                    ),
                )

    def hear(self, text: str) -> None:
        """Something has come from the server.

        Raises:
            RefusedError: The credentials are not good, or not any more.
            ProtocolBrokenError: The two sides do not understand each other.
        """
        message = json.loads(text)
        match message.get("type"):
            case "Transition":
                self._transition(message)
            case "TransitionChunk":
                self._parts.append(message["chunk"])
                if len(self._parts) == message["totalParts"]:
                    joined = "".join(self._parts)
                    self._parts.clear()
                    self._transition(json.loads(joined))
            case "MutationResponse" | "ActionResponse":
                self._answered(message)
            case "AuthError":
                raise RefusedError(message["error"])
            case "FatalError":
                raise ProtocolBrokenError(message["error"])
            case "Ping":
                pass
            case kind:
                raise ProtocolBrokenError(f"the server says {kind!r}, which nobody understands")

    def _answered(self, message: dict[str, Any]) -> None:
        asked = self._asked.pop(message["requestId"], None)
        if asked is None:
            return
        if message["success"]:
            asked.done(_value(message["result"]), None)
        else:
            asked.done(None, _error_of(message, message["result"]))

    def _transition(self, message: dict[str, Any]) -> None:
        if message["startVersion"] != self._version:
            raise ProtocolBrokenError("a transition does not begin where the one before has ended")
        self._version = message["endVersion"]
        self._observed_ts = timestamp_from_wire(self._version["ts"])
        changed: dict[Watch, None] = {}
        for modification in message["modifications"]:
            watched = self._watched.get(modification["queryId"])
            if watched is None or modification["type"] == "QueryRemoved":
                continue
            watched.journal = modification["journal"]
            watched.evaluation = _evaluation(modification)
            changed |= dict.fromkeys(watched.watches)
            if watched.done is not None:
                self._finish(watched, watched.done, modification)
        for watch in changed:
            self._deliver(watch)

    def _finish(self, watched: _Watched, done: Done, modification: dict[str, Any]) -> None:
        self._remove(watched)
        evaluation = watched.evaluation
        assert evaluation is not None, "it has just come"
        if isinstance(evaluation.error, Exception):
            done(None, evaluation.error)
        else:
            done(_value(modification["value"]), None)

    def _deliver(self, watch: Watch) -> None:
        """Hand over the results of all queries of a subscriber, once all are there."""
        evaluations = [watched.evaluation for watched in watch.queries]
        known = tuple(one for one in evaluations if one is not None)
        if len(known) == len(evaluations):
            transition = Transition(self._observed_ts, known)
            if not transition.gives_the_same_as(watch.subscription.newest):
                watch.subscription.deliver(transition)

    # -- saying ---------------------------------------------------------------------------------

    def _next_query(self) -> int:
        self._queries += 1
        return self._queries

    def _add(self, watched: _Watched) -> None:
        self._watched[watched.number] = watched
        if self._is_connected:
            self._modify([_added(watched)])

    def _remove(self, watched: _Watched) -> None:
        del self._watched[watched.number]
        if self._is_connected:
            self._modify([{"type": "Remove", "queryId": watched.number}])

    def _modify(self, modifications: list[dict[str, Any]]) -> None:
        versions = {"baseVersion": self._query_set, "newVersion": self._query_set + 1}
        self._query_set += 1
        self._say({"type": "ModifyQuerySet", **versions, "modifications": modifications})

    def _say_authenticate(self, credentials: Credentials) -> None:
        kind, token = credentials
        self._say({"type": "Authenticate", "baseVersion": 0, "tokenType": kind, "value": token})

    def _say_request(self, asked: _Asked) -> None:
        if self._is_connected:
            asked.was_said = True
            self.outgoing.append(asked.text)

    def _say(self, message: dict[str, Any]) -> None:
        self.outgoing.append(write_message(message))


def _value(data: Any) -> Any:
    return from_wire(data, "exact", nesting=NESTING_MAX)


def _added(watched: _Watched) -> dict[str, Any]:
    return {
        "type": "Add",
        "queryId": watched.number,
        "udfPath": watched.call.path,
        "args": [watched.call.arguments],
        "journal": watched.journal,
    }


def _evaluation(modification: dict[str, Any]) -> Evaluation:
    journal: str | None = modification["journal"]
    if modification["type"] == "QueryUpdated":
        value = _value(modification["value"])
        return Evaluation(pack(value), None, (), journal)
    error = _error_of(modification, modification["errorMessage"])
    return Evaluation(None, error, (), journal)


def _error_of(message: dict[str, Any], text: str) -> Exception:
    if "errorData" in message:
        return ApplicationError(_value(message["errorData"]))
    code = message.get("errorCode", "")
    _, _, said = text.partition("\n")
    refusal = _REFUSALS.get(code)
    if refusal is not None:
        return refusal(said or text)
    found = _REQUEST_ID.search(text)
    return RemoteCallError(text, request_id=found[1] if found is not None else "")
