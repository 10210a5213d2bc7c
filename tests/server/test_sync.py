"""The sync protocol, by a client in this process that checks what the official ones assert."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.clients import application as pages
from tests.server import served
from tests.server.sync_client import Failed, SyncClient, add, ts_of
from tests.services.signing import options as signing_options

import headwater as hw

PATIENCE_SECONDS = 60
ADMIN = "an-admin-token-of-the-tests"


def talk(
    conversation: Callable[[Any, hw.Database], Awaitable[None]],
    modules: Any = (served,),
    **options: Any,
) -> None:
    """Hold a conversation with a served database."""

    async def run() -> None:
        with hw.open(None, modules=list(modules), **options.pop("database", {})) as db:
            app = db.asgi(**{"api": True, "admin_token": ADMIN, **options})
            await asyncio.wait_for(conversation(app, db), PATIENCE_SECONDS)

    asyncio.run(run())


async def connected(app: Any, session: str = "session", **options: Any) -> SyncClient:
    client = SyncClient(app, **options)
    client.connect(session)
    return client


def test_a_query_is_told_now_and_after_each_change() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:list")
        await client.settled()
        assert client.values == {0: []}
        client.call("Mutation", "served:writeNote", text="a", count=1)
        await client.settled()
        assert client.values == {0: ["a"]}
        await db.aio.mutate(served.write_note, text="b")
        await client.until(lambda: client.values == {0: ["a", "b"]})
        client.unwatch(0)
        await client.settled()
        assert client.values == {}
        await client.end()
        assert len(db._reactor.queries) == 0

    talk(conversation)


def test_a_page_begins_with_as_many_rows_as_were_asked_for_whoever_else_has_one() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        asked = {"room": "x", "paginationOpts": {"numItems": 2, "cursor": None}}

        def texts(client: SyncClient) -> list[str]:
            return [line["text"] for line in client.values[0]["page"]]

        clients = []
        for rows in range(4):
            clients.append(await connected(app, f"session {rows}"))
            clients[-1].watch(0, "application:page", **asked)
            await clients[-1].settled()
            assert len(texts(clients[-1])) == min(rows, 2)
            await db.aio.mutate(pages.say, room="x", text=f"{rows}")
            # A page that was not full goes on to the end of the rows; the others keep theirs.
            for number, client in enumerate(clients):
                expected = ["0", "1", "2", "3"][: rows + 1 if number < 2 else 2]
                await client.until(lambda c=client, e=expected: texts(c) == e)
        for client in clients:
            await client.end()

    talk(conversation, modules=(pages,))


def test_every_spelling_of_a_path_is_the_same_query() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.modify(
            add(0, "served:list"),
            add(1, "served.js:list"),
            add(2, "served"),
            add(3, "served:list_"),
        )
        await client.settled()
        assert client.values == {0: [], 1: [], 2: "the default one", 3: []}
        assert len(db._reactor.queries) == 2
        await client.end()

    talk(conversation)


def test_all_queries_are_told_at_one_timestamp() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.modify(add(0, "served:list"), add(1, "served:list_"), add(2, "served:echo", value=1))
        await client.settled()
        for text in "abc":
            await db.aio.mutate(served.write_note, text=text)
        await client.until(lambda: client.values[0] == ["a", "b", "c"])
        for message in client.heard:
            changed = {one["queryId"] for one in message["modifications"]}
            assert changed in ({0, 1, 2}, {0, 1})
        await client.end()

    talk(conversation)


def test_what_fails_tells_why_and_recovers() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.modify(
            add(0, "served:nothing"), add(1, "served:secret"), add(2, "served:kinds", whole="x")
        )
        await client.settled()
        assert "Could not find public function" in client.values[0].message
        assert "Could not find public function" in client.values[1].message
        assert client.values[2].data is ...
        for number, (how, data) in enumerate(
            [
                ("data", {"code": "SOLD_OUT", "left": 0.0, "token": {"$bytes": "AQ=="}}),
                ("null", None),
            ]
        ):
            client.call("Mutation", "served:fail", how=how)
            await client.settled()
            answer = client.answers[number]
            assert (answer["success"], answer["ts"], answer["errorData"]) == (False, None, data)
        client.call("Mutation", "served:fail", how="bug")
        client.call("Mutation", "served:writeNote", wrong=1)
        client.call("Mutation", "served:list")
        client.call("Action", "served:nothing")
        await client.settled()
        for number in (2, 3, 4, 5):
            assert client.answers[number]["success"] is False
            assert "errorData" not in client.answers[number]
            assert "the secret of the house" not in client.answers[number]["result"]
        assert db.query(served.list_) == []
        await client.end()

    talk(conversation)


def test_actions_run_beside_each_other_and_are_answered() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:list")
        client.call("Action", "served:act", text="a")
        client.call("Action", "served:actOnThread", text="b")
        await client.settled()
        assert {tuple(client.answers[n]["result"]) for n in (0, 1)} <= {
            ("a",),
            ("b",),
            ("a", "b"),
            ("b", "a"),
        }
        assert sorted(client.values[0]) == ["a", "b"]
        await client.end()

    talk(conversation)


def test_mutations_of_a_client_run_in_order() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        texts = [f"{number:03}" for number in range(100)]
        for text in texts:
            client.call("Mutation", "served:writeNote", text=text)
        await client.settled()
        assert db.query(served.list_) == texts
        stamps = [ts_of(client.answers[number]["ts"]) for number in range(100)]
        assert stamps == sorted(stamps)
        await client.end()

    talk(conversation)


def test_a_mutation_that_is_sent_again_has_its_effect_once() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        first = await connected(app, "mine")
        first.call("Mutation", "served:writeNote", text="once")
        await first.settled()
        await first.end()
        again = await connected(app, "mine")
        again.watch(0, "served:list")
        again.call("Mutation", "served:writeNote", text="once")
        again.call("Mutation", "served:writeNote", text="twice")
        await again.settled()
        assert again.answers[0]["result"] == first.answers[0]["result"]
        assert ts_of(again.answers[0]["ts"]) <= ts_of(first.answers[0]["ts"])
        assert again.values[0] == ["once", "twice"]
        other = await connected(app, "other")
        other.call("Mutation", "served:writeNote", text="once")
        await other.settled()
        assert db.query(served.list_) == ["once", "twice", "once"]
        await again.end()
        await other.end()

    talk(conversation)


def test_requests_are_forgotten_after_a_day_and_not_before() -> None:
    from headwater.services.client_requests import ClientRequests, forget_old
    from headwater.testing import ManualClock

    clock = ManualClock()

    async def conversation(app: Any, db: hw.Database) -> None:
        for text in ("a", "b"):
            client = await connected(app)
            client.call("Mutation", "served:writeNote", int(text == "b"), text=text)
            await client.until(lambda client=client: len(client.answers) == 1)
            await client.end()
            assert forget_old(db._runner) == 0
            clock.advance(seconds=12 * 3600)
        clock.advance(seconds=1)
        assert forget_old(db._runner) == 1
        with db.snapshot() as snapshot:
            assert [one["request"] for one in snapshot.query(ClientRequests)] == [1]

    talk(conversation, database={"clock": clock})


def test_who_is_signed_in_sees_their_own() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.modify(add(0, "served:who"), add(1, "served:list"))
        await client.settled()
        assert client.values == {0: None, 1: []}
        client.authenticate("User", "token-of-ada")
        await client.settled()
        assert client.values == {0: ["ada", "local", {}], 1: []}
        told = client.heard[-1]["modifications"]
        assert [one["queryId"] for one in told] == [0], "what has not changed is not told again"
        client.authenticate("None")
        await client.settled()
        assert client.values[0] is None
        client.authenticate("Admin", ADMIN, impersonating={"subject": "bob", "issuer": "us"})
        client.watch(2, "served:secret")
        await client.settled()
        assert client.values[0] == ["bob", "us", {}]
        assert client.values[2] == "of the house"
        await client.end()

    def identify(token: str) -> hw.Identity | None:
        return hw.Identity(token.removeprefix("token-of-")) if token.startswith("token-") else None

    talk(conversation, identify=identify)


@pytest.mark.parametrize("kind", ["User", "Admin"])
def test_a_token_that_is_not_valid_ends_the_connection(kind: str) -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.authenticate(kind, "wrong")
        await client.closed()
        refusal = client.heard[-1]
        assert (refusal["type"], refusal["baseVersion"]) == ("AuthError", 0)
        assert refusal["authUpdateAttempted"] is True

    talk(conversation, identify=lambda token: None)


def test_a_token_that_ends_ends_the_connection() -> None:
    from headwater.testing import ManualClock

    clock = ManualClock()

    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.authenticate("User", "token")
        client.watch(0, "served:who")
        await client.settled()
        assert client.values[0] == ["ada", "local", {}]
        clock.advance(seconds=61)
        await client.closed()
        refusal = client.heard[-1]
        assert (refusal["type"], refusal["baseVersion"]) == ("AuthError", 1)
        assert refusal["authUpdateAttempted"] is False

    def identify(token: str) -> hw.VerifiedToken:
        return hw.VerifiedToken(hw.Identity("ada"), clock.now_ns() / 1_000_000 + 60_000)

    talk(conversation, identify=identify, database={"clock": clock})


@pytest.mark.parametrize("tokens", ["opaque", "jwt"])
def test_the_end_of_a_session_ends_its_connections_at_once(tokens: Any) -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        signed = db.sessions.sign_up("ada@example.com", "a long password of hers")
        others = db.sessions.sign_up("bob@example.com", "a long password of his")
        hers, his = await connected(app, "hers"), await connected(app, "his")
        for client, access in ((hers, signed), (his, others)):
            client.authenticate("User", access.access_token)
            client.watch(0, "served:who")
            await client.settled()
        assert hers.values[0][0] != his.values[0][0]
        again = await asyncio.to_thread(db.sessions.refresh, signed.refresh_token)
        hers.authenticate("User", again.access_token)
        await hers.settled()
        await asyncio.to_thread(db.sessions.sign_out, again.access_token)
        await hers.closed()
        assert hers.heard[-1]["type"] == "AuthError"
        assert hers.heard[-1]["authUpdateAttempted"] is False
        his.authenticate("None")
        await his.settled()
        await asyncio.to_thread(db.sessions.sign_out, others.access_token)
        his.call("Mutation", "served:writeNote", text="as nobody")
        await his.settled()
        await his.end()
        assert len(db._reactor.queries) == 0

    talk(conversation, database={"sessions": signing_options(tokens=tokens)})


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        "[]",
        b"bytes",
        {"type": "Nonsense"},
        {"type": "ModifyQuerySet", "baseVersion": 1, "newVersion": 2, "modifications": []},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 2, "modifications": []},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [{}]},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [
            {"type": "Remove", "queryId": 1}]},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [
            add(0, "served:list"), add(0, "served:list")]},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [
            add(0, "served:echo", value={"$integer": "x"})]},
        {"type": "Authenticate", "baseVersion": 1, "tokenType": "None"},
        {"type": "Mutation", "requestId": -1, "udfPath": "a", "args": [{}]},
        {"type": "Mutation", "requestId": 0, "udfPath": "served:writeNote", "args": {}},
        {"type": "Connect", "sessionId": "again", "connectionCount": 0},
        '{"type": "Mutation", "udfPath": "\\ud800", "requestId": 0, "args": [{}]}',
    ],
)  # fmt: skip
def test_what_no_client_says_ends_only_its_own_connection(said: Any) -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        other = await connected(app)
        other.watch(0, "served:list")
        await other.settled()
        client = await connected(app)
        client.say(said)
        await client.closed()
        assert client.heard[-1]["type"] == "FatalError"
        await db.aio.mutate(served.write_note, text="a")
        await other.until(lambda: other.values[0] == ["a"])
        await other.end()

    talk(conversation)


def test_the_first_message_has_to_be_connect() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = SyncClient(app)
        client.call("Mutation", "served:writeNote", text="a")
        await client.closed()
        assert client.heard[-1]["type"] == "FatalError"
        assert db.query(served.list_) == []

    talk(conversation)


def test_a_client_that_has_seen_more_than_there_is_is_sent_away() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = SyncClient(app)
        client.connect(observed="/////////38=")
        closed = await client.closed()
        assert closed.code == 1013
        assert closed.reason.startswith("InternalServerError")

    talk(conversation)


def test_a_slow_client_gets_the_newest_state_and_not_those_between() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:list")
        await client.settled()
        quick = await connected(app, "quick")
        quick.watch(0, "served:list")
        await quick.settled()
        heard = len(client.heard)
        client.room.clear()
        for number in range(200):
            await db.aio.mutate(served.write_note, text=str(number))
        await quick.until(lambda: len(quick.values[0]) == 200)
        client.room.set()
        await client.until(lambda: len(client.values[0]) == 200)
        await quick.end()
        assert len(client.heard) - heard <= 4
        await client.end()

    talk(conversation)


def test_large_transitions_come_in_parts_to_clients_that_join_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from headwater.server import sync_session

    monkeypatch.setattr(sync_session, "CHUNK_CHARACTERS", 97)

    async def conversation(app: Any, db: hw.Database) -> None:
        new = await connected(app, path="/api/1.28.0/sync")
        old = await connected(app, path="/api/1.27.9/sync")
        rust = await connected(app, path="/api/sync")
        for client in (new, old, rust):
            client.watch(0, "served:echo", value="é" * 1000)
            await client.settled()
            assert client.values[0] == "é" * 1000
            await client.end()

    talk(conversation)


def test_a_silent_client_is_pinged_by_the_clock() -> None:
    from headwater.testing import ManualClock

    clock = ManualClock()

    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:list")
        await client.settled()
        hearing = asyncio.create_task(client.hear())
        while not hearing.done():
            clock.advance(seconds=15)
            await asyncio.sleep(0)
        assert hearing.result() == {"type": "Ping"}
        await client.end()

    talk(conversation, database={"clock": clock})


def test_a_client_that_never_says_who_it_is_is_let_go() -> None:
    from headwater.testing import ManualClock

    clock = ManualClock()

    async def conversation(app: Any, db: hw.Database) -> None:
        client = SyncClient(app)
        closing = asyncio.create_task(client.closed())
        while not closing.done():
            clock.advance(seconds=15)
            await asyncio.sleep(0)
        assert closing.result().reason == "ConnectTimeout"

    talk(conversation, database={"clock": clock})


def test_who_guesses_the_admin_token_has_to_wait() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        for token in ("a guess", "another", ADMIN):
            client = await connected(app)
            client.authenticate("Admin", token)
            await client.closed()
            assert client.heard[-1]["type"] == "AuthError"
        assert "wrong tokens came from this address" in client.heard[-1]["error"]

    talk(conversation, database={"limits": hw.Limits(sign_in_attempts=2)})


def test_pages_of_foreign_sites_are_not_let_in() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        for origin, is_welcome in [
            (b"http://here", True),
            (b"https://good.example", True),
            (b"https://evil.example", False),
            (b"http://localhost:3000", False),
            (b"null", False),
        ]:
            client = SyncClient(app, headers=[(b"origin", origin)])
            message = await client.outgoing.get()
            assert (message["type"] == "websocket.accept") == is_welcome, origin
            client.leave()
            await client.task

    talk(conversation, cors=["https://good.example"])


def test_closing_the_database_ends_every_connection() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:list")
        await client.settled()
        await asyncio.to_thread(db.close)
        closed = await client.closed()
        assert closed.code == 1001

    talk(conversation)


def test_nothing_is_left_of_clients_that_have_gone() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        for _ in range(20):
            clients = [await connected(app, f"s{number}") for number in range(10)]
            for client in clients:
                client.modify(*(add(n, "served:echo", value=n) for n in range(10)))
                client.call("Mutation", "served:writeNote", text="a")
            for client in clients:
                await client.settled()
                await client.end()
        queries = db._reactor.queries
        assert (len(queries), queries.subscription_count) == (0, 0)
        queries.check()

    talk(conversation)


def test_two_thousand_clients_with_ten_queries_each_are_told_of_one_commit() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        clients = [await connected(app, f"s{number}") for number in range(2000)]
        for number, client in enumerate(clients):
            echoes = [add(n, "served:echo", value=[n, number % 50]) for n in range(9)]
            client.modify(*echoes, add(9, "served:list"))
        for client in clients:
            await client.settled()
        assert len(db._reactor.queries) == 9 * 50 + 1, "what they have in common is run once"
        await db.aio.mutate(served.write_note, text="a")
        for client in clients:
            await client.until(lambda client=client: client.values[9] == ["a"])
        for client in clients:
            await client.end()
        assert (len(db._reactor.queries), db._reactor.queries.subscription_count) == (0, 0)

    talk(conversation)


def test_limits_of_queries_and_messages() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.modify(*(add(number, "served:echo", value=number) for number in range(3)))
        await client.closed()
        assert "client_queries" in client.heard[-1]["error"]
        client = await connected(app)
        client.say(" " * 1001)
        closed = await client.closed()
        assert closed.code == 1009

    limits = hw.Limits(client_queries=2, client_message_bytes=1000)
    talk(conversation, database={"limits": limits})


def test_no_more_connections_than_the_limit() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        clients = [await connected(app) for _ in range(2)]
        for client in clients:
            client.watch(0, "served:list")
            await client.settled()
        closed = await SyncClient(app).closed()
        assert (closed.code, closed.reason) == (1013, "TooManyConcurrentRequests")
        await clients[0].end()
        late = await connected(app)
        late.watch(0, "served:list")
        await late.settled()
        for client in (clients[1], late):
            await client.end()

    talk(conversation, database={"limits": hw.Limits(client_connections=2)})


def test_a_failed_query_is_told_once_and_when_it_recovers() -> None:
    async def conversation(app: Any, db: hw.Database) -> None:
        client = await connected(app)
        client.watch(0, "served:refusing")
        await client.settled()
        failed = client.values[0]
        assert isinstance(failed, Failed)
        assert failed.data == "nothing there"
        await db.aio.mutate(served.write_note, text="a")
        await client.until(lambda: client.values[0] == 1)
        await client.end()

    talk(conversation)
