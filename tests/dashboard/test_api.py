"""What the page is told, and what it changes."""

import asyncio

import pytest
from tests.dashboard import application
from tests.dashboard.asking import TOKEN, Socket

import headwater as hw
from headwater.dashboard import tables as dashboard_tables


def names(found):
    return [one["name"] for one in found["tables"]]


def authors(found):
    return [row["author"] for row in found["rows"]]


# -- tables and rows ------------------------------------------------------------------------------


def test_tables_are_counted_now_and_then(dashboard, general):
    found = dashboard.read("tables")
    counts = {one["name"]: one["documents"] for one in found["tables"]}
    assert (counts["channels"], counts["messages"]) == (1, 3)
    first = dashboard.read("rows", table="channels")["rows"][0]
    created = dashboard.read("history", id=first["_id"])["revisions"][0]["ts"]
    past = {one["name"]: one["documents"] for one in dashboard.read("tables", at=created)["tables"]}
    assert (past["channels"], past["messages"]) == (1, 0)


def test_a_large_table_is_counted_up_to_a_bound(dashboard, general, monkeypatch):
    monkeypatch.setattr(dashboard_tables, "_COUNTED_MAX", 2)
    (messages,) = [one for one in dashboard.read("tables")["tables"] if one["name"] == "messages"]
    assert (messages["documents"], messages["isMore"]) == (2, True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["Linus", "Grace", "Ada"]),
        ({"order": "asc"}, ["Ada", "Grace", "Linus"]),
        ({"where": "author=Grace"}, ["Grace"]),
        ({"where": ["stars>=1", "stars<2"]}, ["Grace"]),
        ({"where": "tags=missing"}, ["Linus", "Grace", "Ada"]),
        ({"search": "FROM l"}, ["Linus"]),
        ({"sort": "stars", "order": "desc"}, ["Linus", "Grace", "Ada"]),
        ({"sort": "author", "order": "desc"}, ["Linus", "Grace", "Ada"]),
        ({"sort": "body", "order": "asc", "limit": "2"}, ["Ada", "Grace"]),
        ({"where": "author=Nobody"}, []),
    ],
)
def test_rows_are_filtered_and_in_order(dashboard, general, asked, expected):
    assert authors(dashboard.read("rows", table="messages", **asked)) == expected


def test_what_is_left_out_is_said(dashboard, general, monkeypatch):
    found = dashboard.read("rows", table="messages", limit="2")
    assert (len(found["rows"]), found["hasMore"], found["isCut"]) == (2, True, False)
    monkeypatch.setattr(dashboard_tables, "LOOKED_AT_MAX", 2)
    found = dashboard.read("rows", table="messages", search="from ada")
    assert (found["rows"], found["hasMore"], found["isCut"]) == ([], False, True)


@pytest.mark.parametrize(
    "asked",
    [
        {"table": "nothing"},
        {"table": "_tables"},
        {"table": "messages", "where": "author"},
        {"table": "messages", "limit": "0"},
        {"table": "messages", "limit": "many"},
        {"table": "messages", "order": "sideways"},
        {"table": "messages", "at": "-1"},
        {"table": "messages", "at": "9" * 30},
        {},
    ],
)
def test_what_cannot_be_listed_is_refused(dashboard, general, asked):
    assert dashboard.refused("rows", **asked) == (400, "BadRequest")


# -- documents ------------------------------------------------------------------------------------


def newest(dashboard):
    return dashboard.read("rows", table="messages", limit="1")["rows"][0]


def test_a_document_is_edited_and_the_edit_undone(dashboard, general):
    before = newest(dashboard)
    text = f'{{"channel": "{general}", "author": "Ada", "body": "other", "stars": 4}}'
    done = dashboard.act("replace", id=before["_id"], before=_text(before), text=text)
    assert newest(dashboard)["body"] == "other"
    revision = dashboard.read("history", id=before["_id"])["revisions"][0]
    assert revision["ts"] == done["ts"]
    assert revision["origin"]["identity"] == "dashboard"
    assert revision["changed"]["body"] == {"old": "from Linus", "new": "other"}
    assert revision["changed"]["kind"] == {"old": "text"}
    undone = dashboard.act("undo", ts=done["ts"])
    assert newest(dashboard) == before
    dashboard.act("undo", ts=undone["ts"])
    assert newest(dashboard)["body"] == "other"


def test_an_edit_of_what_has_changed_meanwhile_writes_nothing(dashboard, general):
    before = newest(dashboard)
    dashboard.db.mutate(application.star, message=hw.Id(before["_id"]))
    now = newest(dashboard)
    refused = dashboard.refused("replace", id=before["_id"], before=_text(before), text="{}")
    assert refused == (409, "ChangedMeanwhile")
    assert newest(dashboard) == now


def test_an_edit_of_what_is_gone_is_refused(dashboard, general):
    before = newest(dashboard)
    dashboard.act("delete", ids=[before["_id"]])
    refused = dashboard.refused("replace", id=before["_id"], before=_text(before), text="{}")
    assert refused == (404, "document_not_found")
    assert dashboard.refused("delete", ids=[before["_id"]]) == (404, "document_not_found")


@pytest.mark.parametrize("text", ['{"author": 1}', "{}", '{"more": 1}'])
def test_a_document_that_does_not_fit_its_type_is_refused(dashboard, general, text):
    assert dashboard.refused("insert", table="messages", text=text) == (422, "document_invalid")
    before = newest(dashboard)
    refused = dashboard.refused("replace", id=before["_id"], before=_text(before), text=text)
    assert refused == (422, "document_invalid")
    assert newest(dashboard) == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": NaN}'])
def test_what_is_no_object_of_json_is_refused(dashboard, general, text):
    assert dashboard.refused("insert", table="messages", text=text) == (400, "BadRequest")


def test_values_keep_their_types(dashboard):
    text = '{"i": 1, "f": 1.0, "big": 9007199254740993, "b": {"$bytes": "AAE="}}'
    id = dashboard.act("insert", table="things", text=text)["id"]
    found = dashboard.db.get(hw.Id(id))
    assert [type(found[name]) for name in ("i", "f", "big", "b")] == [int, float, int, bytes]
    shown = dashboard.request("GET", "api/document", params={"id": id}).text
    assert '"i":1,"f":1.0,"big":9007199254740993,"b":{"$bytes":"AAE="}' in shown


def test_documents_are_deleted_in_one_commit_and_come_back(dashboard, general):
    rows = dashboard.read("rows", table="messages")["rows"]
    done = dashboard.act("delete", ids=[row["_id"] for row in rows[:2]])
    assert done["count"] == 2
    assert authors(dashboard.read("rows", table="messages")) == ["Ada"]
    assert dashboard.read("document", id=rows[0]["_id"])["document"] is None
    assert dashboard.read("history", id=rows[0]["_id"])["revisions"][0]["kind"] == "delete"
    dashboard.act("undo", ts=done["ts"])
    assert dashboard.read("rows", table="messages")["rows"] == rows


def test_what_a_service_keeps_is_not_changed_by_hand(dashboard, general):
    (cron,) = dashboard.read("rows", table="_crons")["rows"]
    assert dashboard.refused("delete", ids=[cron["_id"]])[0] == 422
    assert dashboard.refused("insert", table="_crons", text="{}")[0] == 422
    assert dashboard.read("rows", table="_crons")["rows"] == [cron]


def test_a_version_is_restored(dashboard, general):
    before = newest(dashboard)
    first = dashboard.read("history", id=before["_id"])["revisions"][0]
    for _ in range(2):
        dashboard.db.mutate(application.star, message=hw.Id(before["_id"]))
    asked = {"id": before["_id"], "ts": first["ts"]}
    assert dashboard.refused("restore", **asked) == (409, "undo_conflict")
    done = dashboard.act("restore", **asked, override=True)
    assert newest(dashboard) == before
    assert dashboard.read("commit", ts=done["ts"])["origin"]["details"] == {
        "restores": int(first["ts"])
    }


def test_undoing_what_has_changed_since_is_asked_twice(dashboard, general):
    before = newest(dashboard)
    ts = dashboard.read("history", id=before["_id"])["revisions"][0]["ts"]
    dashboard.db.mutate(application.star, message=hw.Id(before["_id"]))
    assert dashboard.refused("undo", ts=ts) == (409, "undo_conflict")
    dashboard.act("undo", ts=ts, override=True)
    assert newest(dashboard)["author"] == "Grace"


def test_a_document_has_its_past(dashboard, general):
    id = newest(dashboard)["_id"]
    dashboard.db.mutate(application.star, message=hw.Id(id))
    latest, first = dashboard.read("history", id=id)["revisions"]
    assert latest["changed"] == {"stars": {"old": 2, "new": 3}}
    assert (first["kind"], first["origin"]["function"]) == ("insert", "application:send")
    assert dashboard.read("document", id=id, at=first["ts"])["document"]["stars"] == 2
    before = dashboard.read("step", ts=first["ts"], direction="previous")["ts"]
    assert dashboard.read("document", id=id, at=before)["document"] is None


# -- functions ------------------------------------------------------------------------------------


def test_functions_are_listed_with_what_they_take(dashboard):
    found = {one["path"]: one for one in dashboard.read("functions")["functions"]}
    send, star = found["application:send"], found["application:star"]
    assert send["arguments"]["value"]["channel"]["fieldType"] == {
        "type": "id",
        "tableName": "channels",
    }
    assert send["defaults"] == {"stars": 0, "kind": "text"}
    assert (star["kind"], star["isInternal"]) == ("mutation", True)


def test_functions_are_run(dashboard, general):
    arguments = f'{{"channel": "{general}", "author": "Ada", "body": "hi"}}'
    done = dashboard.act("run", path="application:send", arguments=arguments)
    assert newest(dashboard)["_id"] == done["value"]
    assert done["lines"] == [{"level": "info", "message": "Ada writes"}]
    commit = dashboard.read("history", id=done["value"])["revisions"][0]
    assert commit["origin"]["requestId"] == done["requestId"]
    dashboard.act("run", path="application:star", arguments=f'{{"message": "{done["value"]}"}}')
    assert newest(dashboard)["stars"] == 1
    found = dashboard.act("run", path="application:count", arguments="{}", at=commit["ts"])
    assert found["value"] == 4
    assert dashboard.act("run", path="application:digest", arguments="{}")["value"] == 4


def test_what_a_function_raises_is_an_outcome(dashboard, general):
    failed = dashboard.act("run", path="application:fail", arguments="{}")
    assert failed["error"] == "KeyError: 'the secret of the house'"
    assert "in fail" in failed["trace"]
    arguments = f'{{"channel": "{general}", "author": "Ada", "body": ""}}'
    refused = dashboard.act("run", path="application:send", arguments=arguments)
    assert refused["data"] == {"code": "EMPTY"}


@pytest.mark.parametrize(
    ("path", "arguments", "expected"),
    [
        ("application:nothing", "{}", (422, "function_not_found")),
        ("application:send", "{}", (422, "argument_invalid")),
        ("application:count", "[]", (400, "BadRequest")),
        ("application:count", "{", (400, "BadRequest")),
    ],
)
def test_what_cannot_be_called_is_refused(dashboard, path, arguments, expected):
    assert dashboard.refused("run", path=path, arguments=arguments) == expected


def test_a_query_is_watched(dashboard, general):
    async def watch():
        socket = Socket(dashboard.app)
        asked = {"path": "application:latest", "arguments": '{"limit": 1}'}
        socket.say({"token": TOKEN, "follow": "query", **asked})
        first = await socket.hear()
        arguments = {"channel": general, "author": "Ada", "body": "news"}
        await dashboard.db.aio.mutate(application.send, **arguments)
        second = await socket.hear()
        await socket.leave()
        return first["value"][0]["author"], second["value"][0]["body"]

    assert asyncio.run(watch()) == ("Linus", "news")


def test_a_query_that_raises_stays_watched(dashboard):
    async def watch():
        socket = Socket(dashboard.app)
        asked = {"path": "application:first", "arguments": "{}"}
        socket.say({"token": TOKEN, "follow": "query", **asked})
        raised = await socket.hear()
        channel = await dashboard.db.aio.mutate(application.create_channel, name="general")
        arguments = {"channel": channel, "author": "Ada", "body": "something"}
        await dashboard.db.aio.mutate(application.send, **arguments)
        value = await socket.hear()
        await socket.leave()
        return raised, value

    raised, value = asyncio.run(watch())
    assert (raised["data"], value["value"]) == ("nothing there", "something")


def test_only_queries_are_watched(dashboard):
    async def watch():
        socket = Socket(dashboard.app)
        asked = {"path": "application:fail", "arguments": "{}"}
        socket.say({"token": TOKEN, "follow": "query", **asked})
        return await socket.hear()

    assert asyncio.run(watch())["refused"] == "BadRequest"


def test_functions_are_called_as_somebody(dashboard):
    def who(identity):
        return dashboard.act("run", path="application:who", arguments="{}", identity=identity)

    assert who("")["value"] is None
    assert who('{"subject": "ada"}')["value"] == {"who": "ada", "of": "local"}
    assert who('{"subject": "ada", "issuer": "x", "c": 1}')["value"]["of"] == "x"
    asked = {"path": "application:who", "arguments": "{}"}
    assert dashboard.refused("run", **asked, identity='{"name": "ada"}') == (400, "BadRequest")


# -- the log --------------------------------------------------------------------------------------


def test_the_log_is_read_backwards_page_by_page(dashboard, general):
    page = dashboard.read("log", limit="2", table="messages")
    assert [one["tables"][0]["table"] for one in page["entries"]] == ["messages"] * 2
    rest = dashboard.read("log", limit="50", before=page["next"])
    assert rest["next"] is None
    assert "channels" in [one["tables"][0]["table"] for one in rest["entries"]]
    times = [int(one["ts"]) for one in page["entries"] + rest["entries"]]
    assert times == sorted(times, reverse=True)


def test_the_log_is_searched(dashboard, general):
    assert len(dashboard.read("log", search="APPLICATION:send")["entries"]) == 3
    id = newest(dashboard)["_id"]
    assert len(dashboard.read("log", search=id)["entries"]) == 1
    assert dashboard.read("log", search="nobody")["entries"] == []


def test_a_trimmed_log_ends_at_its_horizon(dashboard, general):
    entries = dashboard.read("log")["entries"]
    dashboard.db.trim_log(int(entries[1]["ts"]))
    left = [one["ts"] for one in dashboard.read("log")["entries"]]
    assert left == [one["ts"] for one in entries[:2]]
    assert dashboard.refused("tables", at=entries[3]["ts"]) == (422, "log_trimmed")


def test_a_commit_says_what_it_did(dashboard, general):
    id = newest(dashboard)["_id"]
    dashboard.db.mutate(application.star, message=hw.Id(id))
    ts = dashboard.read("log")["entries"][0]["ts"]
    (change,) = dashboard.read("commit", ts=ts)["changes"]
    assert (change["id"], change["changed"]) == (id, {"stars": {"old": 2, "new": 3}})
    assert dashboard.refused("commit", ts=str(int(ts) + 1)) == (400, "BadRequest")


def test_the_log_tells_commits_and_the_live_queries_that_they_touched(dashboard, general):
    db = dashboard.db

    async def follow():
        socket = Socket(dashboard.app)
        socket.say({"token": TOKEN, "follow": "log"})
        assert (await socket.hear()).keys() == {"begun"}
        arguments = {"channel": general, "author": "Ada", "body": "news"}
        await db.aio.mutate(application.send, **arguments)
        (entry,) = (await socket.hear())["entries"]
        await socket.leave()
        return entry

    with db.watch(application.count) as counting, db.watch(application.count):
        assert counting.next() == 3
        entry = asyncio.run(follow())
        assert entry["touched"] == [
            {"function": "application:count", "queries": 1, "subscriptions": 2}
        ]
        assert entry["tables"] == [{"table": "messages", "kind": "insert", "count": 1}]


def test_who_is_too_slow_is_told_to_look_anew(dashboard, general):
    db = dashboard.db

    async def follow():
        socket = Socket(dashboard.app)
        socket.say({"token": TOKEN, "follow": "log"})
        await socket.hear()
        for number in range(250):  # without a pause in which anything could be told
            db.transact(lambda tx, number=number: tx.insert("notes", {"n": number}))
        first = await socket.hear()
        db.transact(lambda tx: tx.insert("ends", {}))
        second = await socket.hear()
        await socket.leave()
        return first, second

    first, second = asyncio.run(follow())
    assert (len(first["entries"]), first["isCut"]) == (100, True)
    assert [one["tables"][0]["table"] for one in second["entries"]] == ["ends"]


def test_moments_to_travel_to(dashboard, general):
    found = dashboard.read("timeline")
    stops = [int(ts) for ts in found["stops"]]
    assert stops == sorted(stops)
    assert stops[-1] == dashboard.db.ts
    assert dashboard.read("step", ts=stops[0], direction="next")["ts"] == str(stops[1])
    assert dashboard.read("step", ts=stops[-1], direction="next")["ts"] is None
    assert dashboard.read("step", ts=stops[0], direction="previous")["ts"] is None


# -- jobs, crons, files ---------------------------------------------------------------------------


def jobs_in(dashboard, state):
    return dashboard.read("rows", table="_jobs", where=f"state={state}", sort="state")["rows"]


def test_queues_are_counted_and_paused(dashboard):
    dashboard.db.jobs.enqueue(application.deliver, to="a@b.example")
    (mail,) = dashboard.read("queues")["queues"]
    assert (mail["name"], mail["counts"], mail["isPaused"]) == ("mail", {"pending": 1}, False)
    dashboard.act("queues/change", queue="mail", verb="pause")
    assert dashboard.read("queues")["queues"][0]["isPaused"]
    assert dashboard.db.run_due_jobs() == 0
    dashboard.act("queues/change", queue="mail", verb="resume")
    assert dashboard.db.run_due_jobs() == 1
    assert dashboard.read("queues")["queues"][0]["counts"] == {"success": 1}


def test_dead_letters_run_again_or_are_forgotten(dashboard):
    for to in ("nobody", "nowhere", "none"):
        dashboard.db.jobs.enqueue(application.deliver, to=to)
    dashboard.db.run_due_jobs()
    dead = jobs_in(dashboard, "dead")
    assert {job["arguments"]["to"] for job in dead} == {"nobody", "nowhere", "none"}
    assert dashboard.act("jobs/change", ids=[dead[0]["_id"]], verb="redrive")["count"] == 1
    assert dashboard.act("jobs/change", ids=[dead[0]["_id"]], verb="redrive")["count"] == 0
    assert [job["_id"] for job in jobs_in(dashboard, "pending")] == [dead[0]["_id"]]
    assert dashboard.act("jobs/change", ids=[dead[1]["_id"]], verb="purge")["count"] == 1
    assert dashboard.act("queues/change", queue="mail", verb="redrive")["count"] == 1
    assert dashboard.act("queues/change", queue="mail", verb="purge")["count"] == 0
    assert dashboard.act("jobs/change", ids=[dead[0]["_id"]], verb="cancel")["count"] == 1
    assert len(jobs_in(dashboard, "canceled")) == 1


def test_what_is_scheduled_is_canceled(dashboard):
    id = dashboard.db.scheduler.run_after(60, application.digest)
    assert dashboard.act("scheduled/cancel", ids=[id])["count"] == 1
    (one,) = dashboard.read("rows", table="_scheduled_functions")["rows"]
    assert one["state"] == {"kind": "canceled"}


def test_only_crons_that_no_module_declares_are_deleted(dashboard):
    dashboard.db.crons.register("own", hw.IntervalSchedule(minutes=5), application.digest)
    assert dashboard.act("crons/delete", name="own")["count"] == 1
    assert dashboard.refused("crons/delete", name="digest")[0] == 422
    assert [one["name"] for one in dashboard.read("rows", table="_crons")["rows"]] == ["digest"]


@pytest.mark.parametrize(
    ("path", "facts", "status"),
    [
        ("jobs/change", {"ids": ["no id"], "verb": "cancel"}, 422),
        ("jobs/change", {"ids": [1], "verb": "cancel"}, 400),
        ("jobs/change", {"ids": [], "verb": "explode"}, 400),
        ("queues/change", {"queue": "mail", "verb": "explode"}, 400),
        ("queues/change", {"verb": "pause"}, 400),
        ("file/delete", {"id": "no id"}, 422),
        ("delete", {"ids": []}, 400),
    ],
)
def test_what_cannot_be_done_is_refused(dashboard, path, facts, status):
    assert dashboard.refused(path, **facts)[0] == status


def test_files_are_taken_along_and_never_interpreted(dashboard):
    content = b"<script>alert(1)</script>" * 10_000
    id = dashboard.db.storage.store(content, content_type="text/html", filename="a.html")
    response = dashboard.request("GET", "api/file", params={"id": id})
    assert response.content == content
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"] == "attachment"
    assert response.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
    assert dashboard.act("file/delete", id=id)["count"] == 1
    assert dashboard.refused("file", id=id)[0] == 404


# -- the rest -------------------------------------------------------------------------------------


def test_closing_the_database_ends_the_connections(dashboard, general):
    async def follow():
        socket = Socket(dashboard.app)
        socket.say({"token": TOKEN, "follow": "log"})
        await socket.hear()
        await asyncio.to_thread(dashboard.db.close)
        return await socket.hear()

    assert asyncio.run(follow()) == 1001


def test_insights_are_numbers(dashboard, general):
    for _ in range(3):
        dashboard.db.query(application.count)
    found = dashboard.read("insights")
    send = next(one for one in found["functions"] if one["function"] == "application:send")
    assert send["runs"] == 3
    assert sum(count for _, count in found["commits"]) == found["overview"]["commits"]
    assert {one["function"] for one in found["calls"]} >= {"application:send", "application:count"}
    (call, *_) = dashboard.read("calls", function="application:send")["calls"]
    assert call["lines"] == [{"level": "info", "message": "Linus writes"}]


def _text(document):
    from headwater.exchange.json_values import write_value

    return write_value(document, "exact")
