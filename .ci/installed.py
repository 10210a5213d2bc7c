"""Run by an interpreter that has only the wheel: what was installed is whole, and imports light."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import headwater
import headwater_indexes

assert headwater.__version__ == importlib.metadata.version("headwater")
for package in (headwater, headwater_indexes):
    assert package.__file__ is not None
    folder = Path(package.__file__).parent
    assert folder.is_relative_to(sys.prefix), f"{package.__name__} comes from {folder}"
    assert (folder / "py.typed").is_file(), f"{package.__name__} has no py.typed"

installed = [str(path) for path in importlib.metadata.files("headwater") or ()]
commands = [path for path in installed if path.startswith("..")]
assert commands == ["../../../bin/headwater"], f"the wheel installs other commands: {commands}"
folders = {path.partition("/")[0] for path in installed if path not in commands}
assert folders == {
    "headwater",
    "headwater_indexes",
    "headwater_pytest",
    f"headwater-{headwater.__version__}.dist-info",
}, f"the wheel puts something else into site-packages: {folders}"

page = {path for path in installed if path.startswith("headwater/dashboard/static/")}
for name in ("index.html", "main.js", "base.css", "icon.svg"):
    assert f"headwater/dashboard/static/{name}" in page, f"the wheel has no {name} of the dashboard"

command = subprocess.run(  # noqa: S603 - the command that was just installed
    [Path(sys.prefix) / "bin" / "headwater"], check=False, capture_output=True, text=True
)
assert command.returncode == 2, command
assert "pip install 'headwater[cli]'" in command.stderr, command.stderr

heavy = ("asyncio", "hypothesis", "rich", "concurrent.futures", "sqlite3", "ssl")
code = f"""
import sys, headwater
assert len(sys.modules) < 300, len(sys.modules)  # 289 when this was written
print([m for m in {heavy!r} if m in sys.modules])
"""
found = subprocess.run(  # noqa: S603 - this interpreter, code of ours
    [sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True
).stdout.strip()
assert found == "[]", f"import headwater imports {found}"

with headwater.open(None) as db:
    db.transact(lambda tx: tx.insert("notes", {"text": "hello"}))
    with db.snapshot() as snapshot:
        assert snapshot.query("notes").count() == 1
print(  # noqa: T201 - for the reader of the log
    f"headwater {headwater.__version__} installs, is typed, imports light, and works"
)
