"""Live results and asyncio, misused."""

from accepted import chat
from accepted.chat import Channel, Message

import headwater as hw
from headwater import Id


def add(number: int) -> int:
    return number + 1


def misused(db: hw.Database, channel: Id[Channel], message: Id[Message]) -> None:
    live = db.watch(chat.latest, channel=channel)
    print(live[0])  # error: indexed
    print(live + live)  # error: added
    print(live * 2)  # error: used as a number
    print(live())  # error: called
    print(len(live))  # error: a live result has no length
    print(live.messages)  # error: unknown attribute
    print(live["body"])  # error: used as its document
    print(live.next()[0]["boody"])  # error: misspelt field
    print(live.next() + 1)  # error: result used as another type
    print(live.next("1"))  # error: seconds are a number
    _list: list[Message] = live  # error: live result for its result
    _numbers: hw.Live[list[int]] = live  # error: live result of another type
    live.on_change(add)  # error: callback for another type
    live.on_change(lambda: None)  # error: callback without a parameter
    live.ts = 3  # error: cannot be set
    for messages in live:
        print(messages + 1)  # error: result used as another type
        print(messages.body)  # error: a list of documents
        print(messages[0]["boody"])  # error: misspelt field
        print(messages[0]["stars"].upper())  # error: field used as another type
    db.watch(chat.latest)  # error: missing argument
    db.watch(chat.latest, chanel=channel)  # error: misspelt argument
    db.watch(chat.latest, channel=message)  # error: id of another table
    db.watch(chat.latest, channel="abc")  # error: plain str for an id
    for first, second in db.watch_all(chat.count.bind(), chat.latest.bind(channel)):
        print(first + "1")  # error: result used as another type
        print(second + 1)  # error: result used as another type
    for _one, _two in db.watch_all(chat.count.bind()):  # error: one result, not two
        pass


async def misused_async(db: hw.Database, channel: Id[Channel]) -> None:
    await db.watch(chat.count)  # error: awaited
    await db.aio.watch(chat.count)  # error: awaited
    db.aio.mutate(chat.create_channel, name="x")  # error: not awaited
    db.aio.query(chat.count)  # error: not awaited
    _messages: list[Message] = db.aio.query(chat.latest, channel)  # error: not awaited
    print(db.aio.query(chat.latest, channel)[0])  # error: not awaited
    print((await db.aio.query(chat.latest, channel))[0]["boody"])  # error: misspelt field
    await db.aio.query(chat.latest, "abc")  # error: plain str for an id
    await db.aio.mutate(chat.create_channel, title="x")  # error: misspelt argument
    await db.query(chat.count)  # error: the verbs without aio do not wait
    for _ in await db.aio.watch(chat.count):  # error: awaited
        pass
    async for message in db.aio.watch(chat.latest, channel):
        print(message["body"])  # error: the list, not its document
    async for number in db.aio.watch(chat.count):
        print(number.body)  # error: result used as another type
