"""Mistakes around calling as somebody."""

from accepted import acting, chat
from accepted.chat import Channel

import headwater as hw
from headwater import Id, QueryCtx


async def by_facade(db: hw.Database, channel: Id[Channel]) -> None:
    ada = db.acting_as(hw.Identity("ada"))
    ada.query(chat.latest)  # error: missing argument
    ada.query(chat.send, channel=channel, author="a", body="b")  # error: a mutation
    ada.mutate(chat.send, channel=channel, author=1, body="b")  # error: argument of a wrong type
    ada.act(acting.count, chanel=channel)  # error: misspelt argument
    await ada.aio.mutate(chat.latest, channel=channel)  # error: a query
    ada.close()  # error: the database is not its to close
    db.acting_as("ada")  # error: a name is no identity
    hw.Identity()  # error: somebody has a subject
    hw.Identity("ada", claims=["admin"])  # error: claims have names
    print(ada.identity.subject)  # error: nobody may call


def inside(ctx: QueryCtx) -> None:
    print(ctx.identity.subject)  # error: nobody may call
    if ctx.identity is not None:
        ctx.identity.subject = "grace"  # error: an identity stays what it is


def by_token(db: hw.Database, token: str) -> None:
    hw.TokenProvider(issuer="a", audience="b")  # error: keys are needed
    hw.TokenProvider("a", "b", "c")  # error: by name only
    hw.TokenProvider(issuer="a", audience="b", jwks="c", algorithms=["HS256"])  # error: not allowed
    hw.open(None, providers=["https://issuer.example"])  # error: an address is no provider
    db.identify(token.encode())  # error: a token is a string
    db.acting_as(db.verify_token(token))  # error: it has the identity in it
