"""``headwater data`` and ``headwater schema``: tables and documents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.calling import NOTES, call, refused, shown

import headwater as hw
from headwater.cli.conditions import parse_condition

PEOPLE = [
    {"name": "Ada", "size": 1, "address": {"city": "London"}},
    {"name": "Grace", "size": 2.5},
    {"name": "Linus", "size": hw.Int64(3), "tags": ["a"]},
    {"name": "\x1b[31mMallory\n", "size": "10"},
]


@pytest.fixture
def people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with hw.open("people.hw") as db:
        db.transact(lambda tx: [tx.insert("people", person) for person in PEOPLE])
        db.transact(lambda tx: tx.insert("places", {}))
    return "people.hw"


def names(*arguments):
    lines = shown("data", "people.hw", "people", "--json", *arguments).splitlines()
    return [json.loads(line)["name"] for line in lines]


def test_the_tables_are_counted(people):
    assert shown("data", people).split() == ["4", "people", "1", "places"]
    lines = [json.loads(line) for line in shown("data", people, "--json").splitlines()]
    assert lines[0] == {"table": "people", "documents": 4}


def test_documents_are_listed_in_order_of_creation(people):
    assert names()[:3] == ["Ada", "Grace", "Linus"]
    assert names("--order", "desc")[1:] == ["Linus", "Grace", "Ada"]
    assert names("--limit", "2") == ["Ada", "Grace"]
    output = shown("data", people, "people", "--limit", "3")
    assert output.splitlines()[0].split() == ["_id", "name", "size", "address", "tags"]
    assert "... and more" in output
    assert "... and more" not in shown("data", people, "people", "--limit", "4")


def test_stored_text_cannot_command_a_terminal(people):
    output = shown("data", people, "people")
    assert "\x1b" not in output
    assert "\\x1b[31mMallory\\n" in output


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["name=Ada"], [0]),
        (["name == Ada"], [0]),
        (["size=2.5"], [1]),
        (["size>=2"], [1, 2]),
        (["size<10"], [0, 1, 2]),
        (['size="10"'], [3]),
        (["size!=1"], [1, 2, 3]),
        (["size>1", "name<H"], [1]),
        (["tags=missing"], [0, 1, 3]),
        (["tags!=missing"], [2]),
        (['tags=["a"]'], [2]),
        (["address.city=London"], [0]),
        (["address.city>A"], [0]),
        (["name.first=missing"], [0, 1, 2, 3]),
        (["tags>=missing"], [0, 1, 3]),
    ],
)
def test_conditions_choose_documents(people, conditions, expected):
    options = [option for condition in conditions for option in ("-w", condition)]
    assert names(*options) == [PEOPLE[at]["name"] for at in expected]


@given(st.integers(-3, 3), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3))
def test_numbers_are_compared_as_python_compares_them(left, operator, right):
    condition = parse_condition(f"n{operator}{right}")
    python = {"=": "=="}.get(operator, operator)
    assert condition.holds({"n": float(left)}) == eval(f"{left} {python} {right}")


def test_an_index_orders_and_narrows(folder, app):
    notes = app_notes(app)
    with hw.open("app.hw", modules=app, jobs="hold") as db:
        for author, size in (("Bob", 1), ("Ada", 2), ("Bob", 3)):
            db.mutate(notes.add, author=author, size=size)
        lines = shown("data", "app.hw", "notes", "--index", "by_author", "--json").splitlines()
        assert [json.loads(line)["size"] for line in lines] == [2, 1, 3]
        found = shown("data", "app.hw", "notes", "-w", "author=Bob", "-w", "size>1", "--json")
        assert json.loads(found)["size"] == 3
    assert "by_autor" in refused("data", "app.hw", "notes", "--index", "by_autor")


def test_the_past_is_shown(people):
    with hw.open(people) as db:
        first = db.log.read()[0].ts
    lines = shown("data", people, "--at", str(first), "--json").splitlines()
    assert json.loads(lines[1]) == {"table": "places", "documents": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["people.hw", "peple"], 1, "did you mean 'people'?"),
        (["people.hw", "zzzzzz"], 1, "lists the tables"),
        (["people.hw", "people", "-w", "what"], 2, "expected a field"),
        (["people.hw", "people", "--limit", "0"], 2, "greater than or equal"),
        (["people.hw", "people", "--order", "up"], 2, "asc"),
        (["none.hw"], 1, "there is no database"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_input_is_refused(people, arguments, code, says):
    assert says in refused("data", *arguments, code=code)


def test_the_stored_schema_is_shown(folder, app):
    assert shown("schema", "app.hw") == (
        "notes\n    author: str\n    size: int\n    index by_author (author)\n"
    )
    facts = json.loads(shown("schema", "app.hw", "--json"))
    assert facts["indexes"] == [
        {"name": "by_author", "fields": ["author"], "unique": False, "state": "ready"}
    ]
    assert facts["schema"]["type"] == "object"


def test_an_empty_database_says_so(tmp_path):
    hw.open(tmp_path / "empty.hw").close()
    assert shown("schema", tmp_path / "empty.hw") == "there are no tables\n"
    assert shown("data", tmp_path / "empty.hw") == "there are no tables\n"
    assert shown("schema", tmp_path / "empty.hw", "--json") == ""


CHANGES = {
    "size: int\n": ("size: int | str\n", "notes has another type, which fits all documents\n"),
    "author: str\n": (
        "author: int\n",
        "notes has another type: its documents have to be checked\n",
    ),
    '    by_author = Index("author")': (
        '    by_author = Index("author", "size")',
        "notes index by_author is made anew\n",
    ),
    "class Notes(Table[Note]):": (
        'class Notes(Table[Note]):\n    by_size = Index("size")',
        "notes index by_size is new\n",
    ),
    "crons = ": (
        'class Tag(Document["Tag"]): ...\nclass Tags(Table[Tag]): ...\ncrons = ',
        "tags is new\n",
    ),
}


@pytest.mark.parametrize("old", CHANGES, ids=[new for new, _ in CHANGES.values()])
def test_what_modules_would_change_is_shown_before(folder, app, old):
    assert shown("schema", "app.hw", "--against", "app") == "nothing differs\n"
    new, says = CHANGES[old]
    (folder / "changed").mkdir()
    (folder / "changed" / "notes.py").write_text(NOTES.replace(old, new))
    assert call("schema", "app.hw", "--against", "changed") == (1, says, "")
    code, output, _ = call("schema", "app.hw", "--against", "changed", "--json")
    assert (code, json.loads(output)["table"]) == (1, says.split()[0])


def app_notes(modules):
    return modules[0].notes
