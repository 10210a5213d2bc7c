"""``headwater codegen``: files are written whole, when they differ, and over nobody's work."""

import os

import pytest
from tests.cli.calling import NOTES, call, modules_restored, refused, shown

from headwater.codegen import generated_files

NAMES = ["api.d.ts", "api.js", "dataModel.d.ts"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with an application in app/."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "notes.py").write_text(NOTES)
    with modules_restored():
        yield tmp_path


def generate(*options):
    return shown("codegen", "app", "--typescript", "web/_generated", *options)


def texts(folder):
    return {path.name: path.read_text() for path in (folder / "web" / "_generated").iterdir()}


def test_the_files_are_written_and_have_the_public_functions(folder):
    assert generate().split()[::2] == ["written"] * 3
    written = texts(folder)
    assert sorted(written) == NAMES
    api = written["api.d.ts"]
    assert "list: FunctionReference<" in api
    assert 'Array<Doc<"notes">>' in api
    assert "forget" not in api


def test_files_that_are_right_are_not_touched(folder):
    generate()
    for name in NAMES:
        os.utime(folder / "web" / "_generated" / name, (0, 0))
    (folder / "web" / "_generated" / "api.js").unlink()
    assert generate().split()[::2] == ["unchanged", "written", "unchanged"]
    times = [(folder / "web" / "_generated" / name).stat().st_mtime for name in NAMES]
    assert [time == 0 for time in times] == [True, False, True]


def test_a_check_writes_nothing_and_says_what_is_stale(folder):
    code, output, _ = call("codegen", "app", "--typescript", "web/_generated", "--check")
    assert (code, output.split()[::2]) == (1, ["stale"] * 3)
    assert not (folder / "web").exists()
    generate()
    assert generate("--check").split()[::2] == ["unchanged"] * 3
    stale = folder / "web" / "_generated" / "dataModel.d.ts"
    stale.write_text(stale.read_text().replace("size: number", "size: string"))
    before = texts(folder)
    code, output, _ = call("codegen", "app", "--typescript", "web/_generated", "--check", "--json")
    assert code == 1
    assert output.splitlines()[2] == '{"file":"web/_generated/dataModel.d.ts","is":"stale"}'
    assert texts(folder) == before


def test_other_line_ends_are_no_difference(folder):
    generate()
    path = folder / "web" / "_generated" / "api.d.ts"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert generate("--check").split()[0] == "unchanged"


def test_what_somebody_wrote_is_not_overwritten(folder):
    (folder / "web" / "_generated").mkdir(parents=True)
    mine = folder / "web" / "_generated" / "dataModel.d.ts"
    mine.write_text("// mine")
    assert "there is a file that was not generated" in refused(
        "codegen", "app", "--typescript", "web/_generated"
    )
    assert texts(folder) == {"dataModel.d.ts": "// mine"}
    mine.write_text("/* THIS CODE IS AUTOMATICALLY GENERATED. */")  # as Convex writes it
    assert generate().split()[4] == "written"


def test_a_file_is_replaced_whole_or_not_at_all(folder, monkeypatch):
    generate()
    path = folder / "web" / "_generated" / "api.d.ts"
    path.write_text(path.read_text() + "// more")
    before = texts(folder)

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(generated_files.Path, "replace", fail)
    assert "No space left" in refused("codegen", "app", "--typescript", "web/_generated")
    assert texts(folder) == before


def test_a_directory_that_cannot_be_made_is_named(folder):
    (folder / "file").write_text("")
    assert "file" in refused("codegen", "app", "--typescript", "file/below")


def test_modules_that_declare_nonsense_are_refused(folder):
    (folder / "app" / "notes.py").write_text(
        "import headwater as hw\n\n@hw.query\ndef a(ctx: hw.QueryCtx, s: set[int]) -> int: ...\n"
    )
    assert "cannot be stored" in refused("codegen", "app", "--typescript", "web/_generated")
    assert not (folder / "web").exists()
