"""Accounts and sessions."""

from typing import assert_type

import headwater as hw
from headwater import ActionCtx, Request, Response, SessionTokens, SyncActionCtx

sessions = hw.Sessions(
    access_seconds=60,
    hashing=hw.PasswordHashing(memory_kib=19 * 1024, iterations=2, lanes=1),
    throttling=hw.SessionThrottling(sign_ins_per_account=5),
)


@hw.http_action("/sign-in", methods=["POST"])
async def sign_in(ctx: ActionCtx, request: Request) -> Response:
    form = await request.json()
    tokens = await ctx.sessions.sign_in(form["login"], form["password"], address=request.client)
    assert_type(tokens, SessionTokens)
    return Response.json(tokens.access_token, headers=tokens.cookie())


@hw.http_action("/sign-out", methods=["POST"])
async def sign_out(ctx: ActionCtx, request: Request) -> Response:
    assert_type(await ctx.sessions.sign_out(request.cookies.get(SessionTokens.COOKIE, "")), int)
    return Response(status=204, headers=SessionTokens.no_cookie())


@hw.action
def enter(ctx: SyncActionCtx, login: str, password: str) -> str:
    return ctx.sessions.sign_up(login, password, claims={"name": login}).access_token


@hw.query
def devices(ctx: hw.QueryCtx) -> list[str]:
    subject = hw.require_identity(ctx).subject
    mine = ctx.db.query(hw.AccountSessions).with_index(hw.AccountSessions.by_account, subject)
    return [session["device"] for session in mine]


def deliver(login: str, purpose: hw.CodeMessage, code: str) -> None:
    print(login, purpose, code)


@hw.action(internal=True)
async def deliver_later(ctx: ActionCtx, login: str, purpose: str, code: str) -> None:
    print(login, purpose, code)


by_mail = [hw.Sessions(deliver=deliver), hw.Sessions(deliver=deliver_later)]


async def outside(db: hw.Database) -> None:
    ticket = assert_type(db.sessions.send_reset_code("ada"), str)
    assert_type(await db.aio.sessions.reset_password(ticket, "1", "password"), SessionTokens)
    tokens = db.sessions.sign_up("ada", "correct horse battery")
    account = assert_type(tokens.account, hw.Id[hw.Account])
    db.sessions.set_password(account, "another horse battery")
    assert_type(db.verify_token(tokens.access_token).session, hw.Id[hw.AccountSession] | None)
    assert_type(await db.aio.sessions.sign_out_account(db.identify("...").subject), int)
