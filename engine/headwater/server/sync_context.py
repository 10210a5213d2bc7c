"""What all clients of one application share."""

import json
from dataclasses import dataclass
from typing import Final

from headwater.server.authentication import Authentication
from headwater.server.client_calls import ClientCalls
from headwater.server.loop_wakeups import LoopWakeups
from headwater.server.protocol import Backend
from headwater.server.wire_values import WireFormat, to_wire
from headwater.storage.codec import unpack

_WRITTEN_CHARACTERS_MAX: Final = 16 * 1024 * 1024


class WrittenResults:
    """Results as JSON, which many clients are sent at the same time: each is written once."""

    def __init__(self) -> None:
        self._by_result: dict[tuple[bytes, WireFormat], str] = {}
        self._characters = 0

    def text(self, result: bytes, wire_format: WireFormat) -> str:
        """The JSON of a packed result."""
        text = self._by_result.get((result, wire_format))
        if text is None:
            value = to_wire(unpack(result), wire_format)
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            if self._characters + len(text) > _WRITTEN_CHARACTERS_MAX:
                self._by_result.clear()
                self._characters = 0
            self._by_result[result, wire_format] = text
            self._characters += len(text)
        return text


@dataclass(frozen=True, slots=True)
class SyncContext:
    """What all clients of one application share.

    Attributes:
        backend: The database.
        calls: Finds and runs functions.
        authentication: Recognizes callers.
        written: Results that were written for one of them.
        wakeups: Of the event loop of all of them.
    """

    backend: Backend
    calls: ClientCalls
    authentication: Authentication
    written: WrittenResults
    wakeups: LoopWakeups
