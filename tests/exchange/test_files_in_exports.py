"""Stored files survive the way through files: documents and bytes, all of them or none."""

import hashlib
import json
import signal
import tracemalloc
import zipfile
from base64 import b64encode
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.processes.children import nursery
from tests.services import filing
from tests.services.filing import Pictures

import headwater as hw
from headwater import testing
from headwater.storage import contents as contents_module
from headwater_indexes.ids import encode_id

FORMATS = ["export", "export.zip"]
CONVEX_NUMBER = 528


@pytest.fixture
def db():
    with testing.database(filing) as database:
        yield database


def digest(content):
    return hashlib.sha256(content).hexdigest()


def files_of(db):
    """Documents and bytes of all stored files, and who names which."""
    with db.snapshot() as s:
        documents = {file["_id"]: file for file in s.query(hw.StoredFiles)}
        pictures = s.query(Pictures).collect()
    contents = {}
    for id in documents:
        with db.storage.get(id) as found:
            contents[id] = found.read()
    return documents, contents, pictures


def on_disk(db):
    """What lies there after everything that nothing names was collected."""
    db.storage.collect()
    assert list(db.path.glob("files/incoming/*")) == []
    return {path.name for path in db.path.glob("files/??/*")}


def add(db, content, **options):
    file = db.storage.store(content, **options)
    db.transact(lambda tx: tx.insert(Pictures, {"file": file}))
    return file


media = st.sampled_from([None, "image/png", "text/plain; charset=utf-8", "x/y", "IMAGE/JPEG"])
stored = st.tuples(
    st.sampled_from([b"", b"a", b"\x00" * 300_000]) | st.binary(max_size=20),
    media,
    st.none() | st.text(max_size=5),
    st.booleans(),
)


@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(stored, max_size=5), name=st.sampled_from(FORMATS))
def test_export_and_import_give_back_every_file(tmp_path_factory, drawn, name):
    path = tmp_path_factory.mktemp("exchange") / name
    with testing.database(filing) as one, testing.database(filing) as other:
        for content, content_type, filename, is_deleted in drawn:
            file = add(one, content, content_type=content_type, filename=filename)
            if is_deleted:
                one.storage.delete(file)
        expected = files_of(one)
        report = one.export_to(path)
        size = sum(map(len, expected[1].values()))
        assert (report.files, report.file_bytes) == (len(expected[0]), size)
        dry = other.import_from(path, dry_run=True)
        assert files_of(other) == ({}, {}, [])
        assert (dry.files, dry.file_bytes, dry.documents) == (*report[3:], report.documents)
        if drawn:
            imported = other.import_from(path)
            assert imported == dry._replace(ts=other.ts)
        assert files_of(other) == expected
        assert on_disk(other) == {digest(content) for content in expected[1].values()}
        assert other.storage.verify() == []
        assert other.verify() == []


def snapshot_of_convexs(path, files, extra=()):
    """A snapshot as ``npx convex export --include-file-storage`` writes it."""
    lines, pictures = [], []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for at, (content, media_type, ending) in enumerate(files):
            id = encode_id(CONVEX_NUMBER, bytes([at]) * 16)
            line = {
                "_id": id,
                "_creationTime": 1700000000000.5 - at,
                "sha256": b64encode(hashlib.sha256(content).digest()).decode(),
                "size": len(content),
                "contentType": media_type,
                "internalId": "2f1b7e4e-0000-4000-8000-000000000000",
            }
            lines.append(json.dumps(line))
            picture = {"_id": encode_id(10_001, bytes([at]) * 16), "_creationTime": 1e12 + at}
            pictures.append(json.dumps({**picture, "file": id}))
            archive.writestr(f"_storage/{id}{ending}", content)
        archive.writestr("_tables/documents.jsonl", '{"name":"pictures","id":10001}\n')
        archive.writestr("pictures/documents.jsonl", "\n".join(pictures))
        archive.writestr("_storage/documents.jsonl", "\n".join(lines))
        for name, content in extra:
            archive.writestr(name, content)


def test_a_snapshot_of_convexs_brings_its_files_under_their_ids(tmp_path):
    files = [(b"jpeg", "image/jpeg", ".jpeg"), (b"", None, ""), (b"x" * 99, "text/html", ".html")]
    snapshot_of_convexs(tmp_path / "snapshot.zip", files)
    ids = [encode_id(CONVEX_NUMBER, bytes([at]) * 16) for at in range(3)]
    with hw.open(tmp_path / "db.hw", modules=[filing], keep_files_seconds=60) as db:
        report = db.import_from(tmp_path / "snapshot.zip")
        assert (report.files, report.file_bytes, report.skipped) == (3, 103, ())
        documents, contents, pictures = files_of(db)
        assert list(contents.values()) == [content for content, _, _ in reversed(files)]
        assert [picture["file"] for picture in pictures] == ids
        assert documents[ids[0]] == {
            "_id": ids[0],
            "_creationTime": 1700000000000.5,
            "sha256": digest(b"jpeg"),
            "size": 4,
            "contentType": "image/jpeg",
            "filename": None,
        }
        assert ids[0] in db.query(filing.url, file=ids[0])
        with pytest.raises(hw.InvalidIdError):
            db.storage.get(encode_id(1030, bytes(16)))
        db.mutate(filing.delete, file=ids[2])
    with hw.open(tmp_path / "db.hw", modules=[filing], keep_files_seconds=60) as db:
        db.storage.restore(ids[2])
        new = add(db, b"new")
        linked = db.storage.link(ids[0])
        assert files_of(db)[1] == {**contents, new: b"new", linked: b"jpeg"}
        before = files_of(db)
        db.rebuild()
        assert files_of(db) == before
        db.export_to(tmp_path / "again.zip")
        assert db.storage.verify() == []
        assert db.verify() == []
    with hw.open(modules=[filing]) as copy:
        copy.import_from(tmp_path / "again.zip")
        assert files_of(copy) == before


def test_files_that_were_numbered_otherwise_cannot_be_joined(db, tmp_path):
    snapshot_of_convexs(tmp_path / "snapshot.zip", [(b"a", None, "")])
    mine = db.storage.store(b"mine")
    for mode in ("append", "empty"):
        with pytest.raises(hw.ImportRefusedError, match=r"ids cannot be kept|has documents"):
            db.import_from(tmp_path / "snapshot.zip", mode=mode)
    db.import_from(tmp_path / "snapshot.zip", mode="replace")
    assert list(files_of(db)[1].values()) == [b"a"]
    assert on_disk(db) == {digest(b"a")}
    with pytest.raises(hw.InvalidIdError):
        db.storage.get(mine)
    assert db.verify() == []


@pytest.mark.parametrize("number", [513, 1001, 1031, 10_050])
def test_a_number_that_files_cannot_have_is_refused(db, tmp_path, number):
    id = encode_id(number, bytes(16))
    line = {"_id": id, "_creationTime": 1.0, "sha256": digest(b""), "size": 0}
    (tmp_path / "_storage.jsonl").write_text(json.dumps(line))
    (tmp_path / "_storage").mkdir()
    (tmp_path / "_storage" / id).write_bytes(b"")
    with pytest.raises(hw.ImportRefusedError, match=f"table number {number}"):
        db.import_from(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("changed", "is damaged: expected 6 bytes"),
        ("longer", "is damaged: .* got more"),
        ("shorter", "got 5 with"),
        ("missing", "there is no content of file {id}"),
        ("nameless", "no line has the id of "),
        ("twice", "are of the same file"),
        ("unlisted", "no line has the id of "),
        ("size", "the limit file_bytes is 10"),
    ],
)
def test_a_content_that_does_not_fit_is_named_and_nothing_is_imported(
    db, tmp_path, name, fault, said
):
    add(db, b"first", content_type="text/plain")
    file = add(db, b"second" if fault != "size" else b"much too large", content_type="image/png")
    db.export_to(tmp_path / name)
    folder = unpacked(tmp_path / name)
    content = folder / "_storage" / f"{file}.png"
    wrong = {"changed": b"Second", "longer": b"second!" * 2**18, "shorter": b"secon"}
    if fault in wrong:
        content.write_bytes(wrong[fault])
    elif fault == "missing":
        content.unlink()
    elif fault == "nameless":
        (folder / "_storage" / f"{encode_id(1030, bytes(16))}.png").write_bytes(b"second")
    elif fault == "unlisted":
        for lines in (folder / "_storage.jsonl", folder / "_storage" / "documents.jsonl"):
            lines.unlink(missing_ok=True)
    elif fault == "twice":
        (folder / "_storage" / f"{file}.txt").write_bytes(b"second")
    repacked(folder, tmp_path / name)
    limits = hw.Limits(file_bytes=10)
    with testing.database(filing, limits=limits) as copy:
        ts = copy.ts
        for dry_run in (True, False):
            with pytest.raises(hw.ImportRefusedError, match=said.format(id=file)) as caught:
                copy.import_from(tmp_path / name, dry_run=dry_run)
            assert str(caught.value).endswith("Nothing was imported")
        assert (copy.ts, on_disk(copy)) == (ts, set())
        assert copy.import_from(tmp_path / name, files=False).skipped == ("_storage",)


def unpacked(path):
    if path.suffix != ".zip":
        return path
    folder = path.with_suffix(".d")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def repacked(folder, path):
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_id": None}, "no line has the id of"),
        ({"contentType": "no type"}, "content_type='no type'"),
        ({"contentType": 'a/b"\r\nSet-Cookie: x'}, "content_type="),
        ({"filename": 5}, "filename"),
        ({"sha256": "../../etc/passwd"}, "is damaged"),
        ({"sha256": 7}, "sha256"),
        ({"size": -1}, "is damaged"),
        ({"size": "1"}, "size"),
        ({"size": 1.5}, "size"),
        ({"more": 1}, "more"),
    ],
)
def test_a_line_that_cannot_be_that_of_a_file_is_refused(db, tmp_path, change, said):
    file = db.storage.store(b"content")
    db.export_to(tmp_path / "export")
    lines = tmp_path / "export" / "_storage.jsonl"
    line = {**json.loads(lines.read_text()), **change}
    lines.write_text(json.dumps({key: value for key, value in line.items() if value is not None}))
    with testing.database(filing) as copy, pytest.raises(hw.ImportRefusedError) as caught:
        copy.import_from(tmp_path / "export")
    assert said in str(caught.value)
    assert file


def test_a_damaged_archive_is_refused(db, tmp_path):
    db.storage.store(b"some content that is not compressed" * 100)
    db.export_to(tmp_path / "export.zip")
    folder = unpacked(tmp_path / "export.zip")
    repacked(folder, tmp_path / "export.zip")
    data = (tmp_path / "export.zip").read_bytes()
    (tmp_path / "export.zip").write_bytes(data.replace(b"not compressed", b"NOT compressed", 1))
    with (
        testing.database(filing) as copy,
        pytest.raises(hw.ImportRefusedError, match="cannot be read: Bad CRC-32"),
    ):
        copy.import_from(tmp_path / "export.zip")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_damaged_content_is_named_and_nothing_is_exported(db, tmp_path, name, fault):
    file = add(db, b"content")
    (content,) = db.path.glob("files/??/*")
    if fault == "missing":
        content.unlink()
    else:
        content.write_bytes(b"CONTENT")
    with pytest.raises(hw.CorruptionError, match=f"of file {file} .*Nothing was exported"):
        db.export_to(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    assert db.export_to(tmp_path / name, files=False).files == 0


def test_files_are_exported_with_everything_and_where_they_are_asked_for(db, tmp_path):
    add(db, b"content")
    reports = [
        db.export_to(tmp_path / str(at), tables=tables, files=files).files
        for at, (tables, files) in enumerate(
            [(None, None), (None, False), ([Pictures], None), ([Pictures], True), ([], True)]
        )
    ]
    assert reports == [1, 0, 0, 1, 1]
    with testing.database(filing) as copy:
        assert copy.import_from(tmp_path / "4").documents == {}
        assert list(files_of(copy)[1].values()) == [b"content"]


def test_an_export_of_the_past_has_the_files_that_are_kept(tmp_path):
    with testing.database(filing, keep_files_seconds=100) as db:
        file = add(db, b"then")
        expected, then = files_of(db), db.ts
        db.storage.delete(file)
        add(db, b"later")
        db.export_to(tmp_path / "kept", at=then)
        db.clock.advance(seconds=200)
        db.storage.collect()
        with pytest.raises(hw.DocumentNotFoundError, match="not kept any more"):
            db.export_to(tmp_path / "gone", at=then)
        assert not (tmp_path / "gone").exists()
    with testing.database(filing) as copy:
        copy.import_from(tmp_path / "kept")
        assert files_of(copy) == expected


def test_what_a_file_manager_has_left_is_no_content(db, tmp_path):
    add(db, b"content")
    db.export_to(tmp_path / "export")
    (tmp_path / "export" / "_storage" / ".DS_Store").write_bytes(b"left")
    with testing.database(filing) as copy:
        copy.import_from(tmp_path / "export")
        assert files_of(copy) == files_of(db)


def test_an_import_without_files_leaves_them_alone(db, tmp_path):
    with testing.database(filing) as empty:
        empty.export_to(tmp_path / "export")
    add(db, b"content")
    before = files_of(db)[1]
    db.import_from(tmp_path / "export", mode="replace")
    assert files_of(db)[1] == before


def test_append_adds_and_replace_puts_in_place(tmp_path):
    with testing.database(filing, keep_files_seconds=100) as db:
        kept, changed = add(db, b"kept"), add(db, b"changed")
        db.export_to(tmp_path / "export")
        with pytest.raises(hw.ImportRefusedError, match="has documents already"):
            db.import_from(tmp_path / "export")
        with pytest.raises(hw.ImportRefusedError, match="already; mode='replace'"):
            db.import_from(tmp_path / "export", mode="append")
        gone = add(db, b"gone")
        lines = tmp_path / "export" / "_storage.jsonl"
        lines.write_text(lines.read_text().replace(digest(b"changed"), digest(b"CHANGED")))
        (tmp_path / "export" / "_storage" / changed).write_bytes(b"CHANGED")
        db.import_from(tmp_path / "export", mode="replace")
        assert files_of(db)[1] == {kept: b"kept", changed: b"CHANGED"}
        assert on_disk(db) == {digest(content) for content in (b"kept", b"CHANGED", b"gone")}
        db.storage.restore(gone)
        assert files_of(db)[1][gone] == b"gone"
        accesses = [(a["verb"], a["file"]) for a in db.snapshot().query(hw.StorageAccesses)]
        assert ("delete", gone) in accesses
        assert accesses.count(("store", changed)) == 2
        assert accesses.count(("store", kept)) == 1
        assert db.verify() == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_import_that_is_interrupted_anywhere_leaves_nothing(db, tmp_path, name):
    for at in range(3):
        add(db, bytes([at]) * 100)
    db.export_to(tmp_path / name)
    with testing.database(filing) as copy:
        ts, steps = copy.ts, set()
        for number in range(100):
            left = [number]

            def interrupt(progress, left=left):
                steps.add(progress.step)
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt

            try:
                copy.import_from(tmp_path / name, progress=interrupt)
            except KeyboardInterrupt:
                assert (copy.ts, files_of(copy), on_disk(copy)) == (ts, ({}, {}, []), set())
            else:
                break
        assert "importing files" in steps
        assert files_of(copy) == files_of(db)


def test_contents_that_are_not_named_yet_are_neither_collected_nor_reported(db, tmp_path):
    add(db, b"content")
    db.export_to(tmp_path / "export")
    with testing.database(filing) as copy:
        seen = []

        def collect(progress):
            if progress.step == "importing pictures":
                seen.append((copy.storage.collect(), copy.storage.verify()))

        copy.import_from(tmp_path / "export", progress=collect)
        assert seen == [(0, []), (0, [])]
        assert files_of(copy) == files_of(db)


def test_contents_that_are_being_exported_are_not_collected(db, tmp_path):
    file = add(db, b"content")
    expected = files_of(db)

    def delete(progress):
        if progress == hw.Progress("exporting files", 0, 1):
            db.storage.delete(file)
            assert db.storage.collect() == 0

    db.export_to(tmp_path / "export", progress=delete)
    assert on_disk(db) == set()
    with testing.database(filing) as copy:
        copy.import_from(tmp_path / "export")
        assert files_of(copy) == expected


@pytest.mark.parametrize("name", FORMATS)
def test_memory_is_small_whatever_the_size_of_a_file(db, tmp_path, name):
    size = 24 * 2**20
    db.storage.store(bytes(2**20) for _ in range(24))
    with testing.database(filing) as copy:
        tracemalloc.start()
        db.export_to(tmp_path / name)
        copy.import_from(tmp_path / name)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert files_of(copy)[0] == files_of(db)[0]
    assert peak < size / 4


def test_a_content_is_flushed_before_a_commit_names_it(tmp_path, monkeypatch):
    with hw.open(tmp_path / "one.hw", modules=[filing]) as db:
        db.storage.store(b"content")
        db.export_to(tmp_path / "export")
    done = []
    with hw.open(tmp_path / "two.hw", modules=[filing]) as copy:
        fsync, flush = contents_module.os.fsync, contents_module.flush
        commit = type(copy._store.environment).run_write
        monkeypatch.setattr(contents_module.os, "fsync", lambda fd: (done.append("c"), fsync(fd)))
        monkeypatch.setattr(contents_module, "flush", lambda p: (done.append("f"), flush(p)))

        def run_write(self, job):
            done.append("commit")
            return commit(self, job)

        monkeypatch.setattr(type(copy._store.environment), "run_write", run_write)
        copy.import_from(tmp_path / "export")
    first = done.index("commit")
    assert "c" in done[: first - 2], "the content"
    assert done[first - 2 : first] == ["f", "c"], "its directory"


WORKER = """
from tests.services import filing
from headwater.storage import contents
fatal = int(sys.argv[2])
left = [fatal]
def deadly(original):
    def call(*arguments, **options):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), 9)
        return original(*arguments, **options)
    return call
with hw.open(path, modules=[filing]) as db:
    for name in ("write", "fsync"):
        setattr(contents.os, name, deadly(getattr(contents.os, name)))
    contents.Path.replace = deadly(contents.Path.replace)
    environment = type(db._store.environment)
    environment.run_write = deadly(environment.run_write)
    db.import_from(sys.argv[3])
    os.kill(os.getpid(), 9)
"""


def test_a_kill_at_any_call_leaves_all_or_nothing(tmp_path):
    with hw.open(modules=[filing]) as db:
        for at in range(2):
            add(db, bytes([at]) * 100)
        db.export_to(tmp_path / "export.zip")
        expected = files_of(db)
    ends = []
    for fatal in (1, 2, 3, 4, 6, 7, 8, 10, 100):
        path = tmp_path / f"{fatal}.hw"
        with nursery() as start:
            child = start(WORKER, path, fatal, tmp_path / "export.zip")
            child.rest()
            assert child.process.returncode == -signal.SIGKILL, child.errors
        with closing(hw.open(path, modules=[filing])) as db:
            is_there = bool(files_of(db)[0])
            assert files_of(db) == (expected if is_there else ({}, {}, []))
            assert on_disk(db) == {digest(c) for c in expected[1].values() if is_there}
            assert db.storage.verify() == []
            assert db.verify() == []
        ends.append(is_there)
    assert ends[0] is False
    assert ends[-1] is True
