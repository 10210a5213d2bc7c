"""Laws of the sync protocol, over any series of what clients do."""

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.server import served
from tests.server.sync_client import SyncClient, add

import headwater as hw

PATIENCE_SECONDS = 60
PATHS = ("served:list", "served:refusing", "served:who", "served:echo")
CLIENTS = st.integers(0, 2)
NUMBERS = st.integers(0, 4)
STEPS = st.one_of(
    st.tuples(st.just("watch"), CLIENTS, NUMBERS, st.sampled_from(PATHS)),
    st.tuples(st.just("unwatch"), CLIENTS, NUMBERS, st.none()),
    st.tuples(st.just("write"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("write"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("fail"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("act"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("become"), CLIENTS, NUMBERS, st.none()),
    st.tuples(st.just("elsewhere"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("settle"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("break"), CLIENTS, st.none(), st.none()),
    st.tuples(st.just("pause"), CLIENTS, st.none(), st.none()),
)


class Person(SyncClient):
    """A client that also knows what it has written, and comes back when its connection breaks."""

    def __init__(self, app: Any, session: str) -> None:
        super().__init__(app)
        self.app = app
        self.session = session
        self.watched: dict[int, str] = {}
        self.subject: str | None = None
        self.written: dict[int, str] = {}
        self.connect(session)

    def _transition(self, transition: dict[str, Any]) -> None:
        super()._transition(transition)
        for number, path in self.watched.items():
            if path == "served:list" and isinstance(self.values.get(number), list):
                for request, text in self.written.items():
                    if request not in self.answers:
                        assert text not in self.values[number], "an effect before its answer"

    async def come_back(self) -> "Person":
        """Connect again, as the client of npm does: everything is asked and sent again."""
        await self.end()
        again = Person(self.app, self.session)
        again.watched, again.subject = self.watched, self.subject
        if self.subject is not None:
            again.authenticate("User", self.subject)
        again.modify(
            *(
                add(number, path, self.journals.get(number), **arguments(path, number))
                for number, path in self.watched.items()
            )
        )
        again.requests = self.requests
        again.answers = dict(self.answers)
        for request, text in self.written.items():
            if request not in self.answers:
                again.call("Mutation", "served:writeNote", request, text=text)
                again.written[request] = text
        for request in set(range(self.requests)) - set(again.written):
            again.answers.setdefault(request, {})  # a failure or an action: it is not sent again
        return again


def arguments(path: str, number: int) -> dict[str, Any]:
    return {"value": number} if path == "served:echo" else {}


def identify(token: str) -> hw.Identity:
    return hw.Identity(token)


@given(st.lists(STEPS, min_size=1, max_size=25))
def test_clients_are_told_the_truth_in_order_and_each_effect_happens_once(steps: Any) -> None:
    async def run() -> None:
        with hw.open(None, modules=[served]) as db:
            app = db.asgi(api=True, identify=identify)
            people = [Person(app, f"session-{number}") for number in range(3)]
            texts: set[str] = set()
            for count, (kind, which, number, path) in enumerate(steps):
                person = people[which]
                text = f"{count:03}"
                if kind == "watch" and number not in person.watched:
                    person.watched[number] = path
                    person.watch(number, path, **arguments(path, number))
                elif kind == "unwatch" and person.watched.pop(number, None):
                    person.unwatch(number)
                elif kind == "write":
                    texts.add(text)
                    person.written[person.call("Mutation", "served:writeNote", text=text)] = text
                elif kind == "fail":
                    person.call("Mutation", "served:fail", how="text")
                elif kind == "act":
                    person.call("Action", "served:list")  # which is none
                elif kind == "become":
                    person.subject = f"u{number}" if number else None
                    person.authenticate(*(("User", f"u{number}") if number else ("None",)))
                elif kind == "elsewhere":
                    texts.add(text)
                    await db.aio.mutate(served.write_note, text=text)
                elif kind == "settle":
                    await person.settled()
                elif kind == "break":
                    people[which] = await person.come_back()
                elif kind == "pause":
                    await asyncio.sleep(0)
            for person in people:
                await person.settled()
            everything = sorted(texts)
            assert sorted(db.query(served.list_)) == everything
            for person in people:
                await person.until(lambda person=person: is_true(person, everything))
                await person.end()
            db._reactor.queries.check()
            assert len(db._reactor.queries) == 0

    asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))


def is_true(person: Person, everything: list[str]) -> bool:
    """Whether a client knows the last state; what never changes again has to come."""
    assert set(person.values) == set(person.watched)
    for number, path in person.watched.items():
        value = person.values[number]
        if path == "served:list" and sorted(value) != everything:
            return False
        if path == "served:refusing" and everything and value != len(everything):
            return False
        if path == "served:echo":
            assert value == number
        if path == "served:who":
            assert value == (None if person.subject is None else [person.subject, "local", {}])
    return True
