"""Modules become an application, or the error names what clashes."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from headwater.errors import ArgumentError, DeclarationError, FunctionNotFoundError
from headwater.functions.contexts import QueryCtx
from headwater.functions.decorators import query
from headwater.functions.modules import collect
from headwater.schema import v
from headwater.schema.explain import TableNumbers
from headwater.schema.tables import Document, Id, Index, Table
from headwater_indexes.ids import mint

HEAD = """
from typing import Annotated, NotRequired, TypedDict
from headwater.schema.validators import Check
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.decorators import mutation, query
from headwater.schema.tables import Document, Id, Index, Table
"""

CHAT = """
class Channel(Document["Channel"]):
    name: str

class Channels(Table[Channel]):
    by_name = Index("name", unique=True)

@mutation
def create_channel(ctx: MutationCtx, name: str) -> Id[Channel]:
    return ctx.db.insert(Channels, {"name": name})

@query
def list_(ctx: QueryCtx) -> list[Channel]:
    return ctx.db.query(Channels).collect()
"""


@pytest.fixture
def make() -> Iterator[Any]:
    """Makes modules that count as imported until the end of the test."""
    made: list[str] = []

    def make_module(name: str, source: str, *, is_package: bool = False) -> ModuleType:
        module = ModuleType(name)
        if is_package:
            module.__path__ = []
        sys.modules[name] = module
        made.append(name)
        exec(HEAD + source, vars(module))
        return module

    yield make_module
    for name in made:
        del sys.modules[name]


def test_functions_and_tables_are_found_by_their_names(make: Any) -> None:
    chat = make("chat", CHAT)
    application = collect([chat])
    assert [*application.functions] == ["chat:createChannel", "chat:list"]
    assert application.function("chat:create_channel") is chat.create_channel
    assert application.path("chat:list_") == "chat:list"
    assert application.path_of(chat.list_) == "chat:list"
    assert application.tables == {"channels": chat.Channels}
    assert application.documents == {"channels": v.object({"name": v.string()})}
    assert application.table_of(chat.Channel) is chat.Channels
    assert application.contracts["chat:createChannel"].result == v.id("channels")
    assert application.modules == ("chat",)
    with pytest.raises(FunctionNotFoundError, match="did you mean 'chat:list'"):
        application.function("chat:lst")


def test_an_application_is_compiled_for_each_database(make: Any) -> None:
    chat = make("chat", CHAT)
    application = collect(["chat"])
    for number in (10_001, 10_002):
        numbers = TableNumbers({"channels": number}.get, {number: "channels"}.get)
        compiled = application.compile(numbers)[chat.create_channel]
        assert compiled.path == "chat:createChannel"
        assert compiled.bind((), {"name": "general"}) == {"name": "general"}
        compiled.check_result(mint(number, 1.7e12, 1))
        with pytest.raises(ArgumentError, match="chat:createChannel: missing argument 'name'"):
            compiled.bind((), {})


def test_a_function_of_no_opened_module_is_compiled_with_its_own_path(make: Any) -> None:
    application = collect([make("chat", CHAT)])
    other = make("other", "import chat\n@query\ndef one(ctx: QueryCtx, c: Id[chat.Channel]): pass")
    assert application.path_of(other.one) is None
    compiled = application.compile_function(other.one, TableNumbers(lambda _: None, lambda _: None))
    assert compiled.path == "other:one"
    assert compiled.contract.arguments == v.object({"c": v.id("channels")})


class Stray(Document["Stray"]):
    name: str


class Strays(Table[Stray]):
    by_name = Index("name")


def test_a_function_of_no_opened_module_cannot_name_a_table_that_is_not_there(make: Any) -> None:
    @query
    def one(ctx: QueryCtx, stray: Id[Stray]) -> None: ...

    application = collect([make("chat", CHAT)])
    assert application.table_of(Stray) is None
    with pytest.raises(DeclarationError, match="Stray is the document type of no table"):
        application.compile_function(one, TableNumbers(lambda _: None, lambda _: None))


def test_a_package_stands_for_its_modules_that_were_imported(make: Any) -> None:
    package = make("shop", "@query\ndef default(ctx: QueryCtx): pass", is_package=True)
    make("shop.admin", "", is_package=True)
    make("shop.admin.users", "@query\ndef list_(ctx: QueryCtx): pass")
    make("shopping", "@query\ndef other(ctx: QueryCtx): pass")
    application = collect([package])
    assert [*application.functions] == ["shop:default", "admin/users:list"]
    assert application.path("shop") == "shop:default"
    assert application.path("admin.users:list_") == "admin/users:list"


def test_functions_count_where_they_are_defined_and_tables_where_they_are_imported(
    make: Any,
) -> None:
    make("chat", CHAT)
    other = make("other", "from chat import *\n@query\ndef mine(ctx: QueryCtx): pass")
    application = collect([other])
    assert [*application.functions] == ["other:mine"]
    assert [*application.tables] == ["channels"]
    assert [*collect([other, "chat", other]).functions] == [
        "other:mine",
        "chat:createChannel",
        "chat:list",
    ]


def test_a_module_put_together_by_hand_has_all_that_it_holds(make: Any) -> None:
    chat = make("chat", CHAT)
    module = ModuleType("talk")
    vars(module)["send"] = chat.create_channel
    assert [*collect([module]).functions] == ["talk:send"]


def test_tables_that_ids_refer_to_are_taken_in(make: Any) -> None:
    make("chat", CHAT)
    make(
        "notes",
        """
import chat
class Author(Document["Author"]):
    channel: Id[chat.Channel]
class Authors(Table[Author]): pass
""",
    )
    other = make("other", "import notes\n@query\ndef of(ctx: QueryCtx, a: Id[notes.Author]): pass")
    assert [*collect([other]).tables] == ["authors", "channels"]


CLASHES = [
    (
        "class A(Document['A']): pass\n@query\ndef f(ctx: QueryCtx, a: Id[A]): pass",
        "m:f: argument 'a': A is the document type of no table",
    ),
    (
        "@query\ndef get_it(ctx: QueryCtx): pass\n@query\ndef getIt(ctx: QueryCtx): pass",
        "m: 'get_it' and 'getIt' are both called 'm:getIt'",
    ),
    (
        CHAT + "class Other(Document['Other']): pass\n"
        "class Others(Table[Other], name='channels'): pass",
        "table 'channels' is declared twice, as m.Channels and as m.Others",
    ),
    (
        CHAT + "class Rooms(Table[Channel]): pass",
        "Channel is the document type of two tables, 'channels' and 'rooms'",
    ),
    (
        "class A(Document['A']):\n    when: complex\nclass As(Table[A], name='as_'): pass",
        "table 'as_', field 'when': complex cannot be stored",
    ),
    (
        (
            "class A(Document['A']):\n    name: str\n"
            "class As(Table[A], name='as_'):\n    by_nme = Index('nme')"
        ),
        "table 'as_', index 'by_nme': unknown field 'nme' - did you mean 'name'",
    ),
    (
        (
            "class P(TypedDict):\n    x: int\n"
            "class A(Document['A']):\n    at: P\n"
            "class As(Table[A], name='as_'):\n    by_at = Index('at.z')"
        ),
        "table 'as_', index 'by_at': unknown field 'z' .known: x",
    ),
]


@pytest.mark.parametrize(("source", "message"), CLASHES)
def test_what_clashes_is_named(make: Any, source: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        collect([make("m", source)])


def test_indexes_look_into_objects_and_through_anything_else(make: Any) -> None:
    source = """
class P(TypedDict):
    x: NotRequired[int]
class A(Document['A']):
    at: Annotated[P, Check(bool)]
    maybe: P | None
class As(Table[A], name='as_'):
    by_at = Index('at.x', 'maybe.anything')
"""
    assert [*collect([make("m", source)]).tables] == ["as_"]


def test_two_modules_with_one_path_are_refused_if_their_functions_clash(make: Any) -> None:
    source = "@query\ndef send(ctx: QueryCtx): pass"
    modules = [make("a.chat", source), make("b.chat", source)]
    with pytest.raises(DeclarationError, match=r"declared in a\.chat and in b\.chat"):
        collect(modules)


def test_what_is_no_module_is_refused() -> None:
    wrong: Any = {"send": None}
    with pytest.raises(DeclarationError, match="expected modules or their dotted names"):
        collect([wrong])


def test_a_function_under_two_names_has_two_paths_and_is_called_by_the_first(make: Any) -> None:
    module = make("m", "@query\ndef one(ctx: QueryCtx): pass\ntwo = one")
    application = collect([module])
    assert [*application.functions] == ["m:one", "m:two"]
    assert application.path_of(module.one) == "m:one"
