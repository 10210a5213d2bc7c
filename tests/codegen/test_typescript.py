"""TypeScript from Python: what validators accept has the type, and official clients are checked."""

import json
import math
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.cli.calling import modules_restored
from tests.clients.node import FOLDER, MODULES, problems_of, require_packages
from tests.codegen import everything
from tests.schema.validator_strategies import NUMBERS, TABLES, ids_of, validators

import headwater as hw
from headwater.cli.sources import find_source
from headwater.codegen.typescript import typescript_files
from headwater.codegen.typescript_types import type_of
from headwater.functions.modules import collect
from headwater.testing.fitting import fitting
from headwater.testing.world import World
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import decode_id

GOLDEN = Path(__file__).parent / "golden"
NAMES = {number: name for name, number in NUMBERS.items()}


@pytest.mark.parametrize("name", ["api.d.ts", "api.js", "dataModel.d.ts"])
def test_the_files_are_those_that_were_reviewed(name):
    text = typescript_files(collect([everything]))[name]
    assert text == (GOLDEN / name).read_text()


def test_the_order_of_modules_does_not_count():
    one, other = ModuleType("one"), ModuleType("other")

    @hw.query
    def first(ctx: hw.QueryCtx) -> int:
        return 1

    @hw.query
    def second(ctx: hw.QueryCtx) -> str:
        return "2"

    one.second, one.first, other.first = second, first, first
    texts = [typescript_files(collect(modules)) for modules in ([one, other], [other, one])]
    assert texts[0] == texts[1]


def test_an_application_without_anything_has_files():
    files = typescript_files(collect([]))
    assert "export declare const api: {\n};" in files["api.d.ts"]
    assert "interface Documents {\n}" in files["dataModel.d.ts"]


FUNCTION = """
import headwater as hw

@hw.query
def {name}(ctx: hw.QueryCtx) -> {result}:
    raise NotImplementedError
"""


def test_a_module_and_a_function_may_have_one_name(tmp_path, monkeypatch):
    (tmp_path / "shop_of_this_test" / "admin").mkdir(parents=True)
    admin = tmp_path / "shop_of_this_test" / "admin"
    (admin / "__init__.py").write_text(FUNCTION.format(name="users_", result="int"))
    (admin / "users.py").write_text(FUNCTION.format(name="list_", result="str"))
    monkeypatch.syspath_prepend(tmp_path)
    with modules_restored():
        modules = find_source("shop_of_this_test").load()
        text = typescript_files(collect(modules))["api.d.ts"]
    assert "".join(text.partition("api: ")[2].split()) == (
        '{admin:{users:FunctionReference<"query","public",Record<string,never>,number>&{'
        'list:FunctionReference<"query","public",Record<string,never>,string>;};};};'
    )


@pytest.fixture(scope="module")
def checker():
    """Checks texts of TypeScript: gives the problems of one."""
    node = require_packages()
    child = subprocess.Popen(
        [node, FOLDER / "types" / "check.mjs"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def check(text):
        child.stdin.write(json.dumps(text) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    yield check
    child.stdin.close()
    child.stdout.close()
    child.wait()


def written(value):
    """A value as an expression of TypeScript."""
    match value:
        case hw.Int64():
            return f"{int(value)}n"
        case bytes():
            return f"new ArrayBuffer({len(value)})"
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            members = (f"[{written(key)}]: {written(one)}" for key, one in value.items())
            return f"{{{', '.join(members)}}}"
        case str():
            return json.dumps(value) + as_id(value)
        case _:
            return json.dumps(value)


def as_id(text):
    try:
        number, _ = decode_id(text)
    except MalformedIdError:
        return ""
    return f" as Id<{json.dumps(NAMES[number])}>" if number in NAMES else ""


HEAD = """\
import type { GenericId } from "convex/values";
type Id<TableName extends string> = GenericId<TableName>;
export const values: unknown[] = [];
"""

SMALL = World(ids_of, TABLES, lambda: list(NUMBERS), nesting=8, room=20)
"""Types do not depend on how long texts are."""

pairs = validators.flatmap(lambda one: st.tuples(st.just(one), fitting(one, SMALL)))


# What is wrong is named by its line: making it smaller would take minutes.
@settings(max_examples=12, deadline=None, phases=set(Phase) - {Phase.shrink, Phase.explain})
@given(drawn=st.lists(pairs, min_size=10, max_size=20))
def test_every_value_that_fits_a_validator_has_its_type(checker, drawn):
    lines = [
        f"const v{at}: {type_of(validator, {})} = {written(value)}; values.push(v{at});"
        for at, (validator, value) in enumerate(drawn)
    ]
    assert checker(HEAD + "\n".join(lines)) == []


def test_the_checker_sees_what_is_wrong(checker):
    assert checker(HEAD + "const wrong: number = 'a';") == [
        "line 4: Type 'string' is not assignable to type 'number'."
    ]
    assert checker("const = 1")


def generated(folder, application):
    for name, text in typescript_files(application).items():
        (folder / "_generated").mkdir(exist_ok=True)
        (folder / "_generated" / name).write_text(text)


NAMES_OF = """
import { getFunctionName } from "convex/server";
import { api } from "./_generated/api.js";
const found = (path) => path.split("/").reduce((node, part) => node[part], api);
console.log(JSON.stringify(PATHS.map((path) => getFunctionName(found(path)))));
"""


def test_what_is_found_in_the_api_is_the_function_of_that_name(tmp_path):
    node, application = require_packages(), collect([everything])
    generated(tmp_path, application)
    paths = [path for path, one in application.functions.items() if not one.is_internal]
    places = json.dumps([path.replace(":", "/") for path in paths])
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "names.js").write_text(NAMES_OF.replace("PATHS", places))
    (tmp_path / "node_modules").symlink_to(MODULES)
    done = subprocess.run([node, "names.js"], cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert [application.path(name) for name in json.loads(done.stdout)] == paths


def test_the_official_clients_know_the_types(tmp_path):
    generated(tmp_path, collect([everything]))
    shutil.copy(FOLDER / "types" / "page.ts", tmp_path)
    assert problems_of(tmp_path, "page.ts") == ""
