"""Events that webhooks have brought: each has its effect once, in the transaction that notes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NotRequired, TypeAlias

from headwater.functions.contexts import MutationCtx
from headwater.functions.http_fields import Headers
from headwater.functions.http_messages import read_json, read_text
from headwater.schema.tables import Document, Index, Table
from headwater.transactions.service_writer import ServiceWriter

Received: TypeAlias = Literal["processed", "repeated"]
"""What has become of a delivery: its effect is there now, or was there before."""

_FORGOTTEN_AT_ONCE: Final = 2
"""Old events that a new one removes: more than one, so that they do not pile up."""
_MS: Final = 1000


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
    """One event of a webhook, however often it was delivered. Times are ms since the epoch."""

    path: str
    event_id: str
    state: Literal["done"]
    deliveries: int
    received_at: float
    delivered_at: float
    sent_at: NotRequired[float]
    done_at: NotRequired[float]


class WebhookEvents(Table[WebhookRecord], name="_webhook_events", number=1050):
    """The events that webhooks have brought, until they are forgotten."""

    by_event: ClassVar[Index] = Index("path", "event_id", unique=True)
    by_state: ClassVar[Index] = Index("state", "received_at")


def receive(ctx: MutationCtx, event: WebhookEvent, handler: Handler) -> Received:
    """Let an event have its effect, unless it had it before. If the handler raises, all is undone.

    Args:
        ctx: Of the transaction that has the effect and notes it.
        event: The event.
        handler: What the application does about it.
    """
    writer = ServiceWriter.of(ctx.db)
    known = (
        writer.query(WebhookEvents).with_index(WebhookEvents.by_event, event.path, event.id)
    ).unique()
    if known is not None:
        writer.patch(known["_id"], deliveries=known["deliveries"] + 1, delivered_at=ctx.now)
        return "repeated"
    _forget_old(ctx, writer)
    record: dict[str, Any] = {
        "path": event.path,
        "event_id": event.id,
        "state": "done",
        "deliveries": 1,
        "received_at": event.received_at,
        "delivered_at": event.received_at,
        "done_at": ctx.now,
    }
    if event.sent_at is not None:
        record["sent_at"] = event.sent_at
    writer.insert(WebhookEvents, record)
    handler(ctx, event)
    return "processed"


def _forget_old(ctx: MutationCtx, writer: ServiceWriter) -> None:
    before = ctx.now - ctx.transaction.usage.limits.webhook_events_seconds * _MS
    old = writer.query(WebhookEvents).with_index(WebhookEvents.by_state, "done", lt=before)
    for record in old.take(_FORGOTTEN_AT_ONCE):
        writer.delete(record["_id"])
