"""Calls of functions as spans of OpenTelemetry: ``stop = trace_calls(db)``. Extra: ``otel``."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headwater.database import Database
from headwater.functions.call_log import CallRecord

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_NS_PER_MS = 1_000_000
_NS_PER_SECOND = 10**9


def trace_calls(
    db: Database, *, tracer_provider: "TracerProvider | None" = None
) -> Callable[[], None]:
    """Make a span of each call of a function from now on, below the caller's current span.

    A span has the function's path as its name, and as attributes ``headwater.kind``,
    ``headwater.reason``, ``headwater.request_id`` and ``headwater.runs``; logged lines are its
    events, and a call that raised is an error. Who called, arguments and results are left out.

    Args:
        db: Whose calls.
        tracer_provider: Where spans go; the global one by default.

    Returns:
        A function that ends it.

    Raises:
        ModuleNotFoundError: The extra is not installed.
    """
    try:
        from opentelemetry import trace
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "headwater.opentelemetry needs the package opentelemetry-api, which is not installed; "
            "install the extra: pip install 'headwater[otel]'",
            name=error.name,
        ) from None
    tracer = trace.get_tracer("headwater", tracer_provider=tracer_provider)
    failed = trace.StatusCode.ERROR

    def note(record: CallRecord) -> None:
        begin = int(record.started * _NS_PER_MS)
        span: Any = tracer.start_span(
            record.function, start_time=begin, attributes=_attributes(record)
        )
        end = begin + int(record.seconds * _NS_PER_SECOND)
        for line in record.lines:
            span.add_event(line.message, {"level": line.level}, timestamp=end)
        if record.error is not None:
            span.set_status(failed, record.error)
        span.end(end_time=end)

    return db.calls.listen(note)


def _attributes(record: CallRecord) -> dict[str, str | int]:
    return {
        "headwater.kind": record.kind,
        "headwater.reason": record.reason,
        "headwater.request_id": record.request_id,
        "headwater.runs": record.runs,
    }
