"""HTTP actions and webhooks."""

from collections.abc import AsyncIterator
from typing import assert_type

from accepted import chat

import headwater as hw
from headwater import (
    ActionCtx,
    MutationCtx,
    Request,
    Response,
    SyncActionCtx,
    SyncRequest,
    WebhookEvent,
)


@hw.http_action("/latest")
async def latest(ctx: ActionCtx, request: Request) -> Response:
    count = await ctx.query(chat.count)
    assert_type(await request.body(), bytes)
    assert_type(request.headers.get_all("cookie"), list[str])
    return Response.json(count, headers={"x-count": str(count)})


@hw.http_action(prefix="/files/", methods=["GET", "POST"], timeout_seconds=5)
def files(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    assert_type(request.body(), bytes)
    return Response([b"a", "b"], status=201, content_type="text/plain")


@hw.http_action("/stream")
async def stream(ctx: ActionCtx, request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            yield chunk

    return Response(pieces(), headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])


@hw.webhook(
    "/stripe", verifier=hw.webhooks.stripe("old", hw.webhooks.env("NEW"), tolerance_seconds=60)
)
def on_stripe(ctx: MutationCtx, event: WebhookEvent) -> None:
    assert_type(event.body, bytes)
    chat.create_channel(ctx, name=event.id)


class Own:
    def verify(self, delivery: hw.webhooks.Delivery) -> hw.webhooks.Verified:
        return hw.webhooks.Verified(delivery.headers["x-id"])


@hw.webhook("/own", verifier=Own(), process="later", retry=hw.Retry(attempts=3))
def on_own(ctx: MutationCtx, event: WebhookEvent) -> None: ...


@hw.mutation
def again(ctx: MutationCtx, record: hw.Id[hw.WebhookRecord]) -> bool:
    return on_own.process_again(ctx, record)


def outside(db: hw.Database) -> None:
    db.asgi(cors=["https://example.com"], dev=True, identify=lambda token: hw.Identity(token))
    db.asgi(api=True, openapi=False, admin_token="of 16 characters", close_at_end=True)
    with db.snapshot() as snapshot:
        for record in snapshot.query(hw.WebhookEvents):
            assert_type(record["deliveries"], int)
