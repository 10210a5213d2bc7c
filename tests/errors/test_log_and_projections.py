"""What a caller reads who uses the log or a projection wrongly."""

from types import ModuleType
from typing import Any

import pytest
from tests.errors import application
from tests.errors.application import Users

import headwater as hw
from headwater import Document, Table


class Total(Document["Total"]):
    count: int


class Totals(Table[Total]):
    pass


def count(state: hw.ProjectionState, event: hw.Change) -> None:
    row = state.query(Totals).first()
    if row is None:
        state.insert(Totals, {"count": 1})
    elif event.after is not None and event.after["name"] == "Mallory":
        state.patch(event.id, name="Alice")
    else:
        state.patch(row["_id"], count=row["count"] + 1)


@pytest.fixture
def db():
    module: Any = ModuleType("totals")
    module.count = hw.projection(into=[Totals], of=[Users])(count)
    with hw.open(None, modules=[application, module]) as opened:
        opened.mutate(application.create_user, name="Ada")
        yield opened


def test_a_write_to_a_table_that_only_a_projection_writes(db, said) -> None:
    with db.snapshot() as snapshot:
        total = snapshot.query(Totals).first()
    expected = (
        "table 'totals' is made by the projection 'count' from other tables, and cannot be written "
        "otherwise; write to the tables that it is fed with, or to a table of your own"
    )
    for use in (
        lambda tx: tx.insert(Totals, {"count": 1}),
        lambda tx: tx.patch(total["_id"], count=1_000_000),
        lambda tx: tx.delete(total["_id"]),
    ):
        assert said(hw.ProjectionTableError, lambda use=use: db.transact(use)) == expected


def test_a_projection_that_leaves_its_own_tables(db) -> None:
    with pytest.raises(hw.ProjectionTableError) as caught:
        db.mutate(application.create_user, name="Mallory")
    assert str(caught.value) == (
        "the projection 'count' used table 'users', which is none of its own: it reads and writes "
        "'totals' only, so that it depends on nothing but the changes that it is fed with. Name "
        "the table in into=, or keep what you need of it in a table of the projection"
    )
    assert (caught.value.table, caught.value.projection) == ("users", "count")
    (note,) = caught.value.__notes__
    assert note.startswith("raised by the projection 'count' for the <insert of j")


def test_an_optional_list_of_tables_is_a_list(db, said) -> None:
    assert said(hw.UsageError, lambda: db.log.read(tables="users")) == (
        "tables: expected a list of tables, got 'users'; write tables=[...]"
    )
    assert said(hw.UsageError, lambda: db.log.read(tables=[None])) == (
        "tables: expected tables or their names, got None"
    )
    assert said(hw.UsageError, lambda: db.log.read(limit=1.5)) == (
        "limit=1.5: expected a whole number, 0 or more"
    )


def test_a_tail_that_is_closed_or_has_nothing_new(db, said) -> None:
    tail = db.log.tail()
    assert said(TimeoutError, lambda: tail.next(0)) == "no wanted commit came within 0 s"
    tail.close()
    assert said(hw.ClosedError, tail.next) == (
        "the tail of the log is closed; begin one after its position"
    )


def test_a_projection_that_cannot_be_dropped(db, said) -> None:
    assert said(hw.UsageError, lambda: db.drop_projection("count")) == (
        "the projection 'count' is declared by a module that this database was opened with; open "
        "it without that declaration, and drop it then"
    )
    assert said(hw.UsageError, lambda: db.drop_projection("counts")) == (
        "there is no projection 'counts'; these are stored: 'count'"
    )


def test_two_projections_that_cannot_live_together(said) -> None:
    def empty(state: hw.ProjectionState, event: hw.Change) -> None:
        pass

    module: Any = ModuleType("two")
    module.a = hw.projection(into=[Totals], name="a")(empty)
    module.b = hw.projection(into=[Totals], name="b")(empty)
    assert said(hw.DeclarationError, lambda: hw.open(None, modules=[module])) == (
        "table 'totals' is made by two projections, 'a' and 'b'; give each of them a table of its "
        "own"
    )
