"""kill -9 while clients are served: what they send again has its effect once."""

import asyncio
import random
import signal

from tests.server import served
from tests.server.sync_client import SyncClient

import headwater as hw

ROUNDS = 8
REQUESTS = 60

SERVER = """
import asyncio
from tests.server import served
from tests.server.sync_client import SyncClient
async def main():
    with hw.open(path, modules=[served]) as db:
        client = SyncClient(db.asgi(api=True))
        client.connect("the session")
        for number in range(int(sys.argv[2]), int(sys.argv[3])):
            client.call("Mutation", "served:writeNote", number, text=str(number))
        while True:
            message = await client.hear()
            if message["type"] == "MutationResponse":
                say(message["requestId"], message["result"])
asyncio.run(main())
"""


def test_what_is_sent_again_after_a_kill_has_its_effect_once(path, start) -> None:
    """A client sends all that it has no answer to, and some that it has, again."""
    draw = random.Random("clients")
    answers: dict[str, str] = {}
    first = 0
    for _ in range(ROUNDS):
        child = start(SERVER, path, first, REQUESTS)
        lines = [child.hear() for _ in range(draw.randint(1, 20))]
        lines += child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        for line in lines:
            number, result = line.split(" ", 1)
            assert answers.setdefault(number, result) == result, "answered in another way"
        first = draw.randint(0, len(answers))

    async def finish() -> None:
        with hw.open(path, modules=[served]) as db:
            client = SyncClient(db.asgi(api=True))
            client.connect("the session")
            for number in range(REQUESTS):
                client.call("Mutation", "served:writeNote", number, text=str(number))
            await client.until(lambda: len(client.answers) == REQUESTS)
            await client.end()
            for number, result in answers.items():
                assert client.answers[int(number)]["result"] == result
            texts = db.query(served.list_)
            assert sorted(texts, key=int) == [str(number) for number in range(REQUESTS)]
            assert db.verify() == []

    asyncio.run(finish())
