"""Sessions for tests, whose passwords cost next to nothing."""

import headwater as hw
from headwater import Request, Response, SyncActionCtx, testing

CHEAP = hw.PasswordHashing(memory_kib=8, iterations=1, lanes=1)
PATIENT = hw.SessionThrottling(
    sign_ins_per_account=10**6,
    sign_ins_per_address=10**6,
    sign_ups_per_address=10**6,
    codes_per_account=10**6,
    codes_per_address=10**6,
    guesses_per_address=10**6,
)
PASSWORD = "correct horse battery"
OTHER = "incorrect horse battery"


def options(**given) -> hw.Sessions:
    """Sessions that hash quickly and throttle nobody, unless told otherwise."""
    return hw.Sessions(**{"hashing": CHEAP, "throttling": PATIENT, **given})


def database(*modules, **given):
    """A throw-away database with such sessions."""
    return testing.database(*modules, sessions=options(**given))


class Mailbox:
    """What was delivered, in order."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, str, str]] = []

    def __call__(self, *, login: str, purpose: str, code: str) -> None:
        self.letters.append((login, purpose, code))


def wrong(code: str) -> str:
    """Another code."""
    return code[:-1] + str((int(code[-1]) + 1) % 10)


@hw.query
def logins(ctx: hw.QueryCtx) -> list[str]:
    return [account["login"] for account in ctx.db.query(hw.Accounts)]


@hw.query
def devices(ctx: hw.QueryCtx) -> list[str]:
    """The devices of whoever asks."""
    sessions = ctx.db.query(hw.AccountSessions)
    mine = sessions.with_index(hw.AccountSessions.by_account, hw.require_identity(ctx).subject)
    return [session["device"] for session in mine]


@hw.action
def enter(ctx: SyncActionCtx, login: str, password: str) -> str:
    return ctx.sessions.sign_in(login, password, device="action").access_token


@hw.http_action("/sign-up", methods=["POST"])
async def sign_up(ctx: hw.ActionCtx, request: Request) -> Response:
    form = await request.json()
    tokens = await ctx.sessions.sign_up(form["login"], form["password"], address=request.client)
    return Response.json(tokens.access_token, headers=tokens.cookie())


@hw.http_action("/sign-in", methods=["POST"])
async def sign_in(ctx: hw.ActionCtx, request: Request) -> Response:
    form = await request.json()
    tokens = await ctx.sessions.sign_in(form["login"], form["password"], address=request.client)
    return Response.json(tokens.access_token, headers=tokens.cookie())


@hw.http_action("/refresh", methods=["POST"])
async def refresh(ctx: hw.ActionCtx, request: Request) -> Response:
    tokens = await ctx.sessions.refresh(request.cookies.get(hw.SessionTokens.COOKIE, ""))
    return Response.json(tokens.access_token, headers=tokens.cookie())


@hw.http_action("/sign-out", methods=["POST"])
async def sign_out(ctx: hw.ActionCtx, request: Request) -> Response:
    await ctx.sessions.sign_out(request.cookies.get(hw.SessionTokens.COOKIE, ""))
    return Response(status=204, headers=hw.SessionTokens.no_cookie())


@hw.http_action("/me")
async def me(ctx: hw.ActionCtx, request: Request) -> Response:
    return Response.json(None if ctx.identity is None else ctx.identity.claims)
