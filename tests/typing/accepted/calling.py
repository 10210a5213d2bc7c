"""Calling as somebody keeps every type."""

from typing import assert_type

from accepted import acting, chat
from accepted.chat import Channel, Message

import headwater as hw
from headwater import Id


async def by_facade(db: hw.Database, channel: Id[Channel]) -> None:
    ada = db.acting_as(hw.Identity("ada", issuer="local", claims={"level": 1}))
    assert_type(ada, hw.Caller)
    assert_type(ada.query(chat.latest, channel=channel), list[Message])
    assert_type(ada.query(chat.latest, channel=channel, at=1), list[Message])
    assert_type(ada.mutate(chat.send, channel=channel, author="a", body="b"), Id[Message])
    assert_type(ada.act(acting.count, channel), int)
    assert_type(ada.watch(chat.latest, channel=channel), hw.Live[list[Message]])
    assert_type(ada.watch_all(chat.latest.bind(channel=channel)), hw.Live[tuple[list[Message]]])
    assert_type(await ada.aio.query(chat.latest, channel=channel), list[Message])
    assert_type(await ada.aio.mutate(chat.send, channel=channel, author="a", body="b"), Id[Message])
    assert_type(await ada.aio.act(acting.count, channel), int)
    db.acting_as(None).query(chat.latest, channel=channel)
    with hw.acting_as(ada.identity):
        db.query(chat.latest, channel=channel)


async def by_token(db: hw.Database, token: str, channel: Id[Channel]) -> None:
    provider = hw.TokenProvider(issuer="a", audience=["b"], jwks="c", algorithms=["ES256"])
    hw.open(None, providers=[provider]).close()
    assert_type(db.identify(token), hw.Identity)
    assert_type(db.verify_token(token).expires_at, float)
    assert_type(await db.aio.identify(token), hw.Identity)
    db.acting_as(db.identify(token)).query(chat.latest, channel=channel)
