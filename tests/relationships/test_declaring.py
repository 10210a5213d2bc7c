"""Goal: a reference that cannot hold is refused where it is declared, with the reason.

Method: modules made by hand, each with one mistake; and databases that get references later.
"""

import types
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict

import pytest
from tests.relationships import graphs

import headwater as hw
from headwater import Document, Id, Index, Table
from headwater.functions.modules import collect
from headwater.testing import database


class Parent(Document["Parent"]):
    name: str


class Parents(Table[Parent]):
    pass


class Other(Document["Other"]):
    size: int


class Others(Table[Other]):
    pass


class Holder(TypedDict):
    parent: Annotated[Id[Parent], hw.references(on_delete="cascade")]


class InList(Document["InList"]):
    parents: list[Annotated[Id[Parent], hw.references(on_delete="cascade")]]


class InLists(Table[InList]):
    pass


class OnList(Document["OnList"]):
    parents: Annotated[list[Id[Parent]], hw.references(on_delete="cascade")]


class OnLists(Table[OnList]):
    pass


class InUnion(Document["InUnion"]):
    parent: Annotated[Id[Parent], hw.references(on_delete="cascade")] | None


class InUnions(Table[InUnion]):
    pass


class Two(Document["Two"]):
    parent: Annotated[Id[Parent] | Id[Other], hw.references(on_delete="cascade")]


class Twos(Table[Two]):
    pass


class Text(Document["Text"]):
    parent: Annotated[str, hw.references(on_delete="cascade")]


class Texts(Table[Text]):
    pass


class Required(Document["Required"]):
    parent: Annotated[Id[Parent] | None, hw.references(on_delete="set_missing")]


class Requireds(Table[Required]):
    pass


class Inside(Document["Inside"]):
    holder: Holder


class Insides(Table[Inside]):
    pass


class Twice(Document["Twice"]):
    parent: Annotated[
        Id[Parent], hw.references(on_delete="cascade"), hw.references(on_delete="restrict")
    ]


class Twices(Table[Twice]):
    pass


class Confused(Document["Confused"]):
    parent: Annotated[Id[Parent], hw.references(Other, on_delete="cascade")]


class Confuseds(Table[Confused]):
    pass


class Child(Document["Child"]):
    parent: Annotated[Id[Parent], hw.references(Parent, on_delete="cascade")]
    other: NotRequired[Annotated[Id[Other] | None, hw.references(on_delete="restrict")]]
    copy: NotRequired[Parent]


class Children(Table[Child]):
    reference_other = Index("parent", "other")


def module(*things: Any) -> types.ModuleType:
    made = types.ModuleType("made")
    for thing in things:
        setattr(made, thing.__name__, thing)
    return made


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (InLists, "table 'in_lists', field 'parents': hw.references belongs to a field"),
        (OnLists, "hw.references is on list of an id of table 'parents'.*make a table with"),
        (InUnions, r"around all of it, Annotated\[Id\[User\] \| None, hw.references"),
        (Twos, "expected the Id of one document type"),
        (Texts, "hw.references is on str"),
        (Requireds, "removes the field, which is required; declare it as NotRequired"),
        (Insides, "Holder.parent has hw.references, and is inside of another field"),
        (Twices, "hw.references is given twice"),
        (Confuseds, r"hw.references\(Other, ...\) is on an Id of table 'parents'"),
    ],
)
def test_what_cannot_hold_is_refused(table: Any, says: str) -> None:
    with pytest.raises(hw.DeclarationError, match=says):
        collect([module(Parents, Others, table)])


def test_what_happens_on_deletion_is_one_of_three() -> None:
    with pytest.raises(hw.DeclarationError, match=r"'casscade'.*expected one of 'cascade', 'restr"):
        hw.references(on_delete="casscade")  # type: ignore[arg-type]


def test_an_argument_cannot_refer() -> None:
    @hw.query
    def look(ctx: hw.QueryCtx, parent: Annotated[Id[Parent], hw.references(on_delete="cascade")]):
        return parent

    with pytest.raises(hw.DeclarationError, match=r"argument 'parent': hw.references belongs to"):
        collect([module(Parents, look)])


def test_a_table_that_a_projection_makes_can_neither_refer_nor_be_referred_to() -> None:
    @hw.projection(into=[Children], of=[Parents])
    def children(state: hw.ProjectionState, event: hw.Change) -> None: ...

    @hw.projection(into=[Parents], of=[Others])
    def parents(state: hw.ProjectionState, event: hw.Change) -> None: ...

    for name, projection in (("children", children), ("parents", parents)):
        made = module(Children, Others, Parents)
        made.projection = projection  # type: ignore[attr-defined]
        with pytest.raises(hw.DeclarationError, match=f"'{name}' is made by the projection"):
            collect([made])


def test_an_index_that_nobody_has_declared_is_made() -> None:
    with database(graphs) as db:
        catalog = db._store.catalog.by_name
        made = {
            name: [i.name for i in catalog[name].indexes if i.name.startswith("reference_")]
            for name in graphs.TABLES
        }
    assert made == {
        "owners": ["reference_manager"],
        "folders": ["reference_owner"],
        "files": ["reference_editor"],
        "links": ["reference_source", "reference_target"],
        "seals": ["reference_owner", "reference_file"],
    }


def test_it_gets_a_name_that_is_free() -> None:
    with database(module(Parents, Others, Children)) as db:
        names = [index.name for index in db._store.catalog.by_name["children"].indexes]
    assert names == ["reference_other", "reference_other_2"]


def test_it_is_searched_and_made_anew_like_any_other(tmp_path: Path) -> None:
    with hw.open(tmp_path / "db", modules=[graphs], durability="none") as db:
        owner = db.transact(lambda tx: tx.insert(graphs.Owners, {"name": "a"}))
        seal = db.transact(lambda tx: tx.insert(graphs.Seals, {"owner": owner}))
        with db.snapshot() as s:
            by_owner = s.query("seals").with_index("reference_owner", owner).collect()
        assert [found["_id"] for found in by_owner] == [seal]
        db.rebuild()
        assert db.verify() == []
        with pytest.raises(hw.ReferencedError):
            db.transact(lambda tx: tx.delete(owner))


# Documents that are there already ---------------------------------------------------------------


def plain(name: str) -> types.ModuleType:
    """The children without references."""

    class Child(Document["Child"]):
        parent: str
        other: NotRequired[str | None]
        copy: NotRequired[Any]

    class Children(Table[Child]):
        pass

    made = module(Parents, Others, Children)
    made.__name__ = name
    return made


def test_a_reference_is_declared_later_if_all_documents_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with hw.open(path, modules=[plain("first")], durability="none") as db:
        parent = db.transact(lambda tx: tx.insert("parents", {"name": "a"}))
        child = db.transact(lambda tx: tx.insert("children", {"parent": parent}))
        gone = db.transact(lambda tx: tx.insert("parents", {"name": "b"}))
        orphan = db.transact(lambda tx: tx.insert("children", {"parent": gone}))
        db.transact(lambda tx: tx.delete(gone))
    referring = module(Parents, Others, Children)
    with pytest.raises(hw.SchemaMismatchError) as refused:
        hw.open(path, modules=[referring], durability="none")
    assert refused.value.table == "children"
    assert [id for id, _ in refused.value.documents] == [orphan]
    assert f"refers to {gone!r}, which is not in 'parents'" in str(refused.value)
    with hw.open(path, modules=[plain("second")], durability="none") as db:
        db.transact(lambda tx: tx.delete(orphan))
    with hw.open(path, modules=[referring], durability="none") as db:
        db.transact(lambda tx: tx.delete(parent))
        assert db.get(child) is None
        assert db.verify() == []


def test_a_process_without_the_declaration_holds_it_as_well(tmp_path: Path) -> None:
    path = tmp_path / "db"
    with hw.open(path, modules=[module(Parents, Others, Children)], durability="none") as db:
        parent = db.transact(lambda tx: tx.insert(Parents, {"name": "a"}))
        db.transact(lambda tx: tx.insert(Children, {"parent": parent}))
    with hw.open(path, durability="none") as db:
        with pytest.raises(hw.DanglingReferenceError):
            db.transact(lambda tx: tx.insert("children", {"parent": parent[:-1] + "0"}))
        db.transact(lambda tx: tx.delete(parent))
        with db.snapshot() as s:
            assert s.query("children").collect() == []


def test_what_a_transaction_began_with_counts_no_more_once_references_are_declared(
    tmp_path: Path,
) -> None:
    """It would have deleted the parent alone, as its catalog says nothing of children."""
    path = tmp_path / "db"
    with hw.open(path, modules=[plain("first")], durability="none") as db:
        parent = db.transact(lambda tx: tx.insert("parents", {"name": "a"}))
        child = db.transact(lambda tx: tx.insert("children", {"parent": parent}))
        tx = db.transaction()
        tx.delete(parent)
        from headwater.schema.compile import compile_checker
        from headwater.transactions.declared_table import declared
        from headwater.transactions.deployment import deploy
        from headwater.transactions.index_building import build_indexes

        application = collect([module(Parents, Others, Children)])
        validator = application.documents["children"]
        check = compile_checker(validator, db._store.tables)
        schema, references = application.schemas["children"], application.references["children"]
        deploy(db._store, [declared(Children, schema, references, check)])
        build_indexes(db._store)
        with pytest.raises(hw.ConflictError, match="'parents' changed while it ran"):
            tx.commit()
        assert db.get(child) is not None
