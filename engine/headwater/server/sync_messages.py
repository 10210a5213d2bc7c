"""Messages of Convex's sync protocol: what clients say, checked, and what they are told.

One message is one JSON object in one frame of text. Source: the types in
``browser/sync/protocol.ts`` of the npm package ``convex`` 1.48.0, and what its client and that of
PyPI 0.8.1 do with messages.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from headwater.errors import RequestInvalidError
from headwater.functions.http_messages import read_json
from headwater.functions.kinds import Kind
from headwater.schema.explain import is_list
from headwater.server.wire_values import timestamp_from_wire, timestamp_to_wire

_SHOWN_CHARACTERS: Final = 80
_SAFE_INTEGER: Final = 2**53
_UINT32: Final = 2**32
_STRING_CHARACTERS_MAX: Final = 1024
"""Of session ids, paths and the like; arguments and tokens may be longer."""


class ProtocolError(Exception):
    """A client has said something that no client says: it is told, and the connection ends."""


@dataclass(frozen=True, slots=True)
class Connect:
    """The first message.

    Attributes:
        session: What the client calls itself, over all its connections.
        max_observed_ts: The newest timestamp that it has seen; 0 if it has seen none.
    """

    session: str
    max_observed_ts: int


@dataclass(frozen=True, slots=True)
class AddQuery:
    """A query that is to be watched."""

    number: int
    path: str
    arguments: Any
    journal: str | None


@dataclass(frozen=True, slots=True)
class ModifyQuerySet:
    """The queries to be watched have changed; later modifications come after earlier ones."""

    base_version: int
    new_version: int
    modifications: tuple[AddQuery | int, ...]


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Who the client is from now on.

    Attributes:
        base_version: Of its identity before.
        kind: What the token is.
        token: Empty for nobody.
        acting_as: Of an administrator: the identity to act as, as parsed from JSON.
    """

    base_version: int
    kind: Literal["User", "Admin", "None"]
    token: str
    acting_as: Any = None


@dataclass(frozen=True, slots=True)
class FunctionRequest:
    """A mutation or an action that is to be called."""

    kind: Kind
    number: int
    path: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the client has measured."""


ClientMessage: TypeAlias = Connect | ModifyQuerySet | Authenticate | FunctionRequest | Event


@dataclass(frozen=True, slots=True)
class Version:
    """Which state a client knows: of which queries, as whom, and of when."""

    query_set: int = 0
    identity: int = 0
    ts: int = 0

    def to_json(self) -> dict[str, Any]:
        """As clients read it."""
        ts = timestamp_to_wire(self.ts)
        return {"querySet": self.query_set, "identity": self.identity, "ts": ts}


# Reading ----------------------------------------------------------------------------------------


def read_message(text: str) -> ClientMessage:
    """What a client says.

    Raises:
        ProtocolError: No client says that.
    """
    try:
        message = read_json(text.encode("utf-8"))
    except RequestInvalidError:
        raise ProtocolError("a message is no JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("a message is no object")
    fields = cast("dict[str, Any]", message)
    kind = fields.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise ProtocolError(f"a message of an unknown type: {str(kind)[:_SHOWN_CHARACTERS]!r}")
    return reader(fields)


def _connect(fields: dict[str, Any]) -> Connect:
    observed = fields.get("maxObservedTimestamp")
    try:
        ts = 0 if observed is None else timestamp_from_wire(observed)
    except RequestInvalidError as error:
        raise ProtocolError(f"Connect: maxObservedTimestamp: {error}") from None
    return Connect(_text(fields, "sessionId"), ts)


def _modify_query_set(fields: dict[str, Any]) -> ModifyQuerySet:
    listed = fields.get("modifications")
    if not is_list(listed):
        raise ProtocolError("ModifyQuerySet: modifications: expected a list")
    return ModifyQuerySet(
        _number(fields, "baseVersion", _UINT32),
        _number(fields, "newVersion", _UINT32),
        tuple(_modification(one) for one in listed),
    )


def _modification(given: Any) -> AddQuery | int:
    if not isinstance(given, dict):
        raise ProtocolError("ModifyQuerySet: a modification is no object")
    fields = cast("dict[str, Any]", given)
    number = _number(fields, "queryId", _UINT32)
    if fields.get("type") == "Remove":
        return number
    if fields.get("type") != "Add":
        raise ProtocolError("ModifyQuerySet: a modification that is neither Add nor Remove")
    journal = fields.get("journal")
    if journal is not None and not isinstance(journal, str):
        raise ProtocolError("ModifyQuerySet: journal: expected a string or null")
    return AddQuery(number, _path(fields), _arguments(fields), journal)


def _authenticate(fields: dict[str, Any]) -> Authenticate:
    kind = fields.get("tokenType")
    version = _number(fields, "baseVersion", _UINT32)
    if kind == "None":
        return Authenticate(version, "None", "")
    if kind not in ("User", "Admin"):
        raise ProtocolError("Authenticate: tokenType: expected User, Admin or None")
    token = fields.get("value")
    if not isinstance(token, str):
        raise ProtocolError("Authenticate: value: expected a string")
    acting_as = fields.get("impersonating", fields.get("acting_as"))
    return Authenticate(version, kind, token, acting_as)


def _mutation(fields: dict[str, Any]) -> FunctionRequest:
    return _request("mutation", fields)


def _action(fields: dict[str, Any]) -> FunctionRequest:
    return _request("action", fields)


def _request(kind: Kind, fields: dict[str, Any]) -> FunctionRequest:
    number = _number(fields, "requestId", _SAFE_INTEGER)
    return FunctionRequest(kind, number, _path(fields), _arguments(fields))


def _event(_: dict[str, Any]) -> Event:
    return Event()


_READERS: Final[dict[str, Callable[[dict[str, Any]], ClientMessage]]] = {
    "Connect": _connect,
    "ModifyQuerySet": _modify_query_set,
    "Authenticate": _authenticate,
    "Mutation": _mutation,
    "Action": _action,
    "Event": _event,
}


def _path(fields: dict[str, Any]) -> str:
    component = fields.get("componentPath")
    if component not in (None, ""):
        raise ProtocolError("componentPath: there are no components here")
    return _text(fields, "udfPath")


def _arguments(fields: dict[str, Any]) -> Any:
    arguments = fields.get("args")
    if not is_list(arguments):
        raise ProtocolError("args: expected a list of one object")
    return arguments


def _text(fields: dict[str, Any], name: str) -> str:
    text = fields.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= _STRING_CHARACTERS_MAX:
        raise ProtocolError(
            f"{name}: expected a string of 1 to {_STRING_CHARACTERS_MAX:,} characters"
        )
    return text


def _number(fields: dict[str, Any], name: str, end: int) -> int:
    number = fields.get(name)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if type(number) is not int or not 0 <= number < end:
        raise ProtocolError(f"{name}: expected a whole number of 0 or more")
    return number


# Writing ----------------------------------------------------------------------------------------


def write_message(message: dict[str, Any]) -> str:
    """A message as it is sent."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


PING: Final = write_message({"type": "Ping"})


def fatal_error(error: str) -> str:
    """The client has done what no client does, and must not connect again."""
    return write_message({"type": "FatalError", "error": error})


def auth_error(error: str, base_version: int, *, is_refusal: bool) -> str:
    """A token is not valid, or not any more.

    Args:
        error: Says why.
        base_version: Of the identity before it.
        is_refusal: Whether it was refused when it came.
    """
    return write_message(
        {
            "type": "AuthError",
            "error": error,
            "baseVersion": base_version,
            "authUpdateAttempted": is_refusal,
        }
    )
