"""Functions are found by every accepted spelling of their path, and by no two functions' own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import DeclarationError, FunctionNotFoundError
from headwater.functions.paths import (
    PathTable,
    function_path,
    module_path,
    published_name,
    split_path,
)

identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("send", "send"),
        ("create_channel", "createChannel"),
        ("list_", "list"),
        ("import_", "import"),
        ("get_URL", "getURL"),
        ("page_2", "page2"),
        ("a__b", "aB"),
        ("_private_thing", "_privateThing"),
        ("list__", "list_"),
        ("createChannel", "createChannel"),
        ("_", "_"),
    ],
)
def test_published_names_are_in_camel_case(name: str, published: str) -> None:
    assert published_name(name) == published


@pytest.mark.parametrize(
    ("module", "package", "path"),
    [
        ("chat", None, "chat"),
        ("shop.chat", None, "chat"),
        ("shop.admin.users", "shop", "admin/users"),
        ("shop", "shop", "shop"),
        ("__main__", None, "main"),
    ],
)
def test_paths_of_modules_start_below_their_package(
    module: str, package: str | None, path: str
) -> None:
    assert module_path(module, package) == path


@pytest.mark.parametrize(
    "spelling",
    [
        "chat:createChannel",
        "chat:create_channel",
        "chat.py:createChannel",
        "chat.js:create_channel",
        "/chat:createChannel",
        " chat:createChannel ",
    ],
)
def test_every_spelling_leads_to_the_published_path(spelling: str) -> None:
    assert PathTable([("chat", "create_channel")]).find(spelling) == "chat:createChannel"


def test_a_module_alone_is_its_default_function() -> None:
    table = PathTable([("presence", "default"), ("admin/users", "list_")])
    assert table.find("presence") == table.find("presence:") == "presence:default"
    assert table.find("admin.users:list") == "admin/users:list"
    assert split_path("presence") == ("presence", "default")
    assert [*table] == ["presence:default", "admin/users:list"]
    assert len(table) == 2


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), identifiers), unique=True, max_size=6))
def test_each_function_is_found_by_both_of_its_names_or_none_is_accepted(
    functions: list[tuple[str, str]],
) -> None:
    try:
        table = PathTable(functions)
    except DeclarationError:
        spellings = [f"{m}:{s}" for m, n in functions for s in {n, published_name(n)}]
        assert len(set(spellings)) < len(spellings)
        return
    for module, name in functions:
        assert table.find(f"{module}:{name}") == function_path(module, name)
        assert table.find(function_path(module, name)) == function_path(module, name)
    assert len(table) == len(functions)


@pytest.mark.parametrize(
    ("one", "other"), [("list", "list_"), ("get_it", "getIt"), ("a_b", "a__b")]
)
def test_two_functions_with_one_spelling_are_refused(one: str, other: str) -> None:
    with pytest.raises(DeclarationError, match=f"chat: '{one}' and '{other}' are both called"):
        PathTable([("chat", one), ("chat", other)])
    PathTable([("chat", one), ("talk", other)])


def test_a_path_that_leads_nowhere_is_answered_with_the_nearest() -> None:
    table = PathTable([("chat", "send"), ("chat", "create_channel")])
    with pytest.raises(FunctionNotFoundError, match="'chat:sned'; did you mean 'chat:send'"):
        table.find("chat:sned")
    with pytest.raises(FunctionNotFoundError, match="did you mean 'chat:createChannel'"):
        table.find("chat:create_chanel")
    with pytest.raises(FunctionNotFoundError, match="there are chat:createChannel, chat:send"):
        table.find("xyz:q")
    with pytest.raises(FunctionNotFoundError, match="no module that was opened has any"):
        PathTable([]).find("xyz:q")
    with pytest.raises(FunctionNotFoundError, match="and 2 more"):
        PathTable([("m", f"f{at}") for at in range(7)]).find("xyz:zzz")
