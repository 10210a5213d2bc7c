"""Annotations mean validators, or are refused with the place and the way out."""

import datetime as dt
import decimal
import enum
import typing
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
)

import pytest

from headwater.errors import DeclarationError
from headwater.schema import v
from headwater.schema.annotations import (
    Wire,
    declared_table_name,
    document_validator,
    validator_of,
    wire_name_of,
)
from headwater.schema.refine import refine
from headwater.schema.tables import Document, Id, Index, Table
from headwater.schema.validators import (
    Check,
    Length,
    ObjectValidator,
    Pattern,
    Range,
    RefinedValidator,
    Validator,
)
from headwater_indexes.values import Int64

T = TypeVar("T")


class Channel(Document["Channel"]):
    name: str
    parent: NotRequired["Id[Channel] | None"]


class Channels(Table[Channel]):
    by_name = Index("name")


class Point(TypedDict):
    x: float
    y: NotRequired[float]


class Loose(Point, total=False):
    z: int
    w: Required[int]


class Page(TypedDict, Generic[T]):
    items: list[T]
    first: T
    total: int


class Tree(TypedDict):
    children: "list[Tree]"


class Orphan(Document["Orphan"]):
    name: str


UserName = NewType("UserName", str)


class MinLen:
    """As in annotated-types."""

    min_length = 2


class Between:
    ge, le = 1, 9
    min_length = max_length = None


class Nothing:
    ge = None


def read(annotation: Any) -> Validator:
    return validator_of(annotation, where="chat:send: argument 'x'")


POINT = v.object({"x": v.number(), "y": v.optional(v.number())})


@pytest.mark.parametrize(
    ("annotation", "validator"),
    [
        (str, v.string()),
        (int, v.integer()),
        (float, v.number()),
        (bool, v.boolean()),
        (bytes, v.bytes()),
        (None, v.null()),
        (Any, v.any()),
        (Int64, v.int64()),
        (list, v.list(v.any())),
        (dict, v.record(v.string(), v.any())),
        (list[int], v.list(v.integer())),
        (typing.List[int], v.list(v.integer())),  # noqa: UP006 - the old spelling works too
        (Sequence[int], v.list(v.integer())),
        (dict[str, int], v.record(v.string(), v.integer())),
        (Mapping[str, int], v.record(v.string(), v.integer())),
        (dict[Id[Channel], int], v.record(v.id("channels"), v.integer())),
        (dict[Literal["a", "b"], int], v.record(v.literal("a", "b"), v.integer())),
        (str | None, v.nullable(v.string())),
        (Optional[str], v.nullable(v.string())),  # noqa: UP045 - the old spelling works too
        (Literal["a", 1, None, True, b"x"], v.literal("a", 1, None, True, b"x")),
        (Id[Channel], v.id("channels")),
        (Id[Channels], v.id("channels")),
        (UserName, v.string()),
        (Point, POINT),
        (Loose, v.object({"x": v.number(), "y": v.optional(v.number()),
                          "z": v.optional(v.integer()), "w": v.integer()})),
        (Page[Point], v.object({"items": v.list(POINT), "first": POINT, "total": v.integer()})),
        (Annotated[int, "a comment"], v.integer()),
        (Annotated[int, Range(ge=0)], v.refined(v.integer(), Range(ge=0))),
        (
            Annotated[str, Length(1), Pattern("a*")],
            v.refined(v.string(), Length(1), Pattern("a*")),
        ),
        (Annotated[int | None, Range(ge=0)], v.nullable(v.refined(v.integer(), Range(ge=0)))),
        (Annotated[str, MinLen()], v.refined(v.string(), Length(2))),
        (Annotated[int, Between()], v.refined(v.integer(), Range(ge=1, le=9))),
        (Annotated[int, Nothing()], v.integer()),
        (
            Channel,
            v.object(
                {
                    "name": v.string(),
                    "parent": v.optional(v.nullable(v.id("channels"))),
                    "_id": v.id("channels"),
                    "_creationTime": v.number(),
                }
            ),
        ),
    ],
)  # fmt: skip
def test_an_annotation_means_one_validator(annotation: Any, validator: Validator) -> None:
    assert read(annotation) == validator


def test_the_type_of_a_table_leaves_the_system_fields_out() -> None:
    assert document_validator(Channel, where="table 'channels'") == v.object(
        {"name": v.string(), "parent": v.optional(v.nullable(v.id("channels")))}
    )


class Colour(enum.Enum):
    RED = 1


@dataclass
class Data:
    x: int


class Own:
    __headwater_validator__ = v.string()
    __headwater_wire_name__ = "theirs"


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        (dt.datetime, r"value.timestamp\(\) \* 1000"),
        (dt.date, "isoformat"),
        (decimal.Decimal, "minor units"),
        (uuid.UUID, "store str"),
        (set[int], r"list\[T\]"),
        (tuple[int, ...], r"list\[T\]"),
        (object, "declare Any"),
        (Data, "TypedDict with its fields"),
        (Colour, "Literal of its values"),
        (Literal[Colour.RED], "write the value of"),
        (dict[int, str], r"dict\[str, T\]"),
        (dict[str | int, str], r"dict\[str, T\]"),
        (dict[Any, str], r"dict\[str, T\]"),
        (NotRequired[int], "field of a TypedDict only"),
        (range, "allowed are str, int"),
        ("strr", "allowed are str, int"),
        (T, "allowed are str, int"),
        (Annotated[str, Range(ge=1)], "str cannot be restricted to >= 1"),
        (Annotated[int, Length(1)], "int cannot be restricted to length >= 1"),
        (Tree, "Tree contains itself"),
        (Orphan, "Orphan is the document type of no table"),
        (Id[Orphan], "Orphan is the document type of no table"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_place_and_a_way_out(
    annotation: Any, advice: str
) -> None:
    with pytest.raises(DeclarationError, match=advice) as caught:
        read(annotation)
    assert str(caught.value).startswith("chat:send: argument 'x'")


def test_the_place_inside_a_typed_dict_is_named() -> None:
    class Inner(TypedDict):
        when: dt.datetime

    class Outer(TypedDict):
        inner: Inner

    Outer.__annotations__["inner"] = Inner
    with pytest.raises(DeclarationError, match=r"^table 't', field 'inner.when': datetime cannot"):
        document_validator(Outer, where="table 't'")


def test_a_name_that_is_only_there_for_type_checkers_is_explained() -> None:
    class Broken(TypedDict):
        field: "Unknown"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(DeclarationError, match="Unknown is not defined in the module at run time"):
        read(Broken)


def test_reserved_names_of_fields_are_refused() -> None:
    reserved: Any = TypedDict("reserved", {"$x": int})  # type: ignore[misc]
    with pytest.raises(DeclarationError, match=r"does not start with '\$'"):
        read(reserved)

    class Item(Document["Item"]):
        _mine: int

    with pytest.raises(DeclarationError, match="names that start with '_'"):
        document_validator(Item, where="table 'items'")


def test_a_document_type_with_more_fields_keeps_the_id_of_its_table() -> None:
    class Wider(Channel):
        members: int

    validator = read(Wider)
    assert isinstance(validator, ObjectValidator)
    assert validator.fields["_id"].validator == v.id("channels")
    assert [*validator.fields] == ["_id", "_creationTime", "name", "parent", "members"]


def test_a_type_may_bring_its_own_validator_and_wire_name() -> None:
    assert read(Own) == v.string()
    assert wire_name_of(Own) == "theirs"
    assert wire_name_of(Annotated[Own, "x"]) == "theirs"
    assert wire_name_of(Annotated[Own, Wire("mine")]) == "mine"
    assert wire_name_of(int) is None


def test_tables_are_found_by_document_type_and_by_class() -> None:
    assert declared_table_name(Channel) == declared_table_name(Channels) == "channels"
    assert declared_table_name(Orphan) is None


def test_a_refinement_goes_to_the_members_that_take_it() -> None:
    union = v.union(v.integer(), v.string(), v.null())
    even = Check(lambda _: True, "even")
    assert refine(union, Pattern("a")) == v.union(
        v.integer(), v.refined(v.string(), Pattern("a")), v.null()
    )
    assert refine(union, even) == v.union(
        v.refined(v.integer(), even), v.refined(v.string(), even), v.null()
    )
    with pytest.raises(ValueError, match="cannot be restricted"):
        refine(v.null(), even)
    assert isinstance(refine(v.id("users"), Pattern("j.*")), RefinedValidator)


def test_a_check_is_called_by_the_name_of_its_function() -> None:
    assert str(Check(str.islower)) == "accepted by str.islower"
    assert Range(ge=1).accepts(1)
    assert not Range(gt=1).accepts(1)
    assert not Range(lt=1).accepts(1)
    assert not Range(le=1).accepts(2)
