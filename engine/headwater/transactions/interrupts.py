"""Ctrl-C while a commit is being written."""

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

# The functions behind those of `signal`, which make an enum member of every number and handler:
# that takes longer than all the rest of a small commit's way to the disk.
_builtin: Final[Any] = sys.modules.get("_signal", signal)
_handler_of: Final[Callable[[int], Any]] = _builtin.getsignal
_set_handler: Final[Callable[[int, Any], Any]] = _builtin.signal
_NUMBER: Final = int(signal.SIGINT)
_MAIN: Final = threading.main_thread()


class Uninterrupted:
    """A ``with`` block in which Ctrl-C waits until the end of the block.

    Only the main thread is ever interrupted, so only there does it do anything. What the
    application has set for the signal is called at the end, as if it had come then.
    """

    __slots__ = ("_arguments", "_handler")

    def __init__(self) -> None:
        self._handler: Callable[[int, FrameType | None], Any] | None = None
        self._arguments: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> None:
        if threading.get_ident() == _MAIN.ident:
            handler = _handler_of(_NUMBER)
            if callable(handler):
                self._handler = handler
                _set_handler(_NUMBER, self._wait)

    def _wait(self, number: int, frame: FrameType | None) -> None:
        self._arguments = (number, frame)

    def __exit__(self, *_: object) -> None:
        handler = self._handler
        if handler is not None:
            _set_handler(_NUMBER, handler)
            if self._arguments is not None:
                handler(*self._arguments)
