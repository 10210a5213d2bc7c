"""What a request of the page asks for: parameters of its address, and members of its body."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from headwater.errors import RequestInvalidError
from headwater.exchange.json_values import NotReadableError, read_value
from headwater.functions.http_messages import read_json
from headwater.server.api import ApiRequest
from headwater.server.client_calls import READ_AT_ONCE_BYTES

W = TypeVar("W", bound=str)

_TS_MAX = 2**63 - 1


class Asked:
    """Named facts, each of which is checked when it is asked for.

    Every method that finds something wrong raises a `RequestInvalidError` that names it.

    Attributes:
        request_id: Of the request.

    Args:
        facts: By name; what came several times is a list.
        request_id: Of the request.
    """

    def __init__(self, facts: Mapping[str, Any], request_id: str = "") -> None:
        self._facts = facts
        self.request_id: str = request_id

    def has(self, name: str) -> bool:
        """Whether something was said, and not nothing."""
        return self._facts.get(name) not in (None, "")

    def text(self, name: str, default: str | None = None) -> str:
        """A text."""
        value = self._facts.get(name, default)
        if not isinstance(value, str):
            raise RequestInvalidError(f"{name}: expected a text")
        return value

    def one_of(self, name: str, choices: Sequence[W], default: str) -> W:
        """One of several words."""
        text = self.text(name, default)
        for choice in choices:
            if choice == text:
                return choice
        raise RequestInvalidError(f"{name}: expected one of {', '.join(choices)}")

    def texts(self, name: str) -> list[str]:
        """All texts of one name."""
        value = self._facts.get(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(
            isinstance(one, str) for one in cast("list[object]", listed)
        ):
            raise RequestInvalidError(f"{name}: expected texts")
        return cast("list[str]", listed)

    def count(self, name: str, default: int, maximum: int) -> int:
        """A whole number from 1 to a maximum."""
        number = self._whole(name, default)
        if not 1 <= number <= maximum:
            raise RequestInvalidError(f"{name}: expected a number from 1 to {maximum}")
        return number

    def moment(self, name: str) -> int | None:
        """A timestamp; None for nothing."""
        if not self.has(name):
            return None
        number = self._whole(name, 0)
        if not 0 <= number <= _TS_MAX:
            raise RequestInvalidError(f"{name}: expected a timestamp in nanoseconds")
        return number

    def required_moment(self, name: str) -> int:
        """A timestamp that has to be there."""
        found = self.moment(name)
        if found is None:
            raise RequestInvalidError(f"{name}: expected a timestamp in nanoseconds")
        return found

    def flag(self, name: str) -> bool:
        """Whether it is set: ``true``, or nothing."""
        value = self._facts.get(name, False)
        if value not in (True, False, "true", "false"):
            raise RequestInvalidError(f"{name}: expected true or false")
        return value in (True, "true")

    def value(self, name: str) -> Any:
        """A value that was written in a text as exact JSON."""
        try:
            return read_value(self.text(name))
        except NotReadableError as error:
            raise RequestInvalidError(f"{name}: {error}") from None

    def members(self, name: str) -> dict[str, Any]:
        """A value that has to be an object."""
        value = self.value(name)
        if not isinstance(value, dict):
            raise RequestInvalidError(f"{name}: expected an object of JSON")
        return cast("dict[str, Any]", value)

    def _whole(self, name: str, default: int) -> int:
        # Texts, because numbers of JavaScript cannot hold a timestamp.
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(_TS_MAX))):
            raise RequestInvalidError(f"{name}: expected a whole number")
        return int(text)


def asked_by_address(request: ApiRequest) -> Asked:
    """What follows the question mark."""
    facts: dict[str, Any] = {}
    for name, text in request.incoming.query:
        if name in facts:
            facts[name] = [*([facts[name]] if isinstance(facts[name], str) else facts[name]), text]
        else:
            facts[name] = text
    return Asked(facts, request.request_id)


async def asked_by_body(request: ApiRequest) -> Asked:
    """What the body says.

    Raises:
        RequestInvalidError: It is no object of JSON.
    """
    return await asked_by_text(await request.incoming.body.read(), request.request_id)


async def asked_by_text(text: bytes, request_id: str) -> Asked:
    """What JSON says.

    Raises:
        RequestInvalidError: It is no object of JSON.
    """
    is_large = len(text) > READ_AT_ONCE_BYTES
    facts = await asyncio.to_thread(read_json, text) if is_large else read_json(text)
    if not isinstance(facts, dict):
        raise RequestInvalidError("expected an object of JSON")
    return Asked(cast("dict[str, Any]", facts), request_id)
