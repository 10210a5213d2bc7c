"""What is renamed has been flushed, and then the directory of its new name is flushed.

Goal: if the power fails, a name never leads to something that did not reach the disk, and what was
acknowledged has its name. Method: flushes and renames of everything that works with whole files are
written down, and read against that rule.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import headwater as hw
from headwater.storage.format import DATA_NAME, LAST_TRANSACTION_NAME, MANIFEST_NAME
from headwater.tables import repair as repairing
from headwater.tables.problems import Problem

_lists: list[list[tuple[str, str, str]]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.rename" and _lists:
        _lists[-1].append(("rename", str(arguments[0]), str(arguments[1])))


sys.addaudithook(_note)


@pytest.fixture
def noted(monkeypatch):
    """The flushes and renames from now on: what, from where, to where."""
    found: list[tuple[str, str, str]] = []
    true = os.fsync

    def fsync(descriptor: int) -> None:
        true(descriptor)
        found.append(("flush", str(Path(f"/dev/fd/{descriptor}").resolve()), ""))

    monkeypatch.setattr(os, "fsync", fsync)
    _lists.append(found)
    yield found
    _lists.remove(found)


def create(path: Path) -> None:
    hw.open(path).close()


def back_up(path: Path) -> None:
    with hw.open(path) as db:
        db.backup(path.with_name("backup"))


def repair(path: Path) -> None:
    assert hw.repair(path).kept is not None


def compact(path: Path) -> None:
    with hw.open(path) as db:
        db.compact()


WORKS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "create": (create, {DATA_NAME, MANIFEST_NAME, LAST_TRANSACTION_NAME}),
    "back up": (back_up, {DATA_NAME, MANIFEST_NAME}),
    "repair": (repair, {DATA_NAME, "damaged-1"}),
    "compact": (compact, {DATA_NAME}),
}


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system does not name descriptors")
@pytest.mark.parametrize("name", WORKS)
def test_nothing_gets_a_name_before_it_is_durable(path, noted, monkeypatch, name) -> None:
    work, expected = WORKS[name]
    found = [Problem("pages_damaged", "", "", 0, "planted")]
    monkeypatch.setattr(repairing, "check", lambda *_, **__: found)
    if name != "create":
        with hw.open(path) as db, db.transaction() as tx:
            tx.insert("notes", {})
    noted.clear()
    work(path)
    flushed, renamed = set(), set()
    for at, (kind, source, target) in enumerate(noted):
        if kind == "flush":
            flushed.add(source)
        elif "/new/" not in target:  # which is thrown away after a crash
            renamed.add(Path(target).name)
            assert source in flushed, f"{source} got the name {target} before it was flushed"
            after = {where for what, where, _ in noted[at:] if what == "flush"}
            assert str(Path(target).parent) in after, f"{target}: its directory was not flushed"
        if kind == "rename" and source in flushed:
            flushed.add(target)
    assert expected <= renamed
