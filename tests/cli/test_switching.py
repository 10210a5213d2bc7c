"""The switch in front of the applications: what waits, what ends, what is closed."""

import asyncio

import pytest

from headwater.cli.switching import RESTARTING, Switch, Unavailable

REQUEST = {"type": "http"}
SOCKET = {"type": "websocket"}


class Client:
    """What a server has of one connection."""

    def __init__(self):
        self.sent = []
        self.coming = asyncio.Queue()

    async def send(self, message):
        self.sent.append(message)


def answering(number):
    async def application(scope, receive, send):
        await send(number)

    return application


async def echo(scope, receive, send):
    while (message := await receive())["type"] != "websocket.disconnect":
        await send(message)
    await send({"type": "websocket.close"})


def test_requests_wait_while_it_is_paused():
    async def main():
        switch, client = Switch(answering(1)), Client()
        await switch(REQUEST, client.coming.get, client.send)
        await switch.pause(0)
        assert switch.is_paused
        waiting = asyncio.create_task(switch(REQUEST, client.coming.get, client.send))
        await asyncio.sleep(0)
        assert client.sent == [1]
        switch.resume(answering(2))
        await waiting
        assert client.sent == [1, 2]

    asyncio.run(main())


def test_what_is_being_answered_may_finish():
    async def main():
        go, client = asyncio.Event(), Client()

        async def slow(scope, receive, send):
            await go.wait()
            await send("well")

        switch = Switch(slow)
        running = asyncio.create_task(switch(REQUEST, client.coming.get, client.send))
        await asyncio.sleep(0)
        pausing = asyncio.create_task(switch.pause(60))
        await asyncio.sleep(0)
        assert not pausing.done()
        go.set()
        await pausing
        await running
        assert client.sent == ["well"]

    asyncio.run(main())


def test_what_takes_too_long_is_canceled():
    async def main():
        client = Client()
        switch = Switch(lambda *_: asyncio.Event().wait())
        running = asyncio.create_task(switch(REQUEST, client.coming.get, client.send))
        await asyncio.sleep(0)
        await switch.pause(0)
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())


def test_websockets_are_told_to_come_back():
    async def main():
        client, switch = Client(), Switch(echo)
        running = asyncio.create_task(switch(SOCKET, client.coming.get, client.send))
        message = {"type": "websocket.receive", "text": "hi"}
        client.coming.put_nowait(message)
        while not client.sent:
            await asyncio.sleep(0)
        await switch.pause(60)
        await running
        assert client.sent[0] == message
        (closed,) = client.sent[1:]  # what the application sends after the end is dropped
        assert (closed["type"], closed["code"]) == ("websocket.close", RESTARTING)

    asyncio.run(main())


def test_websockets_that_end_by_themselves_are_forgotten():
    async def main():
        client, switch = Client(), Switch(echo)
        client.coming.put_nowait({"type": "websocket.disconnect"})
        await switch(SOCKET, client.coming.get, client.send)
        await switch.pause(60)
        assert client.sent == [{"type": "websocket.close"}]

    asyncio.run(main())


def test_a_client_that_has_gone_is_no_error():
    async def main():
        client = Client()

        async def gone(message):
            raise OSError

        switch = Switch(echo)
        running = asyncio.create_task(switch(SOCKET, client.coming.get, gone))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await switch.pause(60)
        await running

    asyncio.run(main())


def test_nothing_to_serve_is_an_answer():
    async def main():
        client = Client()
        for scope in (REQUEST, SOCKET):
            client.coming.put_nowait({})
            await Unavailable("not yet")(scope, client.coming.get, client.send)
        started, body, closed = client.sent
        assert started["status"] == 503
        assert body["body"] == b"not yet\n"
        assert closed["type"] == "websocket.close"

    asyncio.run(main())
