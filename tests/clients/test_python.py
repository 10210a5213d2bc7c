"""The official WebSocket client of the PyPI package ``convex``, as it is.

It holds the interpreter's lock while it waits, so it lives in a process of its own; and it calls
itself by another name over every connection, so what it sends again may happen twice.
"""

import pytest
from tests.clients.serving import ADMIN_TOKEN, Served
from tests.clients.tokens import token
from tests.processes.children import nursery

CLIENT = """
    import math
    import convex
    from convex import ConvexClient, ConvexError, ConvexInt64
    url, *given = sys.argv[2:]
    client = ConvexClient(url)

    def refused(call, *arguments):
        try:
            call(*arguments)
        except Exception as error:
            return error
        raise AssertionError(f"{arguments} was not refused")

    def until(subscription, wanted):
        # It repeats what it has told when a state comes that changes other queries only.
        while (told := next(subscription)) != wanted:
            before.append(told)
        return told

    before = []
"""


@pytest.fixture
def start():
    with nursery() as born:
        yield born


def run(start, served, code: str, *given: object) -> list[str]:
    child = start(CLIENT + code, "unused", served.url, *given)
    return child.finish()


def test_it_queries_mutates_and_acts(start, served) -> None:
    code = """
    here = {"room": "python"}
    assert client.query("application:texts", here) == []
    id = client.mutation("application:say", here | {"text": "Hi"})
    assert client.query("application:lines", here)[0]["_id"] == id
    assert client.action("application:sayByAction", here | {"text": "Ho"}) == 2.0
    assert client.query("application:texts", here) == ["Hi", "Ho"]
    """
    run(start, served, code)


def test_every_value_comes_back(start, served) -> None:
    code = """
    values = [
        None, True, False, 0.0, 1.5, 1e300, math.inf, -math.inf, "", "\\U0001f600\\x00",
        b"", b"\\x00\\xff", ConvexInt64(5), ConvexInt64(-(2**63)), [], {}, [1.0, [{"a": [b"x"]}]],
    ]
    for at, value in enumerate(values):
        here = {"room": f"python values {at}"}
        assert client.query("served:echo", {"value": value}) == value
        client.mutation("application:keep", here | {"value": value})
        assert client.query("application:kept", here) == [value]
    assert math.isnan(client.query("served:echo", {"value": math.nan}))
    assert math.copysign(1, client.query("served:echo", {"value": -0.0})) == -1
    kinds = client.query("served:kinds", {"whole": 3, "number": 3, "big": ConvexInt64(3)})
    assert kinds[:3] == ["3", "3.0", "Int64(3)"]
    """
    run(start, served, code)


def test_errors_with_data_are_its_own_errors(start, served) -> None:
    code = """
    for data in ({"code": "SOLD_OUT", "left": ConvexInt64(3)}, "sold out", None):
        error = refused(client.mutation, "application:refuse", {"room": "x", "data": data})
        assert isinstance(error, ConvexError), error
        assert error.data == data, error.data
    error = refused(client.query, "application:first", {"room": "python silence"})
    assert isinstance(error, ConvexError) and error.data["code"] == "SILENT"
    """
    run(start, served, code)


def test_other_errors_say_what_was_wrong(start, served) -> None:
    code = """
    for call, path, arguments, said in [
        (client.mutation, "served:fail", {"how": "other"}, "KeyError"),
        (client.query, "application:secret", {}, "Could not find public function"),
        (client.mutation, "application:say", {"room": 5.0, "text": "x"}, "room"),
        (client.action, "application:nothing", {}, "Could not find public function"),
    ]:
        error = refused(call, path, arguments)
        assert not isinstance(error, ConvexError)
        assert said in str(error), error
    """
    run(start, served, code)


def test_a_subscription_tells_each_state(start, served) -> None:
    code = """
    here = {"room": "python live"}
    texts = client.subscribe("application:texts", here)
    assert next(texts) == []
    for count in range(1, 6):
        client.mutation("application:say", here | {"text": "x", "rank": float(count)})
        until(texts, ["x"] * count)
    lengths = [len(told) for told in before]
    assert lengths == sorted(lengths)
    texts.unsubscribe()
    first = client.subscribe("application:first", {"room": "python first"})
    assert isinstance(refused(next, first), ConvexError)
    client.mutation("application:say", {"room": "python first", "text": "Hi"})
    until(first, "Hi")
    """
    run(start, served, code)


def test_many_subscriptions_are_watched_together(start, served) -> None:
    code = """
    here = {"room": "python together"}
    texts = client.subscribe("application:texts", here)
    count = client.subscribe("application:count", here)
    every = client.watch_all()
    client.mutation("application:say", here | {"text": "Hi"})
    for told in every:
        values = {number: one["value"] for number, one in told.items() if one is not None}
        if values.get(texts.id) == ["Hi"]:
            assert values[count.id] == 1.0, told
            break
    """
    run(start, served, code)


def test_a_token_says_who_calls(start, served, signing_key) -> None:
    code = """
    ada, grace, admin = given
    who = client.subscribe("application:who")
    assert next(who) is None
    for token, name in [(ada, "ada"), (grace, "grace")]:
        client.set_auth(token)
        until(who, name)
        assert client.query("application:who") == name
    client.clear_auth()
    until(who, None)
    client.set_admin_auth(admin)
    assert client.query("application:secret") == "of the house"
    """
    tokens = [token(signing_key, name) for name in ("ada", "grace")]
    run(start, served, code, *tokens, ADMIN_TOKEN)


def test_it_goes_on_through_cuts_and_kills_of_the_server(start, tmp_path, jwks) -> None:
    code = """
    here = {"room": "python restarts"}
    texts = client.subscribe("application:texts", here)
    assert next(texts) == []
    for count in range(1, 4):
        say("connected")
        hear()
        line = here | {"text": f"{count}", "rank": float(count)}
        while True:
            try:
                client.mutation("application:say", line)
                break
            except Exception as error:
                # It may give up a mutation that was under way, and not know whether it happened.
                assert str(error) == "channel closed", error
        expected = {f"{number}" for number in range(1, count + 1)}
        while set(seen := next(texts)) != expected:
            assert set(seen) < expected, seen
        assert seen == sorted(seen)
    """
    server = Served(start, tmp_path / "db", jwks)
    client = start(CLIENT + code, "unused", server.url)
    for number in range(3):
        assert client.hear() == "connected", client.errors
        if number % 2 == 0:
            server.drop()
            client.tell()
        else:
            server.kill()
            client.tell()
            server.restart()
    client.finish()
    server.finish()
