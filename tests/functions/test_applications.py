"""Applications that are collected once for all who open with the same modules."""

import importlib
import sys
from types import ModuleType
from typing import Annotated, TypedDict

import pytest

import headwater as hw
from headwater.errors import DeclarationError
from headwater.functions import applications
from headwater.functions.applications import application_of
from headwater.functions.modules import Application, collect
from headwater.schema.validators import IntegerValidator, StringValidator


class Note(hw.Document["Note"]):
    text: str


class Notes(hw.Table[Note]):
    pass


@hw.query
def get(ctx: hw.QueryCtx, id: hw.Id[Note]) -> Note | None:
    return ctx.db.get(id)


def made(name: str = "made", **has: object) -> ModuleType:
    """A module that was put together by hand."""
    module = ModuleType(name)
    vars(module).update(has)
    return module


def opened(*modules: ModuleType | str) -> Application:
    """What these modules declare, which has to be what they declare now."""
    application, anew = application_of(modules), collect(modules)
    for attribute in ("functions", "contracts", "tables", "schemas", "crons", "access", "modules"):
        assert getattr(application, attribute) == getattr(anew, attribute)
    return application


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the source of a module that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it changes within a second
    written = set()

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        written.add(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)


SHAPES = "from typing import TypedDict\nclass Shape(TypedDict):\n    sides: {}\n"
USER = (
    "from __future__ import annotations\n"
    "import headwater as hw\n"
    "import shapes_that_change as shapes\n"
    "@hw.query\n"
    "def area(ctx: hw.QueryCtx, shape: shapes.Shape) -> None: ...\n"
)


def sides_of(application: Application) -> object:
    shape = application.contracts["user_of_shapes:area"].arguments.fields["shape"].validator
    return shape.fields["sides"].validator  # type: ignore[attr-defined]


def test_the_same_modules_are_collected_once() -> None:
    module = made(Notes=Notes, get=get)
    assert opened(module) is opened(module)
    assert opened(module, made()) is not opened(module)
    assert application_of([module], default_access="deny") is not application_of([module])
    assert application_of([module], default_access="deny").access.default == "deny"


def test_what_was_added_changed_or_removed_is_seen() -> None:
    module = made(Notes=Notes)
    assert not opened(module).functions
    module.get = get  # type: ignore[attr-defined]
    assert len(opened(module).functions) == 1
    module.other = module.get  # type: ignore[attr-defined]
    assert len(opened(module).functions) == 2
    del module.other
    assert list(opened(module).functions) == ["made:get"]


def test_rules_and_crons_that_came_later_are_seen(write) -> None:
    write("ruled", "import headwater as hw\nfrom tests.functions.test_applications import Notes\n")
    ruled = importlib.import_module("ruled")
    before = opened(ruled)
    exec("hw.rules(Notes, read=False)", vars(ruled))
    assert opened(ruled) is not before
    exec("hw.rules(Notes, read=True)", vars(ruled))
    assert opened(ruled).access.rules["notes"].read is True

    crons = hw.Crons()
    clocked = made(crons=crons, work=hw.mutation(lambda ctx: None))
    assert not opened(clocked).crons
    crons.interval("tidy", clocked.work, hours=1)
    assert list(opened(clocked).crons) == ["tidy"]


def test_a_module_that_annotations_name_is_loaded_again(write) -> None:
    write("shapes_that_change", SHAPES.format("int"))
    write("user_of_shapes", USER)
    assert sides_of(opened("user_of_shapes")) == IntegerValidator()
    write("shapes_that_change", SHAPES.format("str"))
    importlib.reload(sys.modules["shapes_that_change"])
    assert sides_of(opened("user_of_shapes")) == StringValidator()


def test_modules_that_are_imported_anew_are_other_modules(write) -> None:
    write("shapes_that_change", SHAPES.format("int"))
    write("user_of_shapes", USER)
    assert sides_of(opened("user_of_shapes")) == IntegerValidator()
    write("shapes_that_change", SHAPES.format("str"))
    del sys.modules["shapes_that_change"], sys.modules["user_of_shapes"]
    assert sides_of(opened("user_of_shapes")) == StringValidator()


def test_a_module_that_comes_later_changes_nothing(write) -> None:
    module = made(Notes=Notes, get=get)
    before = opened(module)
    write("somebody_else", "")
    importlib.import_module("somebody_else")
    assert opened(module) is before


def test_a_package_stands_for_what_was_imported_of_it(tmp_path, monkeypatch) -> None:
    package = tmp_path / "a_package"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("first", "second"):
        function = "@hw.query\ndef ask(ctx: hw.QueryCtx) -> None: ..."
        (package / f"{name}.py").write_text(f"import headwater as hw\n{function}\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    try:
        importlib.import_module("a_package.first")
        assert list(opened("a_package").functions) == ["first:ask"]
        importlib.import_module("a_package.second")
        assert list(opened("a_package").functions) == ["first:ask", "second:ask"]
        alone = opened("a_package.first", "a_package.second")
        assert opened("a_package.first", "a_package.second") is alone
        assert list(alone.functions) == list(
            collect(["a_package.first", "a_package.second"]).functions
        )
    finally:
        for name in ("a_package", "a_package.first", "a_package.second"):
            sys.modules.pop(name, None)


def test_what_only_says_that_it_is_a_module_is_left_alone(monkeypatch) -> None:
    class Says:
        __slots__ = ()
        __class__ = ModuleType  # type: ignore[assignment]

    monkeypatch.setitem(sys.modules, "says", Says())
    module = made(Notes=Notes)
    assert opened(module) is opened(module)


def test_modules_without_a_specification_are_minded_too(monkeypatch) -> None:
    by_hand = made("by_hand")
    del by_hand.__spec__
    monkeypatch.setitem(sys.modules, "by_hand", by_hand)
    module = made(Notes=Notes)
    before = opened(module)
    assert opened(module) is before
    monkeypatch.setitem(sys.modules, "by_hand", made("by_hand"))
    assert opened(module) is not before


def test_what_cannot_work_is_refused_each_time() -> None:
    class Wrong(TypedDict):
        it: Annotated[object, "nothing that can be stored"]

    def take(ctx: hw.QueryCtx, wrong: Wrong) -> None: ...

    module = made(take=hw.query(take))
    for _ in range(2):
        with pytest.raises(DeclarationError, match="cannot be stored"):
            application_of([module])


def test_old_ones_are_let_go() -> None:
    modules = [made(f"made_{number}", Notes=Notes) for number in range(20)]
    found = [opened(module) for module in modules]
    assert opened(modules[-1]) is found[-1]
    assert opened(modules[0]) is not found[0]
    assert len(applications._kept) <= applications._KEPT
