"""``headwater run``: functions called from a shell."""

import json
import threading

import pytest
from tests.cli.calling import call, refused, shown

import headwater as hw

pytestmark = pytest.mark.usefixtures("app")


def test_a_function_is_called_and_its_result_is_json(folder):
    note = json.loads(shown("run", "app/", "notes:add", '{"size": 3}'))
    assert json.loads(shown("run", "app", "notes:list"))[0]["_id"] == note
    line = shown("run", "app", "notes:list", '{"author": "Ada"}', "--json")
    assert line.count("\n") == 1
    assert json.loads(line)[0]["size"] == 3
    assert shown("run", "app", "notes:twice", '{"size": 2}') == "4\n"
    assert len(json.loads(shown("run", "app", "notes:list"))) == 3


def test_arguments_keep_their_types_and_may_come_from_elsewhere(folder):
    assert "expected int, got 3.0" in refused("run", "app", "notes:add", '{"size": 3.0}')
    shown("run", "app", "notes:add", "-", stdin='{"size": {"$integer": "AwAAAAAAAAA="}}')
    assert json.loads(shown("run", "app", "notes:list"))[0]["size"] == {"$integer": "AwAAAAAAAAA="}


def test_internal_functions_can_be_called_by_who_has_the_files(folder):
    note = json.loads(shown("run", "app", "notes:add", '{"size": 3}'))
    assert shown("run", "app", "notes:forget", json.dumps({"note": note})) == "null\n"
    assert json.loads(shown("run", "app", "notes:list")) == []


def test_a_function_sees_who_calls(folder):
    assert shown("run", "app", "notes:who") == "null\n"
    assert shown("run", "app", "notes:who", "--identity", "ada") == '"local|ada"\n'
    given = '{"subject": "ada", "issuer": "https://id", "email": "a@b"}'
    assert shown("run", "app", "notes:who", "--identity", given) == '"https://id|ada"\n'
    assert '"subject"' in refused("run", "app", "notes:who", "--identity", "{}", code=2)
    refused("run", "app", "notes:who", "--identity", "", code=2)


def test_the_past_can_be_asked(folder, app):
    shown("run", "app", "notes:add", '{"size": 3}')
    with hw.open("app.hw") as db:
        before = db.log.read()[0].ts - 1
    assert shown("run", "app", "notes:list", "--at", str(before)) == "[]\n"
    said = refused("run", "app", "notes:add", '{"size": 3}', "--at", str(before))
    assert "only a query" in said
    assert "expected one of them" in refused(
        "run", "app", "notes:list", "--at", "1d", "--watch", code=2
    )


def test_each_new_result_is_shown(folder, app):
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        stop = db.calls.listen(lambda record: add_once(record.reason))
        added = []

        def add_once(reason):
            # The first result is there: what is committed now is seen by whoever watches.
            if reason == "live" and not added:
                added.append(True)
                notes = app[0].notes
                threading.Thread(target=lambda: db.mutate(notes.add, size=5)).start()

        output = shown("run", "app", "notes:list", "--watch", "--limit", "2", "--json")
        stop()
    assert [len(json.loads(line)) for line in output.splitlines()] == [0, 1]
    assert "only a query" in refused("run", "app", "notes:add", '{"size": 3}', "--watch")


def test_what_the_application_refuses_is_told_with_its_data(folder):
    said = refused("run", "app", "notes:add", '{"size": 0}')
    assert said == (
        "[info] adding 0 headwater: the application refused: "
        '{"code":"EMPTY","size":{"$integer":"AAAAAAAAAAA="}}'
    )


def test_what_a_function_raises_is_told_with_its_place(folder):
    said = refused("run", "app", "notes:add", '{"size": 13}')
    assert "headwater: app/notes.py:" in said
    assert "ZeroDivisionError" in said
    assert "return 1 // 0" in said
    assert "headwater/functions" not in said


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["app", "notes:ad"], 1, "did you mean 'notes:add'?"),
        (["app", "notes:add", "{"], 2, "it is no JSON"),
        (["app", "notes:add", "[1]"], 2, "expected a JSON object"),
        (["app", "notes:add", '{"sise": 1}'], 1, "did you mean 'size'?"),
        (["app", "notes:list", "-d", "none.hw"], 1, "there is no database"),
        (["app", "notes:list", "--at", "yesterday"], 2, "expected a date"),
        (["none", "notes:list", "-d", "app.hw"], 1, "there are no modules"),
        (["app"], 2, "Missing argument"),
        (["app.hw", "notes:list"], 1, "app.hw is a database; expected the modules"),
    ],
)
def test_wrong_input_is_refused(folder, arguments, code, says):
    assert says in refused("run", *arguments, code=code)
    assert not (folder / "none.hw").exists()


def test_the_database_may_be_open_elsewhere(folder, app):
    with hw.open("app.hw", modules=app, jobs="hold"):
        assert call("run", "app", "notes:list")[0] == 0
