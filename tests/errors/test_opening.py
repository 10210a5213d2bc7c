"""What somebody reads whose database cannot be opened."""

import json
from types import ModuleType
from typing import Any, NotRequired

import pytest
from tests.errors import application
from tests.errors.application import create_user
from tests.processes.children import nursery

import headwater as hw
from headwater import Document, Index, Table


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db.hw"


@pytest.fixture
def stored(path):
    """A database that was closed."""
    with hw.open(path, modules=[application]) as db:
        db.mutate(create_user, name="Ada")
    return path


def contents(path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


def test_a_database_of_a_newer_format_names_both_and_is_left_alone(stored) -> None:
    manifest = stored / "headwater.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 7}))
    before = contents(stored)
    with pytest.raises(hw.NewerFormatError) as caught:
        hw.open(stored)
    assert str(caught.value) == (
        f"{stored}: written in format 7, this library reads up to format 3; nothing was changed; "
        "upgrade the package headwater"
    )
    assert (caught.value.found, caught.value.supported) == (7, 3)
    assert contents(stored) == before


def test_a_directory_that_is_no_database_names_what_is_in_it(path, said) -> None:
    path.mkdir()
    for name in ("a.txt", "b.txt"):
        (path / name).write_text("mine")
    assert said(hw.NotADatabaseError, lambda: hw.open(path)) == (
        f"{path}: expected a Headwater database or an empty directory, found 2 other entries "
        "(a.txt, b.txt) and no headwater.json; choose another path, or restore the manifest from "
        "a backup if it was lost"
    )
    assert sorted(entry.name for entry in path.iterdir()) == ["a.txt", "b.txt"]


def test_a_file_that_is_no_database(path, said) -> None:
    path.write_text("mine")
    assert said(hw.NotADatabaseError, lambda: hw.open(path)) == (
        f"{path}: expected a directory, found a file; a Headwater database is a directory: choose "
        "another path"
    )
    assert path.read_text() == "mine"


@pytest.mark.parametrize("manifest", ["", "{}", "[1]", '{"magic": 1}', "\x00\x01"])
def test_a_manifest_of_something_else(stored, said, manifest) -> None:
    (stored / "headwater.json").write_text(manifest)
    text = said(hw.NotADatabaseError, lambda: hw.open(stored))
    assert text.startswith(f"{stored}/headwater.json: expected a manifest of Headwater, found b")
    assert "restore it from a backup: it never changes after creation" in text


def test_a_manifest_of_another_program(stored, said) -> None:
    manifest = stored / "headwater.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"magic": "other"}))
    assert said(hw.NotADatabaseError, lambda: hw.open(stored)) == (
        f"{manifest}: expected magic 'headwater' and a format version, got 'other' and 3; this "
        "directory belongs to another program"
    )


def test_a_data_file_that_is_missing_or_empty(stored, said) -> None:
    data = stored / "data.mdb"
    data.write_bytes(b"")
    text = said(hw.CorruptionError, lambda: hw.open(stored))
    assert text.startswith(f"{data}: ")
    assert "restore" in text
    data.unlink()
    text = said(hw.CorruptionError, lambda: hw.open(stored))
    assert text.startswith(f"{data}: ")
    assert "missing while the manifest says that it was created" in text
    assert "restore" in text


def test_data_of_another_database(stored, tmp_path, said) -> None:
    with hw.open(tmp_path / "other"):
        pass
    (tmp_path / "other" / "data.mdb").replace(stored / "data.mdb")
    (stored / "last-transaction").unlink(missing_ok=True)
    for file in stored.iterdir():
        if file.is_file() and file.name not in ("headwater.json", "data.mdb", "journal"):
            file.unlink()
    text = said(hw.CorruptionError, lambda: hw.open(stored))
    assert text.startswith(f"{stored}: data.mdb is of database b'")
    assert text.endswith("files of two databases were mixed; restore both from one backup")


def test_a_directory_that_may_not_be_written(tmp_path) -> None:
    with nursery() as start:
        child = start(
            """
            closed = path / "closed"
            closed.mkdir(mode=0o500)
            try:
                os.setuid(65534)
            except PermissionError:
                pass
            try:
                hw.open(closed / "db.hw")
            except hw.ReadOnlyError as error:
                say(error)
            """,
            _world_readable(tmp_path),
        )
        (text,) = child.finish()
    assert text.startswith(f"{tmp_path}/closed/db.hw: cannot open the database: [Errno 13] ")
    assert "cannot be written; change its permissions or mount it writable" in text


def _world_readable(path):
    for directory in [path, *path.parents]:
        try:
            directory.chmod(directory.stat().st_mode | 0o055)
        except PermissionError:
            break
    return path


def test_a_database_that_is_open_with_other_modules(path, said) -> None:
    other = ModuleType("other")
    with hw.open(path, modules=[application]):
        assert said(hw.AlreadyOpenError, lambda: hw.open(path, modules=[other])) == (
            f"{path} is open in this process with modules tests.errors.application, and is to be "
            "opened with other; a database has one set of functions and options. Open it once with "
            "all of them, or close it first"
        )


def test_a_database_that_is_open_with_other_options(path, said) -> None:
    with hw.open(path, durability="none") as db:
        assert said(hw.AlreadyOpenError, lambda: hw.open(path, durability="full")) == (
            f"{path} is open in this process with durability 'none', and is to be opened with "
            "'full'; a database has one set of functions and options. Open it once with all of "
            "them, or close it first"
        )
        text = said(hw.AlreadyOpenError, lambda: hw.open(path, limits=hw.Limits(nesting=5)))
        assert "with limits left to the default, and is to be opened with Limits(" in text
        with hw.open(path) as again:
            assert again is db


def test_a_database_that_was_moved_while_it_was_open(path, said) -> None:
    """Another directory may come to its place on the disk: what it is called decides."""
    moved = path.with_name("moved.hw")
    with hw.open(path):
        path.rename(moved)
        assert said(hw.AlreadyOpenError, lambda: hw.open(moved)) == (
            f"{moved}: already open in this process; share the open database, or close it first "
            "(LMDB cannot open a file twice in one process)"
        )
        moved.rename(path)


def test_modules_that_are_no_list(said) -> None:
    assert said(hw.DeclarationError, lambda: hw.open(None, modules=application)) == (
        "modules: expected a list of modules, as in modules=[tests.errors.application]"
    )


def module_with(**found: Any) -> ModuleType:
    module = ModuleType("changed")
    vars(module).update(found)
    return module


def test_documents_that_do_not_fit_a_changed_type_are_named(stored) -> None:
    with hw.open(stored, modules=[application]) as db:
        bob = db.mutate(create_user, name="Bob")
        (ada, _) = [user["_id"] for user in db.query(application.users)]

    class User(Document["User"]):
        name: str
        age: int

    class Users(Table[User]):
        by_name = Index("name", unique=True)

    with pytest.raises(hw.SchemaMismatchError) as caught:
        hw.open(stored, modules=[module_with(Users=Users)])
    assert str(caught.value) == (
        "table 'users': 2 of its documents do not fit the declared type: "
        f"{ada}: missing field 'age'; {bob}: missing field 'age'. Nothing was changed. Change "
        "these documents with the old declaration first, or declare a type that accepts them "
        "(NotRequired, a union)"
    )
    assert caught.value.table == "users"
    assert caught.value.documents == ((ada, "missing field 'age'"), (bob, "missing field 'age'"))
    with hw.open(stored, modules=[application]) as db:
        assert len(db.query(application.users)) == 2


def test_documents_that_share_a_key_of_a_new_unique_index_are_named(stored) -> None:
    with hw.open(stored, modules=[application]) as db:
        (ada,) = [user["_id"] for user in db.query(application.users)]
        db.transact(lambda tx: tx.patch(ada, email="x"))
        bob = db.transact(lambda tx: tx.insert("users", {"name": "Bob", "email": "x"}))

    class User(Document["User"]):
        name: str
        email: NotRequired[str]

    class Users(Table[User]):
        by_name = Index("name", unique=True)
        by_email = Index("email", unique=True)

    with pytest.raises(hw.SchemaMismatchError) as caught:
        hw.open(stored, modules=[module_with(Users=Users)])
    assert str(caught.value) == (
        f"users.by_email cannot be unique, documents share a key: {bob} has email='x', as {ada} "
        "has. The index was given up. Patch or delete these documents, or declare it without "
        "unique=True, and open the database again"
    )
    assert caught.value.documents == ((bob, f"has email='x', as {ada} has"),)


def test_an_index_that_is_still_being_filled(stored, said, monkeypatch) -> None:
    from headwater.transactions import index_building

    class User(Document["User"]):
        name: str
        email: NotRequired[str]

    class Users(Table[User]):
        by_name = Index("name", unique=True)
        by_email = Index("email")

    monkeypatch.setattr(index_building, "build_indexes", lambda store, progress: None)
    with hw.open(stored, modules=[module_with(Users=Users)], build="later") as db:
        with db.snapshot() as snapshot:
            assert said(
                hw.IndexBuildingError,
                lambda: snapshot.query(Users).with_index(Users.by_email, "x"),
            ) == ("index users.by_email is still being filled; wait with db.wait_for_indexes()")
        monkeypatch.undo()
        db.wait_for_indexes()
        with db.snapshot() as snapshot:
            assert snapshot.query(Users).with_index(Users.by_email, "x").collect() == []


def test_an_index_on_a_field_that_no_document_has(path, said) -> None:
    class Item(Document["Item"]):
        name: str

    class Items(Table[Item]):
        by_nmae = Index("nmae")

    assert said(hw.DeclarationError, lambda: hw.open(path, modules=[module_with(I=Items)])) == (
        "table 'items', index 'by_nmae': unknown field 'nmae' - did you mean 'name'?"
    )
