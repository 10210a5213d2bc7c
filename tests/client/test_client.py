"""`hw.connect`: a served database with the verbs of one that is open here."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from tests import strategies
from tests.server import served
from tests.server.loopback import PATIENCE_SECONDS, serving

import headwater as hw
from headwater.storage.codec import pack

ADMIN = "an-admin-token-of-the-tests"


def identify(token: str) -> hw.Identity | None:
    return hw.Identity(token.removeprefix("of-")) if token.startswith("of-") else None


@contextmanager
def on_the_net(db: hw.Database, port: int = 0) -> Generator[int]:
    with serving(db.asgi(api=True, identify=identify, admin_token=ADMIN), port) as found:
        yield found


@pytest.fixture
def db() -> Generator[hw.Database]:
    with hw.open(None, modules=[served]) as opened:
        yield opened


@pytest.fixture
def url(db) -> Generator[str]:
    with on_the_net(db) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(url) -> Generator[hw.Client]:
    with hw.connect(url) as connected:
        yield connected


def test_the_verbs_are_those_of_an_open_database(db, client) -> None:
    for one in (db, client):
        id = one.mutate(served.write_note, text="a", count=2)
        assert isinstance(id, str)
        assert one.query(served.list_)[-1] == "a"
        assert one.act(served.act, text="b")[-1] == "b"
        assert one.act(served.act_on_thread, "c")[-1] == "c"
    assert db.query(served.list_) == list("abcabc")


def test_calls_by_path(url, client) -> None:
    assert client.call("served:echo", {"value": 1}, kind="query") == 1
    with pytest.raises(hw.UsageError, match="kind='query'"):
        client.call("served:echo", {"value": 1})
    with hw.connect(url, modules=[served]) as knowing:
        assert knowing.call("served:echo", {"value": 1}) == 1
        assert knowing.call("served:writeNote", {"text": "a"})
    with pytest.raises(hw.FunctionNotFoundError, match="served:nothing"):
        client.call("served:nothing", kind="query")


def test_values_come_back_exactly_as_they_are(client) -> None:
    @settings(max_examples=200)
    @given(strategies.values())
    def law(value: Any) -> None:
        assert pack(client.query(served.echo, value=value)) == pack(value)

    law()


def test_errors_are_those_of_an_open_database(db, client) -> None:
    for one in (db, client):
        with pytest.raises(hw.ApplicationError) as refused:
            one.mutate(served.fail, how="data")
        assert refused.value.data == {"code": "SOLD_OUT", "left": 0, "token": b"\x01"}
        with pytest.raises(hw.ArgumentError, match="count"):
            one.mutate(served.write_note, text="a", count="many")
        with pytest.raises(hw.ArgumentError, match="wrong"):
            one.mutate(served.write_note, text="a", wrong=1)
        with pytest.raises(hw.ArgumentError, match="value"):
            one.query(served.echo, value=object())
        with pytest.raises(hw.FunctionKindError, match=r"mutate\(write_note"):
            one.query(served.write_note, text="a")
        with pytest.raises(hw.FunctionKindError, match="expected a function"):
            one.query("served:list")
    with pytest.raises(hw.RemoteCallError, match="Server Error") as failed:
        client.mutate(served.fail, how="bug")
    assert failed.value.request_id
    assert "secret" not in str(failed.value)
    assert db.query(served.list_) == []


def test_live_queries_iterate_wait_and_call_back(db, client) -> None:
    with client.watch(served.list_) as live:
        assert live.next(PATIENCE_SECONDS) == []
        client.mutate(served.write_note, text="a")
        assert live.next(PATIENCE_SECONDS) == ["a"]
        db.mutate(served.write_note, text="b")
        assert live.next(PATIENCE_SECONDS) == ["a", "b"]
        assert live.ts > 0
        with pytest.raises(TimeoutError):
            live.next(0)
    with pytest.raises(hw.ClosedError):
        live.next(0)
    heard: list[Any] = []
    came = threading.Event()
    stop = client.watch(served.refusing).on_change(lambda n: (heard.append(n), came.set()))
    assert came.wait(PATIENCE_SECONDS)
    assert heard == [2]
    stop()


def test_queries_that_are_watched_together_change_together(client) -> None:
    with client.watch_all(served.list_.bind(), served.refusing.bind()) as live:
        with pytest.raises(hw.ApplicationError, match="nothing there"):
            live.next(PATIENCE_SECONDS)
        for count in range(1, 4):
            client.mutate(served.write_note, text="a")
            texts, number = live.next(PATIENCE_SECONDS)
            assert (len(texts), number) == (count, count)


def test_two_watches_of_one_query_share_it(db, client) -> None:
    with client.watch(served.list_) as one, client.watch(served.list_) as other:
        assert one.next(PATIENCE_SECONDS) == other.next(PATIENCE_SECONDS) == []
        assert len(db._reactor.queries) == 1
        one.close()
        client.mutate(served.write_note, text="a")
        assert other.next(PATIENCE_SECONDS) == ["a"]
    client.query(served.echo, value=0)
    client.mutate(served.write_note, text="b")
    assert len(db._reactor.queries) == 0


def test_who_calls(url) -> None:
    assert hw.connect(url, token="of-ada").query(served.who) == ["ada", "local", {}]
    given = iter(["of-ada", "of-bob"])
    with hw.connect(url, token=lambda: next(given)) as client:
        assert client.query(served.who) == ["ada", "local", {}]
    with hw.connect(url, admin_token=ADMIN) as administrator:
        assert administrator.query(served.secret) == "of the house"
    with pytest.raises(hw.TokenInvalidError):
        hw.connect(url, token="wrong")
    with pytest.raises(hw.ArgumentError, match="one of them"):
        hw.connect(url, token="of-ada", admin_token=ADMIN)


def test_no_server_is_told_so() -> None:
    with pytest.raises(hw.ServerGoneError, match="no server was reached"):
        hw.connect("http://127.0.0.1:9", timeout_seconds=0.2)
    for url in ("127.0.0.1:3210", "ftp://host", "http://", "http://host?x=1"):
        with pytest.raises(hw.ArgumentError, match="address of a server"):
            hw.connect(url)


def test_the_verbs_of_asyncio(url) -> None:
    async def run() -> None:
        client = hw.connect(url)
        await client.aio.mutate(served.write_note, text="a")
        assert await client.aio.query(served.list_) == ["a"]
        assert await client.aio.act(served.act, text="b") == ["a", "b"]
        assert await client.aio.call("served:list", kind="query") == ["a", "b"]
        with pytest.raises(hw.ApplicationError):
            await client.aio.mutate(served.fail, how="text")
        seen = []
        async for texts in client.aio.watch(served.list_):
            seen.append(texts)
            if len(texts) == 5:
                break
            await client.aio.mutate(served.write_note, text="more")
        assert seen[0] == ["a", "b"]
        many = [client.aio.mutate(served.write_note, text=str(n)) for n in range(50)]
        await asyncio.gather(*many)
        assert (await client.aio.query(served.list_))[5:] == [str(n) for n in range(50)]
        client.close()

    asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))


def test_a_new_server_at_the_same_place_is_found_again(db) -> None:
    """Mutations that were sent have their effect once, and what is watched goes on."""
    with on_the_net(db) as port:
        client = hw.connect(f"http://127.0.0.1:{port}")
        live = client.watch(served.list_)
        assert live.next(PATIENCE_SECONDS) == []
        client.mutate(served.write_note, text="before")
        assert live.next(PATIENCE_SECONDS) == ["before"]
        waiting = [
            threading.Thread(target=client.mutate, args=(served.write_note, f"{n:02}"))
            for n in range(20)
        ]
        for thread in waiting:
            thread.start()
    with on_the_net(db, port):
        for thread in waiting:
            thread.join(PATIENCE_SECONDS)
        client.mutate(served.write_note, text="zz")
        while "zz" not in (texts := live.next(PATIENCE_SECONDS)):
            pass
        assert sorted(texts) == [f"{n:02}" for n in range(20)] + ["before", "zz"]
        assert client.query(served.list_) == texts
        client.close()


def test_what_waits_is_told_when_the_client_is_closed(db) -> None:
    with on_the_net(db) as port:
        client = hw.connect(f"http://127.0.0.1:{port}")
        live = client.watch(served.list_)
        assert live.next(PATIENCE_SECONDS) == []
    outcome: list[Any] = []

    def mutate() -> None:
        try:
            client.mutate(served.write_note, text="never")
        except hw.ServerGoneError as error:
            outcome.append(error)

    thread = threading.Thread(target=mutate)
    thread.start()
    while not client._connection._conversation._asked:
        pass
    client.close()
    thread.join(PATIENCE_SECONDS)
    assert len(outcome) == 1
    with pytest.raises(hw.ClosedError):
        live.next(PATIENCE_SECONDS)
    with pytest.raises(hw.ServerGoneError, match="closed"):
        client.query(served.list_)
    client.close()


def test_no_answer_in_time_is_said() -> None:
    with hw.open(None, modules=[served]) as db, on_the_net(db) as port:
        client = hw.connect(f"http://127.0.0.1:{port}", timeout_seconds=5)
    with hw.open(None, modules=[served]):
        client._timeout_seconds = 0.05
        with pytest.raises(hw.ServerGoneError, match="may have run"):
            client.mutate(served.write_note, text="a")
        client.close()
