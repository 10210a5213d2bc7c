"""What functions did lately: each call with its time, its outcome and the lines that it logged.

Kept in memory, the newest calls only, and told to Python's ``logging`` and to whoever listens. What
was committed, and by whom, is in the log of commits; this is for finding out what is slow or fails.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from itertools import count, islice
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from headwater.clock import Clock
from headwater.functions.identity import Identity
from headwater.functions.kinds import Kind
from headwater.limits import Limits

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Reason: TypeAlias = Literal["call", "live"]

_NS_PER_MS: Final = 1_000_000
_MS_PER_SECOND: Final = 1000
_EMPTY_BYTES: Final = 200
_LINE_BYTES: Final = 64


class LogLine(NamedTuple):
    """One line that a function logged."""

    level: Level
    message: str


class CallRecord(NamedTuple):
    """One call of a function from outside of other functions.

    Attributes:
        request_id: The one of `hw.origin` around the call, or one that the database made up.
        function: Path of the function.
        kind: "query", "mutation" or "action".
        reason: "call", or "live" for a run on behalf of a live query.
        started: When it began, ms since the epoch.
        seconds: How long it took, commit and waiting included.
        runs: How often the function ran: more than once if it lost conflicts, 0 if its result was
            in the cache.
        error: What it raised, as text; None if it succeeded.
        identity: Token identifier of who called; None for nobody.
        lines: What it logged in its last run.
    """

    request_id: str
    function: str
    kind: Kind
    reason: Reason
    started: float
    seconds: float
    runs: int
    error: str | None
    identity: str | None
    lines: tuple[LogLine, ...]


class Lines:
    """The lines of one run, within the bounds.

    Attributes:
        lines: The lines.
        size: What they take of the memory, in bytes, about.

    Args:
        limits: How many lines, and how long.
    """

    __slots__ = ("_limits", "lines", "size")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.lines: list[LogLine] = []
        self.size: int = _EMPTY_BYTES

    def add(self, level: Level, message: str) -> None:
        """Add a line; what is too long is cut, and so is what is too many, which is said."""
        maximum = self._limits.log_lines
        if len(self.lines) >= maximum:
            self.lines[-1] = LogLine(
                "warning", f"further lines are left out: log_lines is {maximum}"
            )
            return
        message = cut(message, self._limits.log_line_bytes)
        self.size += sys.getsizeof(message) + _LINE_BYTES
        self.lines.append(LogLine(level, message))

    def forget(self) -> None:
        """Leave one line that says that there were others."""
        maximum = self._limits.log_bytes
        self.lines = [LogLine("warning", f"the lines are forgotten: log_bytes is {maximum}")]


class FunctionLog:
    """``ctx.log``: lines that are kept with the call.

    A run that is made again, because it lost a conflict, begins anew. Lines of a function that
    fails are kept as well.
    """

    __slots__ = ("_add",)

    def __init__(self, add: Callable[[Level, str], None]) -> None:
        self._add = add

    def debug(self, message: object) -> None:
        """Log something for who looks closely."""
        self._add("debug", str(message))

    def info(self, message: object) -> None:
        """Log something that is as it should be."""
        self._add("info", str(message))

    def warning(self, message: object) -> None:
        """Log something that may be wrong."""
        self._add("warning", str(message))

    def error(self, message: object) -> None:
        """Log something that is wrong."""
        self._add("error", str(message))


class Declared(Protocol):
    """A function as the log of calls sees it."""

    @property
    def path(self) -> str:
        """Its published path."""
        ...

    @property
    def kind(self) -> Kind:
        """Its kind."""
        ...


class Called(Protocol):
    """A call as the log of calls sees it."""

    request_id: str
    runs: int
    lines: Lines | None
    caller: Identity | None

    @property
    def compiled(self) -> Declared:
        """The function."""
        ...


_Kept: TypeAlias = tuple[
    int, str, Declared, Reason, int, float, int, str | None, Identity | None, Lines | None
]
"""What a `CallRecord` is made of when somebody looks: most calls are never looked at."""


class CallLog:
    """The newest calls of one open database. It is ``db.calls``; safe to use from any thread.

    Attributes:
        enabled: Whether calls are kept. Without, they are told to ``logging`` and to listeners.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.enabled: bool = True
        self._clock = clock
        self._limits = limits
        self._lines_lock = threading.Lock()
        self._with_lines: deque[Lines] = deque()
        self._lines_size = 0
        self._opened_ns = clock.now_ns()
        self._kept: deque[_Kept] = deque(maxlen=limits.calls_kept)
        self._listeners: tuple[Callable[[CallRecord], object], ...] = ()
        self._numbers = count(1)

    def recent(
        self,
        limit: int = 100,
        *,
        function: str | None = None,
        request_id: str | None = None,
        failed: bool | None = None,
        at_least_seconds: float = 0.0,
    ) -> list[CallRecord]:
        """The newest calls, newest first. O(``limits.calls_kept``).

        Args:
            limit: How many at most.
            function: Those of one function, by its published path.
            request_id: Those of one request.
            failed: Those that raised, or those that did not.
            at_least_seconds: Those that took at least so long.
        """
        found = (
            record
            for record in map(self._record, reversed(tuple(self._kept)))
            if (function is None or record.function == function)
            and (request_id is None or record.request_id == request_id)
            and (failed is None or (record.error is not None) == failed)
            and record.seconds >= at_least_seconds
        )
        return list(islice(found, limit))

    def listen(self, listener: Callable[[CallRecord], object]) -> Callable[[], None]:
        """Tell somebody of each call when it has ended, on the thread or task that made it.

        Args:
            listener: Called with the record; whoever called the function waits for it. What it
                raises is logged.

        Returns:
            A function that ends it.
        """
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            # Compared by identity: two that are equal may both listen.
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return stop

    def end(
        self, call: Called, seconds: float, error: BaseException | None, reason: Reason = "call"
    ) -> None:
        """Keep a call that has ended, and tell who listens."""
        is_told = call.lines is not None or error is not None or self._listeners
        if not (self.enabled or is_told):
            return
        kept = (
            next(self._numbers),
            call.request_id,
            call.compiled,
            reason,
            self._clock.now_ns(),
            seconds,
            call.runs,
            None if error is None else cut(_shown(error), self._limits.log_line_bytes),
            call.caller,
            call.lines,
        )
        if self.enabled:
            self._kept.append(kept)
        if is_told:
            self._tell(self._record(kept))
            if call.lines is not None:
                self._bound(call.lines)

    def _bound(self, lines: Lines) -> None:
        """Forget the oldest lines where all of them together are too many."""
        with self._lines_lock:
            self._with_lines.append(lines)
            self._lines_size += lines.size
            while self._lines_size > self._limits.log_bytes:
                oldest = self._with_lines.popleft()
                self._lines_size -= oldest.size
                oldest.forget()

    def _record(self, kept: _Kept) -> CallRecord:
        number, request_id, compiled, reason, ended_ns, seconds, runs, error, caller, lines = kept
        return CallRecord(
            request_id or f"{self._opened_ns:x}-{number:x}",
            compiled.path,
            compiled.kind,
            reason,
            ended_ns / _NS_PER_MS - seconds * _MS_PER_SECOND,
            seconds,
            runs,
            error,
            None if caller is None else caller.token_identifier,
            () if lines is None else tuple(lines.lines),
        )

    def _tell(self, record: CallRecord) -> None:
        if record.lines or record.error is not None:
            _tell_logging(record)
        for listener in self._listeners:
            _tell(listener, record)


class Noted:
    """A ``with`` block that is a call. Written by hand: it is around every call."""

    __slots__ = ("_call", "_calls", "_monotonic", "_started")

    def __init__(self, calls: CallLog, call: Called, monotonic: Callable[[], float]) -> None:
        self._calls = calls
        self._call = call
        self._monotonic = monotonic
        self._started = monotonic()

    def __enter__(self) -> None:
        """Begun when it was made."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._calls.end(self._call, self._monotonic() - self._started, error)


def cut(text: str, maximum: int) -> str:
    """A text of so many bytes at most, and a mark if it was longer."""
    if len(text) * 4 <= maximum:
        return text
    coded = text.encode("utf-8", "replace")
    return text if len(coded) <= maximum else coded[:maximum].decode("utf-8", "ignore") + " ..."


def _tell(listener: Callable[[CallRecord], object], record: CallRecord) -> None:
    try:
        listener(record)
    except Exception:
        import logging

        logging.getLogger("headwater").exception("a listener of calls raised")


def _tell_logging(record: CallRecord) -> None:
    """Tell Python's logging: lines at their levels, and at debug that a call failed.

    Whoever called hears of the failure by the error itself.
    """
    import logging

    logger = logging.getLogger("headwater.functions")
    extra: dict[str, Any] = {"request_id": record.request_id, "function": record.function}
    for line in record.lines:
        logger.log(
            getattr(logging, line.level.upper()),
            "%s: %s",
            record.function,
            line.message,
            extra=extra,
        )
    if record.error is not None:
        logger.debug("%s raised %s", record.function, record.error, extra=extra)


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
