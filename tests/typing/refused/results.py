"""What comes back, used as something else."""

from accepted import chat
from accepted.chat import Channel, Channels, Message, Messages

import headwater as hw
from headwater import Id, MutationCtx, QueryCtx


def outside(db: hw.Database, channel: Id[Channel]) -> None:
    _numbers: list[int] = db.query(chat.latest, channel=channel)  # error: result of another type
    _channel: Id[Channel] = db.mutate(chat.send, channel, "a", "b")  # error: id of another table
    messages = db.query(chat.latest, channel=channel)
    _name: str = db.query(chat.channel_of, messages[0]["_id"])  # error: a document
    print(messages[0]["boody"])  # error: misspelt field
    print(messages[0].body)  # error: a document is a dict
    print(messages["body"])  # error: the list, not its document
    _stars: int = messages[0]["body"]  # error: field of another type
    print(messages[0]["body"] + 1)  # error: field used as another type
    print(messages[0]["stars"].upper())  # error: field used as another type
    print(messages[0]["_creationTime"] + "ms")  # error: a float
    db.query(chat.channel_of, messages[0]["channel"])  # error: id of another table
    db.query(chat.channel_of, messages[0]["author"])  # error: field that is no id
    print(db.query(chat.channel_of, messages[0]["_id"])["name"])  # error: may be None
    print(db.query(chat.pages, {"numItems": 1, "cursor": None})["pages"])  # error: misspelt field
    print(db.query(chat.count) + "1")  # error: result of an async query is awaited


def inside(ctx: QueryCtx, mutating: MutationCtx, channel: Id[Channel]) -> None:
    _channels: list[Channel] = chat.latest(ctx, channel)  # error: result of another type
    _message: Id[Message] = mutating.db.insert(Channels, {})  # error: id of another table
    _ids: list[Id[Message]] = mutating.db.insert_many(Channels, [])  # error: of another table
    _document: Message = ctx.db.query(Messages).first()  # error: may be None
    _found: Message | None = ctx.db.get(channel)  # error: document of another table
    _normal: Id[Message] | None = ctx.db.normalize_id(Channels, "x")  # error: id of another table
    for message in ctx.db.query(Messages):
        print(message["auther"])  # error: misspelt field
        message["stars"] = "many"  # error: field set to another type
        message["starrs"] = 1  # error: misspelt field set
        if message["kind"] == "video":  # error: no such kind
            print(message)


@hw.query
def wrong_result(ctx: QueryCtx, channel: Id[Channel]) -> list[Channel]:
    return chat.latest(ctx, channel)  # error: returns another type


def by_hand(db: hw.Database, channel: Id[Channel]) -> None:
    with db.snapshot() as snapshot:
        print(snapshot.get(channel)["name"])  # error: may be None
    print(db.transact(lambda tx: tx.insert(Channels, {})) + 1)  # error: result is an id
    print(db.history("abc"))  # error: plain str for an id
    print(db.history(channel)[0].documents)  # error: misspelt attribute
    print(db.history(channel)[0].document["name"])  # error: may be None
