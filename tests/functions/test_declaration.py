"""A decorated function knows its function, and a call of it goes to the context."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import ArgumentError, DeclarationError
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.declaration import Mutation, Query
from headwater.functions.decorators import mutation, query
from headwater.functions.parameters import Parameter, compile_completion
from headwater.schema import v


class Recorder:
    """A context that records what it is asked to run."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, dict[str, Any]]] = []

    def run_function(self, function: Any, arguments: dict[str, Any]) -> Any:
        self.calls.append((function, arguments))
        return "ran"


@query
def latest(ctx: QueryCtx, channel: str, limit: int = 50) -> list[str]:
    """The latest.

    More of it.
    """
    return [channel] * limit


@mutation(internal=True, returns=v.any())
async def send_all(ctx: MutationCtx, /, bodies: list[str], *, urgent: bool = False) -> int:
    return len(bodies)


def test_a_function_knows_what_it_was_made_from() -> None:
    assert isinstance(latest, Query)
    assert latest.name == latest.__name__ == "latest"
    assert latest.module == latest.__module__ == __name__
    assert latest.path == "test_declaration:latest"
    assert latest.doc == "The latest.\n\nMore of it."
    assert latest.handler(cast("Any", None), "a", 2) == ["a", "a"]
    assert (latest.kind, latest.is_async, latest.is_internal) == ("query", False, False)
    assert repr(latest) == "<query test_declaration:latest>"
    assert inspect.signature(latest) == inspect.signature(latest.handler)
    assert inspect.getdoc(latest) == latest.doc


def test_options_are_kept() -> None:
    assert isinstance(send_all, Mutation)
    assert (send_all.kind, send_all.is_async, send_all.is_internal) == ("mutation", True, True)
    assert send_all.path == "test_declaration:sendAll"
    assert send_all.doc == ""
    assert send_all.options.returns == v.any()
    assert mutation(latest.handler).kind == "mutation"
    assert query(internal=True)(latest.handler).is_internal


def test_a_call_inside_another_function_goes_to_its_context() -> None:
    ctx: Any = Recorder()
    assert latest(ctx, "general", limit=3) == "ran"  # type: ignore[comparison-overlap]
    assert send_all(ctx, ["a"]) == "ran"  # type: ignore[comparison-overlap]
    assert ctx.calls == [
        (latest, {"channel": "general", "limit": 3}),
        (send_all, {"bodies": ["a"], "urgent": False}),
    ]


def test_a_bound_query_keeps_its_arguments() -> None:
    bound = latest.bind("general")
    assert bound.query is latest
    assert bound.arguments == {"channel": "general", "limit": 50}


names = st.sampled_from(["a", "b", "c", "d"])


@given(
    st.lists(names, unique=True), st.dictionaries(names | st.just("e"), st.integers()), st.data()
)
def test_calls_are_arranged_as_python_does(
    parameters: list[str], kwargs: dict[str, int], data: st.DataObject
) -> None:
    defaults = data.draw(st.integers(0, len(parameters)))
    args = tuple(data.draw(st.lists(st.integers(), max_size=4)))
    written = [
        name if at < len(parameters) - defaults else f"{name}={at}"
        for at, name in enumerate(parameters)
    ]
    namespace: dict[str, Any] = {}
    exec(f"def function({', '.join(['ctx', *written])}): pass", namespace)
    declared = query(namespace["function"])
    try:
        bound = inspect.signature(namespace["function"]).bind(None, *args, **kwargs)
    except TypeError:
        with pytest.raises(ArgumentError):
            declared.arrange(args, kwargs)
        return
    bound.apply_defaults()
    expected = {name: value for name, value in bound.arguments.items() if name != "ctx"}
    assert declared.arrange(args, kwargs) == expected
    assert list(declared.arrange(args, kwargs)) == parameters


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (
            (),
            {"chanel": "x"},
            "unknown argument 'chanel' - did you mean 'channel'? (and 'channel' is missing)",
        ),
        ((), {}, "missing argument 'channel'"),
        (("a",), {"other": 1}, "unknown argument 'other' (known: channel, limit)"),
        (("a", 1, 2), {}, "takes 2 arguments by position, got 3"),
        (("a",), {"channel": "b"}, "argument 'channel' is given twice, by position and by name"),
    ],
)
def test_wrong_names_are_told_together(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArgumentError) as caught:
        latest.arrange(args, kwargs)
    assert str(caught.value) == f"test_declaration:latest: {message}"
    assert caught.value.function == "test_declaration:latest"


def test_a_default_that_can_change_is_new_in_each_call() -> None:
    parameter = Parameter("tags", list[str], default=[])
    complete = compile_completion({"tags": parameter})
    complete({})["tags"].append("x")
    assert complete({}) == {"tags": []}
    assert complete({"tags": ["y"]}) == {"tags": ["y"]}


def no_context() -> None: ...
def only_by_name(*, ctx: QueryCtx) -> None: ...
def any_number(ctx: QueryCtx, *bodies: str) -> None: ...
def any_name(ctx: QueryCtx, **fields: str) -> None: ...
def by_position(ctx: QueryCtx, body: str, /) -> None: ...


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (no_context, r"noContext: expected the context as its first parameter"),
        (only_by_name, r"onlyByName: expected the context as its first parameter"),
        (any_number, r"'\*bodies: str' takes any number of arguments; declare a list"),
        (any_name, r"'\*\*fields: str' takes any argument; declare each one"),
        (by_position, r"'body: str' cannot be given by name"),
        (int, "expected a function, got <class 'int'>"),
        (latest, "expected a function, got <query"),
    ],
)
def test_a_function_that_cannot_be_called_by_name_is_refused(
    handler: Callable[..., Any], message: str
) -> None:
    with pytest.raises(DeclarationError, match=message):
        query(handler)
