"""Arguments and results are what the annotations say, or the error says which are not."""

from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ArgumentError, DeclarationError, ReturnValueError
from headwater.functions.arguments import CompiledFunction, read_contract
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.declaration import Function
from headwater.functions.decorators import mutation, query
from headwater.schema import v
from headwater.schema.annotations import Wire, declared_table_name
from headwater.schema.explain import TableNumbers
from headwater.schema.tables import Document, Id, Index, Table
from headwater.schema.validators import Range
from headwater.transactions.pagination import PaginationOptions
from headwater_indexes.ids import mint

NUMBERS = {"rooms": 10_001, "notes": 10_002}
TABLES = TableNumbers(NUMBERS.get, {number: name for name, number in NUMBERS.items()}.get)
ROOM = mint(10_001, 1.7e12, 1)
NOTE = mint(10_002, 1.7e12, 1)


class Room(Document["Room"]):
    name: str


class Rooms(Table[Room]):
    by_name = Index("name")


class Note(Document["Note"]):
    room: Id[Room]
    body: str


class Notes(Table[Note]):
    by_room = Index("room")


class Filter(TypedDict):
    name: str


@mutation
def send(
    ctx: MutationCtx, channel: Id[Room], author: str, filters: list[Filter], limit: int = 50
) -> Id[Note]:
    raise NotImplementedError


@query
def notes(
    ctx: QueryCtx, size: Annotated[int, Wire("pageSize")], options: PaginationOptions, tag: str = ""
) -> list[Note]:
    raise NotImplementedError


@query
def loose(ctx, anything, more=None):  # type: ignore[no-untyped-def]
    raise NotImplementedError


@mutation(args={"size": v.refined(v.integer(), Range(gt=0))}, returns=v.literal("done"))
async def explicit(ctx: MutationCtx, size: int, name: str = "x") -> str:
    raise NotImplementedError


def compiled(function: Function[..., Any], path: str = "chat:send") -> CompiledFunction[..., Any]:
    return CompiledFunction(function, read_contract(function, path, declared_table_name), TABLES)


FITTING: dict[str, Any] = {"channel": ROOM, "author": "Ada", "filters": [{"name": "x"}]}


def test_arguments_that_fit_come_back_in_order_with_defaults() -> None:
    bound = compiled(send).bind((), {"author": "Ada", "filters": [], "channel": ROOM})
    assert list(bound.items()) == [
        ("channel", ROOM),
        ("author", "Ada"),
        ("filters", []),
        ("limit", 50),
    ]
    assert compiled(send).bind((ROOM, "Ada"), {"filters": [], "limit": 3})["limit"] == 3
    assert compiled(send).bind_wire(FITTING)["limit"] == 50
    assert repr(compiled(send)) == "<compiled mutation chat:send>"


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"author": 1}, "author", "argument 'author': expected str, got 1 (int)"),
        (
            {"filters": [{"name": "x"}, {"nam": "y"}]},
            "filters[1]",
            (
                "argument 'filters[1]': unknown field 'nam' - did you mean 'name'? "
                "(and 'name' is missing)"
            ),
        ),
        (
            {"channel": NOTE},
            "channel",
            (
                "argument 'channel': expected an id of table 'rooms', "
                f"got an id of table 'notes' ('{NOTE}')"
            ),
        ),
        ({"x": 1}, "", "unknown argument 'x' (known: channel, author, filters, limit)"),
    ],
)
def test_an_argument_that_does_not_fit_is_named(
    changes: dict[str, Any], path: str, message: str
) -> None:
    for bind in (
        lambda given: compiled(send).bind((), given),
        lambda given: compiled(send).bind_wire(given),
        lambda given: compiled(send).check_arguments(given),
    ):
        with pytest.raises(ArgumentError) as caught:
            bind({**FITTING, **changes})
        assert str(caught.value) == f"chat:send: {message}"
        assert (caught.value.function, caught.value.path) == ("chat:send", path)


def test_a_misspelt_argument_and_the_missing_one_are_told_together() -> None:
    with pytest.raises(ArgumentError) as caught:
        compiled(send).bind((), {"chanel": ROOM, "author": "Ada", "filters": []})
    assert str(caught.value) == (
        "chat:send: unknown argument 'chanel' - did you mean 'channel'? (and 'channel' is missing)"
    )


def test_positions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentError, match="takes 4 arguments by position, got 5"):
        compiled(send).bind((1, 2, 3, 4, 5), {})


@given(st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_arguments_from_outside_have_to_be_a_dict(arguments: Any) -> None:
    with pytest.raises(ArgumentError, match=r"chat:send: arguments: expected \{channel, author"):
        compiled(send).bind_wire(arguments)


def test_arguments_have_their_own_names_outside() -> None:
    options = {"numItems": 3, "cursor": None}
    ready = compiled(notes)
    bound = {"size": 1, "options": options, "tag": ""}
    assert ready.bind_wire({"pageSize": 1, "paginationOpts": options}) == bound
    assert ready.bind((), {"size": 1, "options": options}) == bound
    with pytest.raises(ArgumentError, match="unknown argument 'page_size' - did you mean 'pageSi"):
        ready.bind_wire({"page_size": 1, "paginationOpts": options})
    with pytest.raises(ArgumentError, match=r"argument 'paginationOpts\.numItems': expected int"):
        ready.bind_wire({"pageSize": 1, "paginationOpts": {"numItems": "x", "cursor": None}})


def test_a_parameter_without_annotation_takes_any_value() -> None:
    ready = compiled(loose)
    assert ready.bind((), {"anything": [1]}) == {"anything": [1], "more": None}
    with pytest.raises(ArgumentError, match="'anything': a set cannot be stored"):
        ready.bind((), {"anything": {1}})
    ready.check_result({"a": [None]})
    with pytest.raises(ReturnValueError, match="result: a set cannot be stored"):
        ready.check_result({1})


def test_arguments_are_nested_as_deeply_as_results() -> None:
    contract = read_contract(loose, "m:loose", declared_table_name)
    ready = CompiledFunction(loose, contract, TABLES, nesting=2)
    ready.bind((), {"anything": [[]]})
    ready.check_result([[]])
    with pytest.raises(ArgumentError, match="nested more deeply"):
        ready.bind((), {"anything": [[[]]]})
    with pytest.raises(ReturnValueError, match="nested more deeply"):
        ready.check_result([[[]]])


def test_a_result_that_does_not_fit_is_named_with_its_place() -> None:
    ready = compiled(notes, "chat:notes")
    note = {"_id": NOTE, "_creationTime": 1.0, "room": ROOM, "body": "x"}
    ready.check_result([note])
    for result, path, message in (
        (None, "", "result: expected list of {room, body, _id, _creationTime}, got None"),
        ([{**note, "body": 3}], "[0].body", "result[0].body: expected str, got 3 (int)"),
    ):
        with pytest.raises(ReturnValueError) as caught:
            ready.check_result(result)
        assert str(caught.value) == f"chat:notes: {message}"
        assert (caught.value.function, caught.value.path) == ("chat:notes", path)
    fielded = query(returns=v.object({"a": v.string()}))(loose.handler)
    with pytest.raises(ReturnValueError, match=r"chat:send: result\.a: expected str"):
        compiled(fielded).check_result({"a": 1})


def test_explicit_validators_replace_the_annotations() -> None:
    ready = compiled(explicit)
    assert ready.bind((1,), {}) == {"size": 1, "name": "x"}
    with pytest.raises(ArgumentError, match=r"expected int \(> 0\), got 0"):
        ready.bind((0,), {})
    with pytest.raises(ArgumentError, match="'name': expected str"):
        ready.bind((1,), {"name": 1})
    ready.check_result("done")
    with pytest.raises(ReturnValueError, match="expected 'done'"):
        ready.check_result("other")
    whole = query(args=v.object({"anything": v.string(), "more": v.optional(v.null())}))
    assert compiled(whole(loose.handler)).bind(("x",), {}) == {"anything": "x", "more": None}


def misspelt(ctx: QueryCtx, size: int) -> None: ...
def bad_default(ctx: QueryCtx, size: int = "x") -> None: ...  # type: ignore[assignment]
def bad_argument(ctx: QueryCtx, when: complex) -> None: ...
def bad_result(ctx: QueryCtx) -> set[int]: ...  # type: ignore[empty-body]
def only_checked(ctx: QueryCtx, x: "Unknown") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def twice(ctx: QueryCtx, a: int, b: Annotated[int, Wire("a")]) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (query(args={"siez": v.any()})(misspelt), "args=: unknown parameter 'siez' - did you mean"),
        (query(args={"size": v.optional(v.any())})(misspelt), "args=: 'size' is optional there"),
        (
            query(args=v.object({"size": v.optional(v.any())}))(misspelt),
            "args=: 'size' is optional there",
        ),
        (query(bad_default), "argument 'size': its default 'x' does not fit: expected int"),
        (query(bad_argument), "argument 'when': complex cannot be stored"),
        (query(bad_result), "result: set cannot be stored"),
        (query(only_checked), "argument 'x': Unknown is not defined in the module at run time"),
        (query(twice), "two arguments are called 'a' from outside"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(
    function: Function[..., Any], message: str
) -> None:
    with pytest.raises(DeclarationError, match=f"^chat:send: {message}"):
        compiled(function)


def test_defaults_that_are_ids_are_taken_as_they_are() -> None:
    @query
    def either(ctx: QueryCtx, room: Id[Room] | None = None, kind: Literal["a"] = "a") -> None: ...

    @query
    def fixed(ctx: QueryCtx, room: str = ROOM) -> None: ...

    assert compiled(either).bind((), {}) == {"room": None, "kind": "a"}
    assert compiled(fixed).bind((), {}) == {"room": ROOM}


def test_types_that_are_local_to_a_function_are_found_if_it_mentions_them() -> None:
    class Local(TypedDict):
        x: int

    unset: Any

    @query
    def function(ctx: QueryCtx, given: "Local") -> None:
        print(Local, unset)

    assert compiled(function).bind(({"x": 1},), {}) == {"given": {"x": 1}}
    unset = None
