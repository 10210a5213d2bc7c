"""The queries that one client watches, and what it is told when their results change."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from headwater.errors import RequestInvalidError
from headwater.functions.calls import Call
from headwater.reactive.evaluation import Evaluation
from headwater.reactive.live_queries import Asked
from headwater.reactive.subscription import Subscription, Transition
from headwater.server.client_calls import Caller, ClientCall, Failure, calling_as
from headwater.server.sync_callers import GOES_ON, session_goes_on
from headwater.server.sync_context import SyncContext
from headwater.server.sync_messages import AddQuery, ModifyQuerySet, ProtocolError
from headwater.server.wire_values import WireFormat, to_wire

_SESSION: Final = -1
"""What the session of the caller's token is called among the queries of the client."""


@dataclass(slots=True)
class _Watched:
    """One query of a client.

    Attributes:
        asked: As the client has asked for it.
        call: What is watched; a failure if it cannot be called so.
        version: Of the set that it came with, or was asked again with.
        told: What the client knows of it.
    """

    asked: AddQuery
    call: Call | Failure
    version: int
    told: Evaluation | Failure | None = None


class WatchedQueries:
    """The queries that a client watches.

    Args:
        context: What clients share.
        request_id: Of the connection, for the messages of failures.
        wire_format: How the client writes values.

    Attributes:
        version: Number of the set, counted here: it changes with the queries and with the caller.
        subscription: Gets the transitions.
    """

    def __init__(self, context: SyncContext, request_id: str, wire_format: WireFormat) -> None:
        self._backend = context.backend
        self._calls = context.calls
        self._written = context.written
        self._request_id = request_id
        self._wire_format: WireFormat = wire_format
        self._watched: dict[int, _Watched] = {}
        self._removed: list[tuple[int, int]] = []
        self._called_as_version = 0
        self._is_closed = False
        self._has_session = False
        self.version: int = 0
        self.subscription: Subscription = Subscription()

    def __len__(self) -> int:
        return len(self._watched)

    def modify(self, message: ModifyQuerySet, caller: Caller) -> None:
        """Watch other queries.

        Raises:
            ProtocolError: One is added that is there, or removed that is not.
        """
        self.version += 1
        added: dict[int, Asked] = {}
        removed: list[int] = []
        for modification in message.modifications:
            if isinstance(modification, AddQuery):
                self._add(modification, caller, added)
            else:
                self._remove(modification, added, removed)
        self._change(added, removed)

    def call_as(self, caller: Caller) -> None:
        """Ask all of them again, as somebody else."""
        self.version += 1
        self._called_as_version = self.version
        added: dict[int, Asked] = {}
        removed = [number for number in self._watched if self._is_live(number)]
        for number, watched in list(self._watched.items()):
            del self._watched[number]
            asked, told = watched.asked, watched.told
            if isinstance(told, Evaluation):
                asked = replace(asked, journal=told.journal)  # its page ends where it did
            self._add(asked, caller, added)
            self._watched[number].told = told
        self._watch_session(caller, added, removed)
        self._change(added, removed)

    def _watch_session(self, caller: Caller, added: dict[int, Asked], removed: list[int]) -> None:
        """Hear of the end of the session that the caller's token belongs to."""
        if self._has_session:
            removed.append(_SESSION)
        self._has_session = caller.session is not None
        if caller.session is not None:
            added[_SESSION] = Asked(session_goes_on(self._backend.runner, caller.session))

    def is_signed_out(self, transition: Transition) -> bool:
        """Whether the session of the caller's token has ended by then."""
        pairs = zip(transition.numbers, transition.evaluations, strict=True)
        return any(number == _SESSION and one.result != GOES_ON for number, one in pairs)

    def tell(self) -> None:
        """Have the client told of a state that is not older than this call."""
        self._change({}, [])

    def close(self) -> None:
        """Watch nothing any more, whatever else is asked for."""
        self._is_closed = True
        self._backend.reactor.queries.unsubscribe(self.subscription)

    def _change(self, added: dict[int, Asked], removed: list[int]) -> None:
        if not self._is_closed:
            queries = self._backend.reactor.queries
            queries.change(self.subscription, added, removed, version=self.version)

    def _add(self, asked: AddQuery, caller: Caller, added: dict[int, Asked]) -> None:
        number = asked.number
        if number in self._watched:
            raise ProtocolError(f"ModifyQuerySet: the query {number} is there already")
        wanted = ClientCall(
            asked.path, asked.arguments, kind="query", wire_format=self._wire_format
        )
        with calling_as(caller, self._request_id):
            try:
                call = self._calls.prepare(wanted, caller, self._request_id)
            except RequestInvalidError as error:
                raise ProtocolError(f"ModifyQuerySet: query {number}: {error}") from None
            if isinstance(call, Call):
                added[number] = Asked(self._backend.runner.wanted(call), asked.journal)
        self._watched[number] = _Watched(asked, call, self.version)

    def _remove(self, number: int, added: dict[int, Asked], removed: list[int]) -> None:
        if number not in self._watched:
            raise ProtocolError(f"ModifyQuerySet: there is no query {number} to remove")
        if self._is_live(number) and added.pop(number, None) is None:
            removed.append(number)
        del self._watched[number]
        self._removed.append((self.version, number))

    def _is_live(self, number: int) -> bool:
        return isinstance(self._watched[number].call, Call)

    # -- telling --------------------------------------------------------------------------------

    def is_of_the_caller(self, transition: Transition) -> bool:
        """Whether a transition is what the client sees; else it is of whom it was before.

        One that is comes in the next round.
        """
        return transition.version >= self._called_as_version

    def modifications(self, transition: Transition) -> list[str]:
        """What the client has to be told of a transition, as JSON.

        Raises:
            StorageError, ClosedError: A query could not be run, through no fault of its function.
        """
        told: list[str] = []
        for version, number in self._removed:
            if version <= transition.version:
                told.append(f'{{"type":"QueryRemoved","queryId":{number}}}')
        self._removed = [one for one in self._removed if one[0] > transition.version]
        evaluations = dict(zip(transition.numbers, transition.evaluations, strict=True))
        for number, watched in self._watched.items():
            if watched.version > transition.version:
                continue  # it comes with a later transition
            text = self._news(number, watched, evaluations)
            if text is not None:
                told.append(text)
        return told

    def _news(
        self, number: int, watched: _Watched, evaluations: dict[int, Evaluation]
    ) -> str | None:
        if isinstance(watched.call, Failure):
            news, journal = watched.call, None
            if news == watched.told:
                return None
        else:
            evaluation = evaluations[number]
            told = watched.told
            if isinstance(told, Evaluation) and evaluation.gives_the_same_as(told):
                watched.told = evaluation
                return None
            watched.told, journal = evaluation, evaluation.journal
            if evaluation.result is not None:
                value = self._written.text(evaluation.result, self._wire_format)
                return (
                    f'{{"type":"QueryUpdated","queryId":{number},"value":{value},'
                    f'"logLines":[],"journal":{json.dumps(journal)}}}'
                )
            assert isinstance(evaluation.error, Exception), "a run gives a result or an error"
            news = self._calls.failure(watched.call, evaluation.error, self._request_id)
            return _failed(number, news, journal, self._wire_format)
        watched.told = news
        return _failed(number, news, journal, self._wire_format)


def _failed(number: int, failure: Failure, journal: str | None, wire_format: WireFormat) -> str:
    facts: dict[str, Any] = {
        "type": "QueryFailed",
        "queryId": number,
        "errorMessage": failure.message,
        "logLines": failure.lines,
        "journal": journal,
    }
    if failure.has_data:
        facts["errorData"] = to_wire(failure.data, wire_format)
    if failure.code:
        facts["errorCode"] = failure.code
    return json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
