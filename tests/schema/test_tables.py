"""Tables take their names, documents and indexes from their classes."""

from typing import Any, Generic, TypedDict, TypeVar

import pytest

from headwater.errors import DeclarationError
from headwater.schema import v
from headwater.schema.tables import (
    Document,
    DocumentOf,
    Id,
    Index,
    Table,
    is_document_type,
    is_table,
    snake_case,
    table_of,
)

D = TypeVar("D")


class Channel(Document["Channel"]):
    name: str


class Channels(Table[Channel]):
    by_name = Index("name", unique=True)
    by_address = Index("address.city", "_creationTime")


class Tag(DocumentOf["Tag", "Tags"]):
    name: str


class Tags(Table[Tag], name="labels"):
    pass


class Owned(Table[D], Generic[D]):
    by_owner = Index("owner")


class Account(Document["Account"]):
    owner: str


class Accounts(Owned[Account]):
    by_name = Index("name")


@pytest.mark.parametrize(
    ("camel", "snake"),
    [
        ("Channels", "channels"),
        ("UserGroups", "user_groups"),
        ("HTTPRoutes", "http_routes"),
        ("V2Routes", "v2_routes"),
    ],
)
def test_names_of_tables_are_in_snake_case(camel: str, snake: str) -> None:
    assert snake_case(camel) == snake


def test_a_table_knows_its_name_and_its_document_type() -> None:
    assert Channels.table_name == "channels"
    assert Channels.document_type is Channel
    assert table_of(Channel) is Channels
    assert Tags.table_name == "labels"
    assert table_of(Tag) is Tags
    assert table_of(str) is None


def test_an_index_knows_its_table_its_name_and_its_fields() -> None:
    index = Channels.by_name
    assert (index.table, index.name, index.fields) == (Channels, "by_name", ("name",))
    assert index.is_unique
    assert index.definition.unique
    assert Channels.by_address.fields == ("address.city",)
    assert not Channels.by_address.is_unique
    assert [*Channels.indexes] == ["by_name", "by_address"]


def test_a_generic_table_gives_its_indexes_to_the_tables_made_from_it() -> None:
    assert [*Accounts.indexes] == ["by_owner", "by_name"]
    assert Accounts.by_owner.table is Accounts
    assert not is_table(Owned)
    with pytest.raises(DeclarationError, match="no table of its own"):
        _ = Owned.by_owner


def test_documents_and_ids_are_plain_at_run_time() -> None:
    tag: Any = Tag(_id="x", _creationTime=1.0, name="a")  # type: ignore[typeddict-item]
    assert type(tag) is dict
    assert type(Id("x")) is str


def test_document_types_are_told_from_other_classes() -> None:
    class Wider(Channel):
        more: str

    class Unbound(Document["Unbound"]):
        pass

    class View(TypedDict):
        _id: Id[Channel]

    assert is_document_type(Channel)
    assert is_document_type(Tag)
    assert is_document_type(Unbound)
    assert not is_document_type(Wider)
    assert not is_document_type(View)
    assert not is_document_type(dict)
    assert is_table(Channels)
    assert not is_table(Channel)
    assert not is_table("channels")


def test_a_table_without_a_document_type_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"class Things\(Table\[Item\]\)"):

        class Things(Table):  # type: ignore[type-arg]
            pass

    with pytest.raises(DeclarationError, match="a document type"):

        class Others(Table[str]):
            pass


def test_a_table_name_that_cannot_be_one_is_refused() -> None:
    class Item(Document["Item"]):
        pass

    with pytest.raises(DeclarationError, match="'_items' cannot be the name of a table"):

        class Items(Table[Item], name="_items"):
            pass


def test_an_index_that_cannot_be_is_refused_with_its_table() -> None:
    class Item(Document["Item"]):
        pass

    with pytest.raises(DeclarationError, match="table Items, index 'by_id'"):

        class Items(Table[Item]):
            by_id = Index("name")

    with pytest.raises(DeclarationError, match="cannot be called 'indexes'"):

        class Others(Table[Item]):
            indexes = Index("name")  # type: ignore[assignment]


def test_ids_are_declared_by_table_by_document_and_by_name() -> None:
    assert v.id(Channels) == v.id(Channel) == v.id("channels")
    with pytest.raises(DeclarationError, match="no table"):
        v.id(str)


def test_the_constructors_make_what_they_say() -> None:
    assert v.float64() == v.number()
    assert v.array(v.any()) == v.list(v.any())
    assert v.literal("a", None) == v.nullable(v.literal("a"))
    assert v.union(v.string()) == v.string()
    assert v.union(v.union(v.string(), v.null()), v.null()) == v.nullable(v.string())
    assert v.union(v.string()) != v.union()
    assert hash(v.union(v.string(), v.null())) == hash(v.union(v.null(), v.string()))
    assert v.union(v.string(), v.null()) != v.string()
