"""kill -9 while webhooks come: what was answered is there, and a second delivery changes nothing.

Goal: a sender that delivers again whatever it got no answer to has each effect once. Method: a
child delivers events to its own application and is killed, between effect and answer or at a drawn
line; then the parent opens what is left and delivers everything once more.
"""

import random
import signal

import pytest
from tests.server.asgi import ask
from tests.services import paying

import headwater as hw

WORKER = """
import asyncio, time
from tests.server.asgi import Wire
from tests.services import paying
kill_at, begin, place = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
class Doomed(Wire):
    async def send(self, message):
        if self.number == kill_at:  # its effect is durable, and nobody has been told
            os.kill(os.getpid(), signal.SIGKILL)
        await super().send(message)
async def deliver(app, number):
    options = paying.delivery(f"evt_{number}", number, time.time())
    headers = [(b"stripe-signature", options["headers"]["Stripe-Signature"].encode())]
    wire = Doomed("POST", place, headers)
    wire.number = number
    wire.give(options["content"])
    await wire.run(app)
    assert wire.status == 200
    say(number)
async def main():
    with hw.open(path, modules=[paying], env={"STRIPE_SECRET": paying.SECRET}) as db:
        app = db.asgi()
        for number in range(begin, begin + 2000, 4):
            await asyncio.gather(*(deliver(app, number + ahead) for ahead in range(4)))
asyncio.run(main())
"""


def survive(path, told: list[int], tried: int) -> None:
    """Everything that was answered has its effect; delivered once more, everything has one."""
    with hw.open(path, modules=[paying], env={"STRIPE_SECRET": paying.SECRET}) as db:
        before = db.query(paying.paid)
        assert all(amounts == [int(event[4:])] for event, amounts in before.items())
        assert {f"evt_{number}" for number in told} <= before.keys()
        assert db.query(paying.events).keys() == before.keys()
        app = db.asgi()
        for number in range(tried):
            options = paying.delivery(f"evt_{number}", number, db.runner.store.clock.now_ns() / 1e9)
            said = ask(app, "POST", "/paid", **options).json()["status"]
            assert said == ("repeated" if f"evt_{number}" in before else "processed")
        assert db.query(paying.paid) == {f"evt_{number}": [number] for number in range(tried)}


@pytest.mark.parametrize("doomed", [0, 5])
def test_a_kill_between_the_effect_and_the_answer_costs_nothing(path, start, doomed) -> None:
    child = start(WORKER, path, doomed, 0, "/paid")
    lines = child.rest()
    assert child.process.returncode == -signal.SIGKILL, child.errors
    assert str(doomed) not in lines
    with hw.open(path, modules=[paying], env={"STRIPE_SECRET": paying.SECRET}) as db:
        assert f"evt_{doomed}" in db.query(paying.paid)
    survive(path, [int(line) for line in lines], doomed + 4)


def test_a_kill_while_events_are_processed_later_costs_nothing(path, start) -> None:
    draw = random.Random(2)
    told: set[int] = set()
    for round_ in range(3):
        child = start(WORKER, path, -1, round_ * 1000, "/paid-later")
        told |= {int(child.hear()) for _ in range(draw.randint(4, 24))}
        told |= {int(line) for line in child.kill()}
        assert child.process.returncode == -signal.SIGKILL, child.errors
    env = {"STRIPE_SECRET": paying.SECRET}
    with hw.open(path, modules=[paying], env=env, jobs="hold") as db:
        while db.run_due_jobs():
            pass
        with db.snapshot() as snapshot:
            states = {e["event_id"]: e["state"] for e in snapshot.query(hw.WebhookEvents)}
        assert {f"evt_{number}" for number in told} <= states.keys()
        assert set(states.values()) == {"done"}
        assert db.query(paying.paid) == {event: [int(event[4:])] for event in states}


def test_a_kill_at_any_line_costs_nothing(path, start) -> None:
    draw = random.Random(1)
    told: list[int] = []
    for _ in range(4):
        begin = len(told)
        child = start(WORKER, path, -1, begin, "/paid")
        lines = [child.hear() for _ in range(draw.randint(1, 20))]
        lines += child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        told = list(range(begin + 4 * (len(lines) // 4 + 2)))
        survive(path, [int(line) for line in lines], len(told))
