"""Documents survive the way through files, all of them or none."""

import json
import types
import zipfile
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.exchange import shop
from tests.exchange.shop import Items, Makers
from tests.strategies import documents, values

import headwater as hw
from headwater.storage.codec import pack
from headwater_indexes.ids import encode_id

FORMATS = {"jsonl": "export", "convex": "export.zip"}


@pytest.fixture
def db():
    with hw.open(modules=[shop]) as database:
        yield database


def everything(db):
    """Every document of every table, as it is stored, in order."""
    with db.snapshot() as s:
        return {
            name: [pack(document) for document in s.query(name).collect()] for name in db.tables()
        }


def stock(db, count=5):
    """Fill both tables; ids of the items."""

    def fill(tx):
        maker = tx.insert(Makers, {"name": "Lego"})
        return [
            tx.insert(
                Items,
                {
                    "name": f"item {at % 3}",
                    "maker": maker,
                    "count": at,
                    "price": float(at),
                    "big": hw.Int64(at),
                    "extra": [at, float(at), b"\x00", None, {"deep": hw.Int64(-at)}],
                },
            )
            for at in range(count)
        ]

    return db.transact(fill)


def problems(db):
    """What verify finds, and what a rebuild changes."""
    before = everything(db)
    found = db.verify()
    db.rebuild()
    return found, everything(db) == before


@settings(max_examples=30, deadline=None)
@given(drawn=st.lists(documents(), max_size=6))
def test_an_export_of_lines_gives_back_every_type_of_every_value(tmp_path_factory, drawn):
    directory = tmp_path_factory.mktemp("exchange")
    with hw.open() as one, hw.open() as other:
        one.transact(lambda tx: tx.insert_many("things", drawn))
        one.export_to(directory / "export")
        other.import_from(directory / "export")
        assert everything(other) == everything(one)
        assert problems(other) == ([], True)


@pytest.mark.parametrize("name", FORMATS.values())
def test_both_formats_give_back_typed_documents_with_ids_and_times(db, tmp_path, name):
    stock(db)
    report = db.export_to(tmp_path / name)
    assert report == (tmp_path / name, db.ts, {"items": 5, "makers": 1}, 0, 0)
    other = types.ModuleType("other")
    with hw.open(modules=[shop]) as copy:
        imported = copy.import_from(tmp_path / name)
        assert imported.documents == {"items": 5, "makers": 1}
        assert imported.ts == copy.ts
        # What is declared Any comes back from Convex's numbers as it can.
        found, kept = copy.query(shop.items), db.query(shop.items)
        if name.endswith(".zip"):
            for document in [*found, *kept]:
                del document["extra"]
        assert [pack(document) for document in found] == [pack(document) for document in kept]
        assert problems(copy) == ([], True)
    del other


def test_tables_are_numbered_as_the_ids_say(tmp_path):
    with hw.open() as one:
        one.transact(lambda tx: tx.insert("zebras", {"n": 1}))
        ant = one.transact(lambda tx: tx.insert("ants", {"n": 2}))
        one.export_to(tmp_path / "export")
        with hw.open() as other:  # where they would be numbered the other way round
            other.transact(lambda tx: tx.insert("ants", {"n": 3}))
            other.transact(lambda tx: [tx.delete(d["_id"]) for d in tx.query("ants").collect()])
            other.transact(lambda tx: tx.insert("bees", {"n": 4}))
            other.transact(lambda tx: [tx.delete(d["_id"]) for d in tx.query("bees").collect()])
            other.import_from(tmp_path / "export")
            expected = everything(one)
            assert everything(other) == {**expected, "bees": []}
            assert other.get(ant)["n"] == 2
            other.transact(lambda tx: tx.insert("bees", {"n": 5}))
            assert problems(other) == ([], True)


def test_ids_of_an_import_are_checked_against_the_numbers_that_it_brings(db, tmp_path):
    ids = stock(db)
    db.export_to(tmp_path / "export")
    swapped = types.ModuleType("swapped")
    # Declared in the other order, so numbered the other way round.
    swapped.Items, swapped.Makers = Items, Makers
    with hw.open() as copy:
        copy.transact(lambda tx: tx.insert("items", {}))
        copy.transact(lambda tx: [tx.delete(d["_id"]) for d in tx.query("items").collect()])
        copy.import_from(tmp_path / "export")
        assert copy.get(ids[0])["name"] == "item 0"


def test_functions_accept_the_new_ids_at_once_where_tables_were_renumbered(tmp_path):
    with hw.open() as one:
        one.transact(lambda tx: tx.insert("items", {"name": "a", "count": 1, "price": 1.0}))
        maker = one.transact(lambda tx: tx.insert("makers", {"name": "m"}))
        one.export_to(tmp_path / "export")
    with hw.open(modules=[shop]) as db:
        with_maker = {"name": "b", "count": 1, "price": 1.0}
        before = db.transact(lambda tx: tx.insert(Makers, {"name": "x"}))
        db.transact(lambda tx: tx.insert(Items, {**with_maker, "maker": before}))
        db.import_from(tmp_path / "export", mode="replace")
        db.transact(lambda tx: tx.insert(Items, {**with_maker, "maker": maker}))
        item = db.query(shop.items)[0]["_id"]
        with pytest.raises(hw.DocumentInvalidError):
            db.transact(lambda tx: tx.insert(Items, {**with_maker, "maker": item}))


@settings(max_examples=20, deadline=None)
@given(
    payloads=st.dictionaries(
        st.binary(min_size=16, max_size=16), st.floats(0, 2**47), min_size=1, max_size=8
    ),
)
def test_foreign_ids_keep_their_times_and_their_order(tmp_path_factory, payloads):
    directory = tmp_path_factory.mktemp("foreign")
    rows = [
        {
            "_id": encode_id(10_001, payload),
            "_creationTime": time,
            "name": "same",
            "count": 1,
            "price": 0.5,
        }
        for payload, time in payloads.items()
    ]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (directory / "items.jsonl").write_text(lines)
    ordered = sorted(rows, key=lambda row: (row["_creationTime"], row["_id"]))
    with hw.open(modules=[shop]) as db:
        db.import_from(directory / "items.jsonl")
        assert [d["_id"] for d in db.query(shop.items)] == [row["_id"] for row in ordered]
        named = db.query(shop.items_named, name="same")
        assert [d["_creationTime"] for d in named] == sorted(payloads.values())
        db.mutate(shop.add, name="later")
        assert problems(db) == ([], True)
        db.export_to(directory / "again")
        with hw.open(modules=[shop]) as copy:
            copy.import_from(directory / "again")
            assert everything(copy)["items"] == everything(db)["items"]


def test_rows_without_ids_get_new_ones(db, tmp_path):
    (tmp_path / "items.jsonl").write_text(
        '{"name": "a", "count": 1, "price": 2}\n\n'
        '{"name": "b", "count": 1.0, "price": 2.5, "_creationTime": 1000}\n'
    )
    db.import_from(tmp_path / "items.jsonl", table=Items)
    first, second = db.query(shop.items)
    assert (first["name"], first["_creationTime"], second["name"]) == ("b", 1000.0, "a")
    assert type(first["count"]) is int
    assert problems(db) == ([], True)


def test_append_adds_and_replace_puts_in_place(db, tmp_path):
    kept, gone, *_ = stock(db)
    (tmp_path / "new.jsonl").write_text('{"name": "new", "count": 1, "price": 2.0}\n')
    with pytest.raises(hw.ImportRefusedError, match="has documents already; mode='append'"):
        db.import_from(tmp_path / "new.jsonl", table="items")
    db.import_from(tmp_path / "new.jsonl", table="items", mode="append")
    assert [item["name"] for item in db.query(shop.items_named, name="new")] == ["new"]
    document = {**db.get(kept), "name": "changed", "extra": None, "big": 3}
    (tmp_path / "replaced.jsonl").write_text(json.dumps(document))
    db.import_from(tmp_path / "replaced.jsonl", table="items", mode="replace")
    assert [(item["_id"], item["name"]) for item in db.query(shop.items)] == [(kept, "changed")]
    assert db.get(gone) is None
    assert [revision.document is None for revision in db.history(gone)] == [True, False]
    assert len(db.history(kept)) == 2
    assert problems(db) == ([], True)


def test_a_replaced_table_that_is_the_same_stays_the_same(db, tmp_path):
    stock(db)
    db.export_to(tmp_path / "export")
    before, ts = everything(db), db.ts
    db.import_from(tmp_path / "export", mode="replace")
    assert (everything(db), db.ts) == (before, ts)


GOOD = {"name": "x", "count": 1, "price": 1.0}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["{"], "items.jsonl, line 2: it is no JSON"),
        (["[]"], "expected an object"),
        ([{**GOOD, "count": 1.5}], "line 2: count: expected int"),
        ([{**GOOD, "nmae": 1}], "line 2: unknown field"),
        ([{"name": "x"}], "line 2: "),
        ([{**GOOD, "_id": "nonsense"}], "line 2: _id: "),
        ([{**GOOD, "_id": 5}], "expected a string, got 5"),
        ([{**GOOD, "_id": encode_id(513, bytes(16))}], "is an id of a system table"),
        ([{**GOOD, "_creationTime": "now"}], "expected milliseconds since the epoch"),
        ([{**GOOD, "_creationTime": -1}], "expected milliseconds since the epoch"),
        ([{**GOOD, "_creationTime": 1e300}], "expected milliseconds since the epoch"),
        ([{**GOOD, "_other": 1}], "line 2: "),
        ([{**GOOD, "extra": 2**70}], "line 2: "),
        ([{**GOOD, "_id": encode_id(10_001, bytes(16))}] * 2, "another line has"),
        (
            [{**GOOD, "_id": encode_id(number, bytes(16))} for number in (10_001, 10_002)],
            "all documents of a table have the same",
        ),
    ],
)
def test_a_line_that_does_not_fit_is_named_and_nothing_is_imported(db, tmp_path, lines, said):
    text = [line if isinstance(line, str) else json.dumps(line) for line in [GOOD, *lines]]
    (tmp_path / "items.jsonl").write_text("\n".join(text))
    ts = db.ts
    with pytest.raises(hw.ImportRefusedError) as caught:
        db.import_from(tmp_path / "items.jsonl")
    assert said in str(caught.value)
    assert str(caught.value).endswith("Nothing was imported")
    assert caught.value.line >= 2
    assert (db.ts, db.query(shop.items)) == (ts, [])


def test_documents_that_share_a_unique_key_are_refused_together(db, tmp_path):
    stock(db)
    ts = db.ts
    (tmp_path / "makers.jsonl").write_text('{"name": "new"}\n{"name": "Lego"}\n')
    with pytest.raises(hw.ImportRefusedError, match=r"by_name is unique, and .* have name='Lego'"):
        db.import_from(tmp_path / "makers.jsonl", mode="append")
    assert db.ts == ts
    assert db.verify() == []


def test_documents_that_exchange_their_unique_keys_are_replaced(db, tmp_path):
    def fill(tx):
        return [tx.insert(Makers, {"name": name}) for name in ("a", "b")]

    one, other = db.transact(fill)
    lines = [{"_id": one, "name": "b"}, {"_id": other, "name": "a"}]
    (tmp_path / "makers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    db.import_from(tmp_path / "makers.jsonl", mode="replace")
    assert [db.get(id)["name"] for id in (one, other)] == ["b", "a"]
    assert problems(db) == ([], True)


def test_an_id_that_is_there_already_is_refused_in_append(db, tmp_path):
    stock(db)
    db.export_to(tmp_path / "export", tables=[Items])
    ts = db.ts
    with pytest.raises(hw.ImportRefusedError, match=r"has a document .* already; mode='replace'"):
        db.import_from(tmp_path / "export", mode="append")
    assert db.ts == ts


def test_ids_that_cannot_be_kept_are_refused(db, tmp_path):
    stock(db)
    numbers = {name: table.number for name, table in db._store.catalog.by_name.items()}
    line = {**GOOD, "_id": encode_id(numbers["makers"], bytes(16))}
    (tmp_path / "items.jsonl").write_text(json.dumps(line))
    for mode in ("append", "replace"):
        with pytest.raises(hw.ImportRefusedError, match="ids cannot be kept"):
            db.import_from(tmp_path / "items.jsonl", mode=mode)


@pytest.mark.parametrize("name", FORMATS.values())
def test_an_export_never_overwrites(db, tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(hw.AlreadyThereError):
        db.export_to(tmp_path / name)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", FORMATS.values())
def test_an_export_that_is_interrupted_leaves_nothing(db, tmp_path, name):
    stock(db)

    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.export_to(tmp_path / name, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_is_interrupted_anywhere_leaves_nothing(db, tmp_path):
    stock(db)
    db.export_to(tmp_path / "export")
    steps = []
    with hw.open(modules=[shop]) as copy:
        before = everything(copy), copy.ts

        def interrupt_at(number):
            seen = []

            def report(progress):
                steps.append(progress)
                seen.append(progress)
                if len(seen) > number:
                    raise KeyboardInterrupt

            return report

        for number in range(100):
            try:
                copy.import_from(tmp_path / "export", progress=interrupt_at(number))
            except KeyboardInterrupt:
                assert (everything(copy), copy.ts) == before
            else:
                break
        assert {step.step.split()[0] for step in steps} == {"checking", "importing"}
        assert everything(copy) == everything(db)


def test_an_export_of_the_past_has_the_documents_of_then(db, tmp_path):
    stock(db)
    then, expected = db.ts, everything(db)
    db.mutate(shop.add, name="later")
    db.transact(lambda tx: tx.insert("newer", {}))
    db.export_to(tmp_path / "export", at=then)
    with hw.open(modules=[shop]) as copy:
        copy.import_from(tmp_path / "export")
        assert everything(copy) == expected


def test_a_snapshot_of_convexs_is_read_as_it_is(db, tmp_path):
    maker = encode_id(10_007, b"\x91" * 16)
    item = {"_id": encode_id(10_003, b"\x13" * 16), "_creationTime": 1700000000000.25}
    with zipfile.ZipFile(tmp_path / "snapshot_1.zip", "w") as archive:
        archive.writestr("README.md", "# Welcome")
        archive.writestr(
            "_tables/documents.jsonl",
            '{"name":"items","id":10003}\n{"name":"makers","id":10007}\n',
        )
        row = {**item, "name": "brick", "count": 3.0, "price": 2.0, "maker": maker, "big": 7}
        archive.writestr("items/documents.jsonl", json.dumps(row) + "\n")
        archive.writestr("items/generated_schema.jsonl", '"uniform"\n')
        row = {"_id": maker, "_creationTime": 1600000000000.5, "name": "Lego"}
        archive.writestr("makers/documents.jsonl", json.dumps(row) + "\n")
        archive.writestr("_storage/documents.jsonl", "")
        archive.writestr("_other/documents.jsonl", "")
    report = db.import_from(tmp_path / "snapshot_1.zip")
    assert report.skipped == ("_other",)
    (found,) = db.query(shop.items)
    assert found == {
        **item, "name": "brick", "count": 3, "price": 2.0, "maker": maker, "big": hw.Int64(7)
    }  # fmt: skip
    assert (type(found["count"]), type(found["big"])) == (int, hw.Int64)
    assert db.get(maker)["_creationTime"] == 1600000000000.5
    db.mutate(shop.add, name="native")
    assert problems(db) == ([], True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.jsonl", None, "no such file or directory"),
        ("notes.txt", "hi", "expected a directory of .jsonl files"),
        ("items.jsonl", "\ufeff{}", "byte order mark"),
        ("items.jsonl", b"\xff\xfe", "it is no UTF-8"),
    ],
)
def test_what_is_no_export_is_refused(db, tmp_path, name, content, said):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    with pytest.raises(hw.ImportRefusedError, match=said):
        db.import_from(tmp_path / name)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"README.md": ""}, "expected entries like messages/documents.jsonl"),
        ({"_components/waitlist/a/documents.jsonl": ""}, "components waitlist"),
        ({"items/documents.jsonl": "", "_tables/documents.jsonl": "{}"}, 'expected {"name"'),
        (
            {
                "items/documents.jsonl": "",
                "_tables/documents.jsonl": '{"name":"a","id":10001}\n{"name":"b","id":10001}',
            },
            "two tables have the same number",
        ),
    ],
)
def test_a_strange_archive_is_refused(db, tmp_path, entries, said):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    with pytest.raises(hw.ImportRefusedError, match=said):
        db.import_from(tmp_path / "a.zip")


def test_a_directory_without_lines_is_refused(db, tmp_path):
    with pytest.raises(hw.ImportRefusedError, match="expected files like"):
        db.import_from(tmp_path)


def test_unknown_options_are_refused(db, tmp_path):
    with pytest.raises(hw.ArgumentError, match="format='xml'"):
        db.export_to(tmp_path / "a", format="xml")
    with pytest.raises(hw.ArgumentError, match="mode='merge'"):
        db.import_from(tmp_path, mode="merge")
    with pytest.raises(hw.ArgumentError, match="there is no such table"):
        db.export_to(tmp_path / "a", tables=["nothing"])


def test_live_queries_see_an_import_at_once_and_whole(db, tmp_path):
    stock(db)
    db.export_to(tmp_path / "export")
    with ExitStack() as stack:
        copy = stack.enter_context(hw.open(modules=[shop]))
        live = iter(stack.enter_context(copy.watch(shop.items)))
        assert next(live) == []
        copy.import_from(tmp_path / "export")
        assert next(live) == db.query(shop.items)


@settings(max_examples=15, deadline=None)
@given(value=values())
def test_an_untyped_value_is_equal_after_convexs_format(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("convex") / "export.zip"
    with hw.open() as one, hw.open() as other:
        id = one.transact(lambda tx: tx.insert("things", {"value": value}))
        one.export_to(path)
        other.import_from(path)
        with one.snapshot() as then, other.snapshot() as now:
            key = [d["_id"] for d in now.query("things").collect()]
            assert key == [id]
            again = other.transact(lambda tx: tx.insert("things", {"value": then.get(id)["value"]}))
        assert {id, again} == {d["_id"] for d in other.snapshot().query("things").collect()}
