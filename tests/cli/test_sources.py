"""What MODULES may be, and what is said of modules that cannot be imported."""

import sys

import pytest
from tests.cli.calling import NOTES, modules_restored, refused, shown

import headwater as hw
from headwater.cli.load_errors import ModulesRefusedError
from headwater.cli.sources import default_database, find_source
from headwater.functions.modules import collect


def write(folder, **files):
    for name, text in files.items():
        path = folder / (name.replace("__", "/", 1 if name.endswith("__") else -1) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


QUERY = """
import headwater as hw

@hw.query
def one(ctx: hw.QueryCtx) -> int:
    return 1
"""


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("shop", ["admin/users:one", "chat:one"]),
        ("shop/", ["admin/users:one", "chat:one"]),
        ("shop/chat.py", ["chat:one"]),
        ("shop.chat", ["chat:one"]),
        ("packed", ["chat:one"]),
        ("packed.chat", ["chat:one"]),
        ("packed/chat.py", ["chat:one"]),
        ("lone.py", ["lone:one"]),
        ("lone", ["lone:one"]),
    ],
)
def test_modules_are_a_folder_a_file_or_an_import_path(folder, text, paths):
    write(folder, shop__chat=QUERY, shop__admin__users=QUERY, lone=QUERY, packed__chat=QUERY)
    (folder / "packed" / "__init__.py").touch()
    write(folder, shop__test_chat="1 / 0", shop__conftest="1 / 0", shop__tests__test_x="1 / 0")
    (folder / "shop" / "no-module.py").write_text("1 / 0")
    source = find_source(text)
    assert sorted(collect(source.load()).functions) == paths
    last = text.removesuffix(".py").rstrip("/").replace("/", ".").rpartition(".")[2]
    assert str(default_database(source)) == f"{last}.hw"


def test_a_folder_elsewhere_is_imported_from_there(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere, backend__chat=QUERY)
    source = find_source(str(elsewhere / "backend"))
    assert list(collect(source.load()).functions) == ["chat:one"]
    assert source.folders() == [elsewhere / "backend"]
    assert set(source.loaded()) == {"backend", "backend.chat"}


BROKEN = {
    "def f(:\n": ("app/broken.py:1: SyntaxError: ", "def f(:", "^"),
    "  x = (\n": ("app/broken.py:1: IndentationError: ",),
    "import headwater\n\n1 / 0\n": ("app/broken.py:3: ZeroDivisionError: ", "1 / 0"),
    "import nothing_of_the_kind\n": ("app/broken.py:1: ModuleNotFoundError: ",),
    "import notes\n": ("ModuleNotFoundError", "from app import notes"),
    "def f():\n    raise ValueError('no')\n\n\nf()\n": (
        "app/broken.py:2: ValueError: no",
        "called at app/broken.py:5: f()",
    ),
    "import sys\nsys.exit(3)\n": ("app/broken.py:2: SystemExit: 3",),
    "import headwater as hw\n@hw.query\ndef f(ctx: hw.QueryCtx, x: set[int]) -> None: ...\n": (
        "broken:f",
    ),
}


@pytest.mark.parametrize("code", BROKEN)
def test_a_module_that_cannot_be_imported_is_told_with_its_place(folder, app, code):
    with modules_restored():
        for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
            del sys.modules[name]
        write(folder, app__broken=code)
        said = refused("run", "app", "notes:list")
    for part in BROKEN[code]:
        assert part in said
    assert "importlib" not in said
    assert "/cli/" not in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing", "there are no modules"),
        ("nothing/", "there are no modules"),
        ("no.thing", "there are no modules"),
        ("..", "is no name of a module"),
        ("my-app", "'my-app' is no name of a module"),
        ("json", "its name 'json' belongs to"),
        ("notes.txt", "there are no modules"),
        ("", "there are no modules"),
    ],
)
def test_what_is_no_module_is_refused(folder, text, says):
    for name in ("my-app", "json"):
        (folder / name).mkdir()
    (folder / "notes.txt").touch()
    with pytest.raises(hw.HeadwaterError, match=says):
        find_source(text).load()


@pytest.mark.parametrize("code", ["1 / 0", "import nothing_of_the_kind", "raise SystemExit(3)"])
def test_a_package_that_raises_is_told_of_in_an_import_path_too(folder, code):
    write(folder, packed____init__=code, packed__chat=QUERY)
    assert "packed/__init__.py:1: " in refused("run", "packed.chat", "chat:one", "--create")


def test_the_cause_of_a_refusal_is_kept(folder):
    write(folder, lone="1 / 0")
    with pytest.raises(ModulesRefusedError) as caught:
        find_source("lone.py").load()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_module_may_import_its_neighbours(folder):
    write(folder, app__notes=NOTES, app__more="from app import notes\nfrom . import notes as same")
    hw.open("app.hw", modules=find_source("app").load(), jobs="hold").close()
    assert shown("run", "app", "notes:who") == "null\n"
