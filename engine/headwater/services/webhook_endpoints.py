"""Webhooks as an application declares them."""

import inspect
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

from headwater.errors import DeclarationError
from headwater.functions.context_services import Configuration
from headwater.functions.contexts import MutationCtx
from headwater.functions.declaration import Mutation, Options
from headwater.functions.http_actions import check_handler, named_after
from headwater.functions.http_fields import Headers
from headwater.functions.retry import ONCE, Retry, check_retry
from headwater.functions.routes import Place, Route, place_of
from headwater.schema.tables import Id
from headwater.services.webhook_events import (
    Handler,
    Processing,
    Received,
    WebhookEvent,
    WebhookRecord,
    process,
    process_again,
    receive,
)
from headwater.services.webhook_signatures import (
    Delivery,
    SignedVerifier,
    Verified,
    Verifier,
    checked_id,
)

_NS: Final = 10**9
_NS_PER_MS: Final = 10**6
_MS: Final = 1000


class Webhook(Route):
    """What is done about the events of one sender; made by ``@webhook``.

    Attributes:
        handler: The function itself.
        receiving: The mutation that a delivery runs; it takes the verified event.
    """

    def __init__(
        self,
        handler: Handler,
        place: Place,
        verifier: Verifier,
        *,
        is_later: bool,
        retry: Retry,
    ) -> None:
        _check_handler(handler)
        options = Options(is_internal=True)
        later: Mutation[[str], None] = Mutation(_around(handler, self._process), options)
        self.handler: Handler = handler
        self._verifier = verifier
        self._processing = Processing(handler, later if is_later else None, retry)
        self.receiving: Mutation[..., Received] = Mutation(_around(handler, self._receive), options)
        # Published also if it is at once now: what was scheduled before is still found.
        super().__init__(place, later.path, later.module, published=later)

    def _receive(self, ctx: MutationCtx, event: Any) -> Received:
        return receive(ctx, event, self._processing)

    def _process(self, ctx: MutationCtx, record: str) -> None:
        process(ctx, record, self._processing)

    def process_again(self, ctx: MutationCtx, record: Id[WebhookRecord]) -> bool:
        """Process an event once more whose processing has failed for good, as part of a mutation.

        Args:
            ctx: Of the mutation.
            record: The event among `WebhookEvents`.

        Returns:
            Whether it had failed, and is scheduled now; only of webhooks that process later.
        """
        return process_again(ctx, record, self._processing)

    def check(self, settings: Configuration) -> None:
        """Look whether the secrets are there, before the first delivery.

        Raises:
            ConfigurationMissingError: A setting is not there, or holds no secret.
        """
        if isinstance(self._verifier, SignedVerifier):
            self._verifier.check(settings)

    def verify(
        self, headers: Headers, body: bytes, *, now_ns: int, settings: Configuration
    ) -> WebhookEvent:
        """The event of a delivery.

        Raises:
            SignatureInvalidError: It was not signed by the sender, or too long ago.
            RequestInvalidError: It was, and makes no sense all the same.
            ConfigurationMissingError: A secret is in no setting.
        """
        found: Verified = self._verifier.verify(Delivery(headers, body, now_ns / _NS, settings))
        sent = found.sent_seconds
        return WebhookEvent(
            id=checked_id(found.event_id),
            path=self.place.path,
            headers=headers,
            body=body,
            received_at=now_ns / _NS_PER_MS,
            sent_at=None if sent is None else sent * _MS,
        )


def _check_handler(handler: Handler) -> None:
    check_handler("webhook", handler, "ctx, event")
    if inspect.iscoroutinefunction(handler):
        raise DeclarationError(
            f"{handler.__module__}:{handler.__name__}: @webhook expects a plain def: it is run as "
            "a mutation, which waits for nothing"
        )


def _around(handler: Handler, method: Callable[[MutationCtx, Any], Any]) -> Callable[..., Any]:
    """A method as a function of the application, under the name of its handler."""

    def call(ctx: MutationCtx, event: Any) -> Any:
        return method(ctx, event)

    return named_after(handler, call)


class WebhookDecorator(Protocol):
    """What ``@webhook(...)`` gives."""

    def __call__(self, handler: Callable[[MutationCtx, WebhookEvent], None], /) -> Webhook:
        """Declare the function."""
        ...


def webhook(
    path: str,
    /,
    *,
    verifier: Verifier,
    process: Literal["now", "later"] = "now",
    retry: Retry | None = None,
) -> WebhookDecorator:
    """Declares a webhook: ``@hw.webhook("/stripe", verifier=hw.webhooks.stripe(...))``.

    The function takes a `MutationCtx` and a `WebhookEvent`, and is a mutation: it may be run more
    than once, and does nothing but read and write documents. That the event has come is noted in
    the same transaction, so however often it is delivered, it has its effect once.

    Args:
        path: Where it is delivered, below the place where the application is mounted.
        verifier: Tells the sender from everybody else.
        process: "now": the sender is answered when the effect is durable; if the function raises,
            nothing is written, and the sender is told to send it again. "later": it is answered
            when the event is durable, and the function runs as a scheduled mutation.
        retry: How often to try later, and when; once by default.

    Raises:
        DeclarationError: The path, the verifier, the policy or the parameters of the function
            cannot be.
    """
    if not callable(getattr(verifier, "verify", None)):
        raise DeclarationError(
            f"@webhook(verifier={verifier!r}): expected one of hw.webhooks, such as "
            "hw.webhooks.stripe(hw.webhooks.env('STRIPE_WEBHOOK_SECRET'))"
        )
    if process not in ("now", "later"):
        raise DeclarationError(f"@webhook(process={process!r}): expected 'now' or 'later'")
    check_retry("webhook", retry)
    is_later = process == "later"
    if retry is not None and not is_later:
        raise DeclarationError(
            "@webhook(retry=...): a webhook that is processed now is tried again by its sender; "
            "say process='later', or leave it out"
        )
    place = place_of("webhook", path, None, ("POST",))

    def declare(handler: Callable[[MutationCtx, WebhookEvent], None]) -> Webhook:
        return Webhook(handler, place, verifier, is_later=is_later, retry=retry or ONCE)

    return declare
