"""Which route answers: an exact path before prefixes, long prefixes before short ones."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater.functions.routes import METHODS, Place, Route, RouteTable

segments = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3)
paths = segments.map(lambda parts: "/" + "/".join(parts))
prefixes = segments.map(lambda parts: "/" + "".join(f"{part}/" for part in parts))
places = st.one_of(st.tuples(paths, st.just(False)), st.tuples(prefixes, st.just(True)))


@st.composite
def declared(draw):
    """Routes without two for the same requests."""
    taken = draw(st.lists(st.tuples(places, st.sampled_from(METHODS)), unique=True, max_size=12))
    return [Route(Place(*place, (method,)), f"{method} {place}", "m") for place, method in taken]


def expected(routes, method, path):
    """What answers, by looking at all of them."""
    matching = [
        route
        for route in routes
        if (
            path.startswith(route.place.path) if route.place.is_prefix else path == route.place.path
        )
    ]
    wanted = "GET" if method == "HEAD" else method
    right = [route for route in matching if wanted in route.place.methods]
    right.sort(key=lambda route: (not route.place.is_prefix, len(route.place.path)))
    allowed = {method for route in matching for method in route.place.methods}
    return (right[-1] if right else None), allowed | ({"HEAD"} if "GET" in allowed else set())


@given(declared(), st.sampled_from([*METHODS, "HEAD", "TRACE"]), paths, st.booleans())
def test_the_most_exact_route_that_has_the_method_answers(routes, method, path, is_folder):
    path = f"{path}/" if is_folder and path != "/" else path
    found = RouteTable(routes).find(method, path)
    route, allowed = expected(routes, method, path)
    assert found.route is route
    if route is None:
        assert set(found.allowed) == allowed


async def handler(ctx: hw.ActionCtx, request: hw.Request) -> hw.Response:
    return hw.Response()


def plain(ctx: hw.SyncActionCtx, request: hw.SyncRequest) -> hw.Response:
    return hw.Response()


WRONG = {
    "no path": ((), {}),
    "a path and a prefix": (("/a",), {"prefix": "/b/"}),
    "no slash": (("a",), {}),
    "a query": (("/a?b",), {}),
    "a fragment": (("/a#b",), {}),
    "a line break": (("/a\n",), {}),
    "no path at all": ((3,), {}),
    "a prefix without an end": ((), {"prefix": "/a"}),
    "the database's own": (("/_storage/x",), {}),
    "the database's own prefix": ((), {"prefix": "/_x/"}),
    "no methods": (("/a",), {"methods": []}),
    "one method as text": (("/a",), {"methods": "GET"}),
    "a method in small letters": (("/a",), {"methods": ["get"]}),
    "HEAD": (("/a",), {"methods": ["HEAD"]}),
    "no time": (("/a",), {"timeout_seconds": 0}),
}


@pytest.mark.parametrize(("args", "options"), WRONG.values(), ids=WRONG.keys())
def test_a_place_that_cannot_be_is_refused(args, options):
    with pytest.raises(hw.DeclarationError):
        hw.http_action(*args, **options)(handler)


@pytest.mark.parametrize(
    "function", [lambda ctx: hw.Response(), lambda ctx, request, more: hw.Response(), 3, print]
)
def test_a_function_that_takes_something_else_is_refused(function):
    with pytest.raises(hw.DeclarationError):
        hw.http_action("/a")(function)


def test_a_decorator_without_a_path_says_what_is_missing():
    with pytest.raises(hw.DeclarationError, match="is no path"):
        hw.http_action(handler)


def module_of(**members):
    module = types.ModuleType("shop")
    vars(module).update(members)
    return module


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (hw.http_action("/a"), hw.http_action("/a", methods=["POST", "GET"])),
        (hw.http_action(prefix="/a/"), hw.http_action(prefix="/a/")),
        (
            hw.http_action("/a", methods=["POST"]),
            lambda _: hw.webhook("/a", verifier=hw.webhooks.github("s"))(lambda ctx, event: None),
        ),
    ],
)
def test_two_that_answer_the_same_requests_are_refused(one, other):
    with pytest.raises(hw.DeclarationError, match="is answered by"):
        hw.open(None, modules=[module_of(one=one(handler), other=other(plain))])


def test_an_exact_path_and_a_prefix_of_the_same_name_are_two():
    members = {
        "one": hw.http_action("/a/")(handler),
        "other": hw.http_action(prefix="/a/")(plain),
        "third": hw.http_action("/a/", methods=["POST"])(plain),
    }
    with hw.open(None, modules=[module_of(**members)]) as db:
        assert len(db.application.routes.routes) == 3


def test_http_actions_are_no_functions_that_are_called_by_path():
    module = module_of(one=hw.http_action("/a")(handler))
    with hw.open(None, modules=[module]) as db, pytest.raises(hw.FunctionNotFoundError):
        db.call("shop:one", {})
