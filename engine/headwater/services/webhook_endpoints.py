"""Webhooks as an application declares them."""

import inspect
from collections.abc import Callable
from typing import Any, Final, Protocol

from headwater.errors import DeclarationError
from headwater.functions.context_services import Configuration
from headwater.functions.contexts import MutationCtx
from headwater.functions.declaration import Mutation, Options
from headwater.functions.http_actions import check_handler, named_after
from headwater.functions.http_fields import Headers
from headwater.functions.routes import Route, place_of
from headwater.services.webhook_events import Handler, Received, WebhookEvent, receive
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

    def __init__(self, handler: Handler, path: str | None, verifier: Verifier) -> None:
        check_handler("webhook", handler, "ctx, event")
        if inspect.iscoroutinefunction(handler):
            raise DeclarationError(
                f"{handler.__module__}:{handler.__name__}: @webhook expects a plain def: it is run "
                "as a mutation, which waits for nothing"
            )
        if not callable(getattr(verifier, "verify", None)):
            raise DeclarationError(
                f"@webhook(verifier={verifier!r}): expected one of hw.webhooks, such as "
                "hw.webhooks.stripe(hw.webhooks.env('STRIPE_WEBHOOK_SECRET'))"
            )
        self.handler: Handler = handler
        self._verifier = verifier
        options = Options(is_internal=True)
        self.receiving: Mutation[..., Received] = Mutation(_receiving(handler), options)
        place = place_of("webhook", path, None, ("POST",))
        super().__init__(place, self.receiving.path, self.receiving.module)

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


def _receiving(handler: Handler) -> Callable[..., Received]:
    def receive_event(ctx: MutationCtx, event: Any) -> Received:
        return receive(ctx, event, handler)

    named_after(handler, receive_event)
    return receive_event


class WebhookDecorator(Protocol):
    """What ``@webhook(...)`` gives."""

    def __call__(self, handler: Callable[[MutationCtx, WebhookEvent], None], /) -> Webhook:
        """Declare the function."""
        ...


def webhook(path: str, /, *, verifier: Verifier) -> WebhookDecorator:
    """Declares a webhook: ``@hw.webhook("/stripe", verifier=hw.webhooks.stripe(...))``.

    The function takes a `MutationCtx` and a `WebhookEvent`, and is a mutation: it may be run more
    than once, and does nothing but read and write documents. That the event has come is noted in
    the same transaction, so however often it is delivered, it has its effect once. If the function
    raises, nothing is written, and the sender is told to send it again.

    Args:
        path: Where it is delivered, below the place where the application is mounted.
        verifier: Tells the sender from everybody else.

    Raises:
        DeclarationError: The path, the verifier or the parameters of the function cannot be.
    """

    def declare(handler: Callable[[MutationCtx, WebhookEvent], None]) -> Webhook:
        return Webhook(handler, path, verifier)

    return declare
