"""Mistakes around HTTP actions and webhooks."""

import headwater as hw
from headwater import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    Request,
    Response,
    SyncActionCtx,
    SyncRequest,
    WebhookEvent,
)


@hw.http_action("/a")  # error: an async def takes a Request
async def with_the_other_request(ctx: ActionCtx, request: SyncRequest) -> Response:
    return Response()


@hw.http_action("/b")  # error: a plain def takes a SyncActionCtx
def with_the_other_context(ctx: ActionCtx, request: SyncRequest) -> Response:
    return Response()


@hw.http_action("/c")  # error: it returns a Response
async def with_a_text(ctx: ActionCtx, request: Request) -> str:
    return ""


@hw.http_action("/d")  # error: it takes a request
async def without_a_request(ctx: ActionCtx) -> Response:
    return Response()


@hw.http_action(path="/e")  # error: the path is given by position
async def with_a_named_path(ctx: ActionCtx, request: Request) -> Response:
    print(ctx.db)  # error: an action has no tables
    return Response({"a": 1}.items())  # error: no bytes or text


@hw.http_action("/f", methods=[1])  # error: methods are text
def with_a_wrong_method(ctx: SyncActionCtx, request: SyncRequest) -> Response:
    request.stream()  # error: it has come as a whole
    return Response(status="200")  # error: a number


@hw.webhook("/g", verifier=hw.webhooks.github("s"))  # error: it is a mutation
def with_a_query(ctx: ActionCtx, event: WebhookEvent) -> None: ...


@hw.webhook("/h", verifier=hw.webhooks.github("s"))  # error: it does not wait
async def that_waits(ctx: MutationCtx, event: WebhookEvent) -> None: ...


@hw.webhook("/i", verifier="s")  # error: no verifier
def with_a_secret(ctx: MutationCtx, event: WebhookEvent) -> None:
    event.id = "x"  # error: an event does not change


@hw.webhook("/j")  # error: without a verifier
def without_a_verifier(ctx: QueryCtx, event: WebhookEvent) -> None: ...


hw.webhook("/k", verifier=hw.webhooks.github("s"), process="soon")  # error: now or later
hw.webhooks.hmac("s")  # error: which header
hw.webhooks.hmac("s", header="X", algorithm="md5")  # error: no such hash function
hw.webhooks.stripe(b"bytes")  # error: a secret is text


def outside(db: hw.Database) -> None:
    db.asgi(True)  # error: options are given by name
    db.asgi(api=True, admin_token=b"of 16 characters")  # error: a token is text
    db.asgi(api="/api")  # error: yes or no
    db.asgi(identify=lambda token: token)  # error: an identity
