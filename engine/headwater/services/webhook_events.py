"""Events that webhooks have brought: each has its effect once, in the transaction that notes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NotRequired, TypeAlias, cast

from headwater.functions.contexts import MutationCtx
from headwater.functions.declaration import Mutation
from headwater.functions.http_fields import Headers
from headwater.functions.http_messages import read_json, read_text
from headwater.functions.retry import Retry
from headwater.functions.scheduling import ScheduledFunction
from headwater.schema.tables import Document, Id, Index, Table
from headwater.transactions.service_writer import ServiceWriter
from headwater_indexes.values import MISSING

Received: TypeAlias = Literal["processed", "accepted", "repeated"]
"""What has become of a delivery: its effect is there now, will come, or is known from before."""

_FORGOTTEN_AT_ONCE: Final = 2
"""Old events that a new one removes: more than one, so that they do not pile up."""
_ERROR_CHARACTERS: Final = 1000
_MS: Final = 1000
_NOT_KEPT: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook has brought, verified.

    Attributes:
        id: What makes it distinct among those of its path.
        path: Where it was delivered.
        headers: Those of the delivery.
        body: The bytes that were signed.
        received_at: When it came for the first time, ms since the epoch.
        sent_at: When the sender signed it, ms since the epoch; None if it does not say so.
    """

    id: str
    path: str
    headers: Headers
    body: bytes
    received_at: float
    sent_at: float | None = None

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            RequestInvalidError: It is not.
        """
        return read_json(self.body)

    def text(self) -> str:
        """The body as UTF-8.

        Raises:
            RequestInvalidError: It is not.
        """
        return read_text(self.body)


Handler: TypeAlias = Callable[[MutationCtx, WebhookEvent], object]


class WebhookRecord(Document["WebhookRecord"]):
    """One event of a webhook, however often it was delivered. Times are ms since the epoch.

    One that is processed later has ``job``, its call among the scheduled functions, and keeps its
    ``body`` and ``headers`` until it is done. ``error`` is that of the last attempt.
    """

    path: str
    event_id: str
    state: Literal["done", "pending", "failed"]
    deliveries: int
    received_at: float
    delivered_at: float
    sent_at: NotRequired[float]
    done_at: NotRequired[float]
    attempts: NotRequired[int]
    error: NotRequired[str]
    job: NotRequired[str]
    headers: NotRequired[list[list[str]]]
    body: NotRequired[bytes]


class WebhookEvents(Table[WebhookRecord], name="_webhook_events", number=1050):
    """The events that webhooks have brought, until they are forgotten."""

    by_event: ClassVar[Index] = Index("path", "event_id", unique=True)
    by_state: ClassVar[Index] = Index("state", "received_at")


@dataclass(frozen=True, slots=True)
class Processing:
    """What is done about the events of a webhook.

    Attributes:
        handler: The function of the application.
        later: The mutation that does it later, by the id of a record; None for at once.
        retry: How often that is tried.
    """

    handler: Handler
    later: Mutation[[str], None] | None
    retry: Retry


def receive(ctx: MutationCtx, event: WebhookEvent, processing: Processing) -> Received:
    """Note an event, unless it is known; have its effect now, or schedule it.

    If the handler raises now, all is undone. An event whose processing has failed for good is
    processed again: it was delivered again.

    Args:
        ctx: Of the transaction that notes it.
        event: The event.
        processing: What the application does about it.
    """
    writer = ServiceWriter.of(ctx.db)
    known = (
        writer.query(WebhookEvents).with_index(WebhookEvents.by_event, event.path, event.id)
    ).unique()
    if known is not None:
        writer.patch(known["_id"], deliveries=known["deliveries"] + 1, delivered_at=ctx.now)
        return "accepted" if _begin_again(ctx, known, processing) else "repeated"
    _forget_old(ctx, writer)
    if processing.later is None:
        writer.insert(WebhookEvents, {**_facts(event), "state": "done", "done_at": ctx.now})
        processing.handler(ctx, event)
        return "processed"
    content = {"headers": _kept_headers(event.headers), "body": event.body}
    pending = {**_facts(event), **content, "state": "pending", "attempts": 0}
    id = writer.insert(WebhookEvents, pending)
    writer.patch(id, job=ctx.scheduler.run_after(0, processing.later, id))
    return "accepted"


def process(ctx: MutationCtx, id: str, processing: Processing) -> None:
    """Let an event that was noted before have its effect, unless it has.

    If the handler raises, what it wrote is undone, and the attempt is noted; perhaps another one is
    scheduled.

    Args:
        ctx: Of the transaction that has the effect and notes it.
        id: Of its record.
        processing: What the application does about it.
    """
    writer = ServiceWriter.of(ctx.db)
    record: WebhookRecord | None = writer.get(cast("Id[WebhookRecord]", id))
    if record is None or record["state"] != "pending":
        return
    attempt = record.get("attempts", 0) + 1
    try:
        with ctx.transaction.nested():
            processing.handler(ctx, _event_of(record))
    except Exception as error:  # noqa: BLE001 - it is noted, whatever it is
        message = f"{record['path']}: event {record['event_id']!r} failed: {error!r}"
        ctx.log.warning(message)
        changes: dict[str, Any] = {"error": repr(error)[:_ERROR_CHARACTERS], "attempts": attempt}
        seconds = processing.retry.seconds_after(error, attempt, ctx.random)
        if seconds is None or processing.later is None:
            changes["state"] = "failed"
        else:
            changes["job"] = ctx.scheduler.run_after(seconds, processing.later, id)
        writer.patch(record["_id"], changes)
    else:
        done = {"state": "done", "done_at": ctx.now, "attempts": attempt}
        gone = dict.fromkeys(("body", "headers", "error"), MISSING)
        writer.patch(record["_id"], {**done, **gone})


def process_again(ctx: MutationCtx, id: Id[WebhookRecord], processing: Processing) -> bool:
    """Schedule an event whose processing has failed; whether it had."""
    record = ServiceWriter.of(ctx.db).get(id)
    return record is not None and _begin_again(ctx, record, processing)


def _begin_again(ctx: MutationCtx, record: WebhookRecord, processing: Processing) -> bool:
    if processing.later is None or not _has_failed(ctx, record):
        return False
    id = record["_id"]
    job = ctx.scheduler.run_after(0, processing.later, id)
    ServiceWriter.of(ctx.db).patch(id, state="pending", attempts=0, job=job)
    return True


def _has_failed(ctx: MutationCtx, record: WebhookRecord) -> bool:
    """Whether nothing is going to be done about an event any more."""
    if record["state"] != "pending":
        return record["state"] == "failed"
    # The job itself ends without a note if its time is up, or its function is gone.
    job = ctx.db.get(cast("Id[ScheduledFunction]", record.get("job", "")))
    return job is None or job["state"]["kind"] not in {"pending", "in_progress"}


def _facts(event: WebhookEvent) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "path": event.path,
        "event_id": event.id,
        "deliveries": 1,
        "received_at": event.received_at,
        "delivered_at": event.received_at,
    }
    return facts if event.sent_at is None else {**facts, "sent_at": event.sent_at}


def _kept_headers(headers: Headers) -> list[list[str]]:
    return [[name, value] for name, value in headers.pairs() if name not in _NOT_KEPT]


def _event_of(record: WebhookRecord) -> WebhookEvent:
    return WebhookEvent(
        id=record["event_id"],
        path=record["path"],
        headers=Headers((name, value) for name, value in record.get("headers", [])),
        body=record.get("body", b""),
        received_at=record["received_at"],
        sent_at=record.get("sent_at"),
    )


def _forget_old(ctx: MutationCtx, writer: ServiceWriter) -> None:
    before = ctx.now - ctx.transaction.usage.limits.webhook_events_seconds * _MS
    for state in ("done", "failed"):
        old = writer.query(WebhookEvents).with_index(WebhookEvents.by_state, state, lt=before)
        for record in old.take(_FORGOTTEN_AT_ONCE):
            writer.delete(record["_id"])
