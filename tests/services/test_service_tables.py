"""Tables of services: made when they are needed, read by everybody, written by their service."""

from contextlib import closing

import pytest
from tests.services import keeper

import headwater as hw
from headwater import testing
from headwater.services import service_tables
from headwater.tables.catalog import load_catalog


@pytest.fixture(autouse=True)
def _kept(monkeypatch):
    places = {"_kept": "tests.services.keeper:KeptThings"}
    monkeypatch.setattr(service_tables, "_PLACES", places)


@pytest.fixture
def db():
    with testing.database(keeper_without_its_table()) as database:
        yield database


def keeper_without_its_table():
    """The functions of the module; an application does not show the table of a service."""
    import types

    module = types.ModuleType("keeping")
    for name in ("keep", "resize", "drop", "keep_and_fail", "abuse", "sizes"):
        setattr(module, name, getattr(keeper, name))
    return module


def catalog(db):
    with closing(db._store.snapshot()) as snapshot:
        return load_catalog(snapshot.reader)


def test_it_is_made_when_it_is_first_written_to(db):
    assert db.query(keeper.sizes) == []
    before = db.ts
    assert "_kept" not in catalog(db).by_name
    db.mutate(keeper.keep, key="a", size=3)
    table = catalog(db).by_name["_kept"]
    assert (table.number, sorted(table.by_name)) == (1999, ["by_key", "by_size"])
    assert all(index.state == "ready" for index in table.indexes)
    assert db.tables() == []
    entries = db.log.read(before, tables=["_tables", "_kept"])
    assert [entry.origin.function for entry in entries] == ["_create_table", "keeping:keep"]


def test_a_watcher_sees_the_first_document(db):
    with db.watch(keeper.sizes) as live:
        seen = iter(live)
        assert next(seen) == []
        db.mutate(keeper.keep, key="a", size=3)
        assert next(seen) == [3]


def test_its_indexes_order_and_refuse_like_any_other(db):
    for key, size in [("a", 3), ("b", 1), ("c", 2)]:
        db.mutate(keeper.keep, key=key, size=size)
    assert db.query(keeper.sizes) == [1, 2, 3]
    assert db.query(keeper.sizes, least=2) == [2, 3]
    with pytest.raises(hw.UniqueViolationError):
        db.mutate(keeper.keep, key="a", size=9)
    with pytest.raises(hw.ApplicationError):
        db.mutate(keeper.keep_and_fail, key="d")
    assert db.query(keeper.sizes) == [1, 2, 3]


def test_its_documents_have_to_fit_its_type(db):
    with pytest.raises(hw.DocumentInvalidError, match="_kept"):
        db.transact(
            lambda tx: keeper.ServiceWriter(tx._transaction, tx._rules).insert(
                "_kept", {"key": 1, "size": 1}
            )
        )


@pytest.mark.parametrize("verb", ["insert", "insert_many", "patch", "replace", "delete"])
def test_the_application_does_not_write_it(db, verb):
    id = db.mutate(keeper.keep, key="a", size=3)
    refusals = (hw.DeclarationError, hw.InvalidIdError)
    with pytest.raises(refusals, match=r"table of the database itself|system table"):
        db.mutate(keeper.abuse, verb=verb, id=id)
    assert db.query(keeper.sizes) == [3]


@pytest.mark.parametrize("name", ["_tables", "_indexes", "_projections", "_nothing"])
def test_nobody_writes_a_table_whose_name_begins_with_an_underscore(db, name):
    with pytest.raises(hw.DeclarationError, match="begin with a letter"):
        db.transact(lambda tx: tx.insert(name, {"name": "x"}))
    with db.transaction() as tx, pytest.raises(hw.DeclarationError, match="begin with a letter"):
        tx.insert_many(name, [{"name": "x"}])


def test_the_log_alone_has_it(db):
    id = db.mutate(keeper.keep, key="a", size=3)
    db.mutate(keeper.resize, id=id, size=4)
    gone = db.mutate(keeper.keep, key="b", size=5)
    db.mutate(keeper.drop, id=gone)
    assert db.verify() == []
    db.rebuild()
    assert db.verify() == []
    assert db.query(keeper.sizes) == [4]
    assert [revision.changed for revision in db.history(id)] == [
        {"size": (3, 4)},
        {"key": (hw.MISSING, "a"), "size": (hw.MISSING, 3)},
    ]


def test_the_past_shows_it_as_it_was(db):
    id = db.mutate(keeper.keep, key="a", size=3)
    then = db.ts
    db.mutate(keeper.resize, id=id, size=4)
    assert db.query(keeper.sizes, at=then) == [3]
    with db.fork(at=then) as fork:
        assert fork.query(keeper.sizes) == [3]
        assert fork.verify() == []
    db.trim_log(before=db.ts)
    assert db.verify() == []
    assert db.query(keeper.sizes) == [4]


def test_an_undo_leaves_what_services_did(db):
    def both(tx):
        tx.insert("notes", {"text": "x"})
        keeper.ServiceWriter(tx._transaction, tx._rules).insert("_kept", {"key": "a", "size": 1})

    db.transact(both)
    db.undo(db.ts)
    with db.snapshot() as snapshot:
        assert snapshot.query("notes").collect() == []
    assert db.query(keeper.sizes) == [1]


def test_a_type_that_has_grown_is_taken_over_at_the_next_opening(tmp_path, monkeypatch):
    functions = keeper_without_its_table()
    with hw.open(tmp_path / "db", modules=[functions]) as db:
        db.mutate(keeper.keep, key="a", size=3)

    class Grown(hw.Document["Grown"]):
        key: str
        size: int | None

    class GrownThings(hw.Table[Grown], name="_kept", number=1999):
        by_size = hw.Index("size", "key")

    monkeypatch.setattr(keeper, "KeptThings", GrownThings)
    with hw.open(tmp_path / "db", modules=[functions]) as db:
        table = catalog(db).by_name["_kept"]
        assert sorted(table.by_name) == ["by_size"]
        assert table.by_name["by_size"].definition.fields == ("size", "key")
        assert db.query(keeper.sizes) == [3]
        assert db.verify() == []


def test_an_application_may_name_it_in_its_types(tmp_path):
    with hw.open(tmp_path / "db", modules=[keeper]) as db:
        assert catalog(db).by_name["_kept"].number == 1999
        kept = db.mutate(keeper.keep, key="a", size=3)
        db.transact(lambda tx: tx.insert(keeper.Things, {"kept": kept}))
        with pytest.raises(hw.DocumentInvalidError):
            db.transact(lambda tx: tx.insert(keeper.Things, {"kept": "nonsense"}))
    with hw.open(tmp_path / "db") as db:
        assert db.tables() == ["things"]


def test_only_tables_of_services_have_numbers_and_underscores():
    with pytest.raises(hw.DeclarationError, match="cannot be the name"):

        class Hidden(hw.Table[keeper.Kept], name="_hidden"):
            pass
