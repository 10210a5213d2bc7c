"""Stored files: a model, collection between any two steps, ranges, uploads, faults."""

import asyncio
import errno
import hashlib
import io
import os
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tests.services import filing

import headwater as hw
from headwater import testing
from headwater.services.file_collecting import Collector
from headwater.services.file_serving import Span, read_range
from headwater.storage import contents as contents_module


@pytest.fixture
def db():
    with testing.database(filing) as database:
        yield database


def read(db, file):
    found = db.storage.get(file)
    if found is None:
        return None
    with found:
        return found.read()


def on_disk(db):
    root = db.path / "files"
    return sorted(path.name for path in root.glob("??/*")) + [
        path.name for path in root.glob("incoming/*")
    ]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def parts(url):
    path, _, query = url.partition("?")
    return path, query


class FilesAndModel(RuleBasedStateMachine):
    """Whatever is stored, linked and deleted: each file has its bytes, and nothing else is kept."""

    files = Bundle("files")

    def __init__(self):
        super().__init__()
        self.opening = testing.database(filing)
        self.db = self.opening.__enter__()
        self.model = {}

    @rule(
        target=files,
        content=st.sampled_from([b"", b"a", b"b", b"a" * 600_000]),
        way=st.integers(0, 2),
    )
    def store(self, content, way):
        given = [content, io.BytesIO(content), iter([content[:2], content[2:]])][way]
        file = self.db.storage.store(given, sha256=sha256(content))
        self.model[file] = content
        return file

    @rule(target=files, file=files)
    def link(self, file):
        if file in self.model:
            linked = self.db.mutate(filing.link, file=file)
            self.model[linked] = self.model[file]
            return linked
        with pytest.raises(hw.DocumentNotFoundError):
            self.db.mutate(filing.link, file=file)
        return file

    @rule(target=files, file=files, is_async=st.booleans())
    def copy(self, file, is_async):
        if file not in self.model or len(self.model[file]) > 10:
            return file
        copied = self.db.act(filing.copy_slowly if is_async else filing.copy, file=file)
        self.model[copied] = self.model[file]
        return copied

    @rule(file=consumes(files), fails=st.booleans())
    def delete(self, file, fails):
        if file not in self.model:
            with pytest.raises(hw.DocumentNotFoundError):
                self.db.mutate(filing.delete, file=file)
        elif fails:
            with pytest.raises(ValueError, match="afterwards"):
                self.db.mutate(filing.delete_and_fail, file=file)
        else:
            self.db.mutate(filing.delete, file=file)
            del self.model[file]

    @rule()
    def fail_to_store(self):
        def broken():
            yield b"half"
            raise RuntimeError("the client is gone")

        with pytest.raises(RuntimeError):
            self.db.storage.store(broken())

    @invariant()
    def each_file_has_its_bytes(self):
        for file, content in self.model.items():
            assert read(self.db, file) == content

    @rule()
    def collect(self):
        # What the thread has not come to yet, and what it has, together.
        while self.db.storage.collect():
            pass
        assert on_disk(self.db) == sorted({sha256(content) for content in self.model.values()})
        assert self.db.storage.verify() == []

    def teardown(self):
        self.collect()
        self.opening.__exit__(None, None, None)


FilesAndModel.TestCase.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
TestFilesAndModel = FilesAndModel.TestCase


# Between any two steps --------------------------------------------------------------------------


def test_a_collection_between_placing_and_naming_waits(db):
    storage = db.storage
    first = storage.store(b"same")
    contents, collector = storage._parts.contents, storage._parts.collector
    with contents.receive() as incoming:
        incoming.write(b"same")
        with incoming.placed():
            db.mutate(filing.delete, file=first)
            assert not collector.is_named(sha256(b"same"))
            assert contents.remove(sha256(b"same"), lambda: False) == "busy"
            assert on_disk(db) == [sha256(b"same")]
    storage.collect()
    assert on_disk(db) == []


def test_what_was_stored_again_since_it_was_found_unnamed_is_kept(db, monkeypatch):
    storage = db.storage
    with storage._parts.contents.receive() as incoming:
        incoming.write(b"same")
        with incoming.placed():
            pass
    remove = contents_module.Contents.remove
    stored = []

    def remove_later(contents, name, is_named):
        stored.append(storage.store(b"same"))
        return remove(contents, name, is_named)

    with monkeypatch.context() as patch:
        patch.setattr(contents_module.Contents, "remove", remove_later)
        assert storage.collect() == 0
    assert read(db, stored[0]) == b"same"


def test_who_places_while_one_is_removed_comes_after_it(db):
    """The look and the removal are one step to those who place the same content."""
    storage = db.storage
    storage.delete(storage.store(b"same"))
    contents = storage._parts.contents
    contents.remove(sha256(b"same"), lambda: False)
    with contents.receive() as incoming:
        incoming.write(b"same")
        with incoming.placed():
            pass
    placed, asked = threading.Event(), threading.Event()
    found = []

    def is_named():
        asked.set()
        return False

    def place():
        asked.wait()
        found.append(storage.store(b"same"))
        placed.set()

    thread = threading.Thread(target=place)
    thread.start()
    assert contents.remove(sha256(b"same"), is_named) in {"removed", "busy", "kept"}
    asked.set()
    thread.join()
    assert placed.is_set()
    assert read(db, found[0]) == b"same"


def test_threads_that_store_and_delete_the_same_contents_lose_nothing(db):
    kept = []

    def work(number):
        for turn in range(12):
            file = db.storage.store([b"x", b"y"][turn % 2])
            if (turn + number) % 3:
                db.mutate(filing.delete, file=file)
                db.storage.collect()
            else:
                kept.append((file, [b"x", b"y"][turn % 2]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 16
    for file, content in kept:
        assert read(db, file) == content


def test_an_open_file_stays_readable_when_it_is_deleted(db):
    file = db.storage.store(b"abc")
    with db.storage.get(file) as found:
        db.storage.delete(file)
        db.storage.collect()
        assert on_disk(db) == []
        assert found.read() == b"abc"
    assert db.storage.get(file) is None


# Documents --------------------------------------------------------------------------------------


def test_a_file_says_what_it_is_and_nobody_else_writes_it(db):
    file = db.storage.store(b"abc", content_type="text/plain", filename="a.txt")
    found = db.storage.metadata(file)
    assert (found["sha256"], found["size"], found["contentType"], found["filename"]) == (
        sha256(b"abc"),
        3,
        "text/plain",
        "a.txt",
    )
    with pytest.raises(hw.InvalidIdError):
        db.mutate(filing.write_by_itself, file=file)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "a\x00b",
        "..",
        ".",
        "",
        "CON",
        "a/b\\c",
        "\u202egnp.exe",
        "x" * 1024,
    ],
)
def test_a_name_is_data(db, name):
    file = db.storage.store(b"abc", filename=name)
    assert db.query(filing.names) == [name]
    assert on_disk(db) == [sha256(b"abc")]
    found = db.storage.urls.download(*parts(db.storage.url(file)), is_head=True)
    for _, value in found.headers:
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("given", ["text", None, 3, ["text"], [b"a", None], io.StringIO("x")])
def test_what_is_no_content_is_refused(db, given):
    with pytest.raises(hw.ArgumentError, match="content"):
        db.storage.store(given)
    assert on_disk(db) == []


@pytest.mark.parametrize(
    "options",
    [
        {"content_type": "no type"},
        {"content_type": "text/plain\r\nx: y"},
        {"content_type": 3},
        {"sha256": "00"},
        {"sha256": "g" * 64},
        {"sha256": 3},
        {"filename": "x" * 1025},
        {"filename": 3},
    ],
)
def test_what_is_said_of_a_content_is_checked(db, options):
    with pytest.raises(hw.ArgumentError):
        db.storage.store(b"abc", **options)
    assert on_disk(db) == []


def test_another_hash_is_refused(db):
    with pytest.raises(hw.UploadRefusedError) as caught:
        db.storage.store(b"abc", sha256=sha256(b"abd"))
    assert caught.value.reason == "sha256"
    assert on_disk(db) == []


@pytest.mark.parametrize("verb", ["get", "metadata", "url", "delete", "link"])
@pytest.mark.parametrize("id", ["", "../../x", "x" * 32, None, 3, "other"])
def test_only_ids_of_files_are_taken(db, verb, id):
    if id == "other":
        id = db.transact(lambda tx: tx.insert("things", {}))
    with pytest.raises(hw.InvalidIdError):
        getattr(db.storage, verb)(id)


def test_limits_hold_exactly():
    limits = hw.Limits(file_bytes=10, url_seconds=5)
    with testing.database(filing, limits=limits) as db:
        file = db.storage.store([b"x" * 5, b"x" * 5])
        db.storage.url(file, expires_seconds=5)
        for call in (
            lambda: db.storage.store([b"x" * 5, b"x" * 6]),
            lambda: db.storage.url(file, expires_seconds=5.001),
            lambda: db.storage.generate_upload_url(expires_seconds=5, max_bytes=11),
        ):
            with pytest.raises(hw.LimitExceededError):
                call()
        assert on_disk(db) == [sha256(b"x" * 10)]


# URLs -------------------------------------------------------------------------------------------


def test_an_upload_url_is_good_for_one_upload(db):
    path, query = parts(db.mutate(filing.upload_url))
    results = []

    def upload(number):
        try:
            results.append(db.storage.urls.upload(path, query, str(number).encode()))
        except hw.UrlRefusedError as error:
            results.append(error.reason)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (file,) = [result for result in results if result != "used"]
    assert len(results) == 6
    assert len(db.query(filing.names)) == 1
    assert read(db, file) is not None
    db.storage.collect()
    assert len(on_disk(db)) == 1


def test_a_collection_waits_for_the_one_that_is_under_way(db, monkeypatch):
    """Both lock the same folders, and neither is the other's reason to pass a content over."""
    contents = contents_module.Contents(db.path, is_durable=False)
    collector = Collector(db.runner, contents, db._watching)  # without its thread
    inside, waits_or_ended, go_on = threading.Event(), threading.Event(), threading.Event()
    for content in (b"held", b"left"):
        with contents.receive() as incoming:
            incoming.write(content)
            with incoming.placed():
                pass
    held = hashlib.sha256(b"held").hexdigest()
    is_named = collector.is_named

    def slow(sha256):
        if sha256 == held and not inside.is_set():
            inside.set()
            go_on.wait()
        return is_named(sha256)

    class Watched:
        def __init__(self, real):
            self.real = real

        def __enter__(self):
            if not self.real.acquire(blocking=False):
                waits_or_ended.set()
                self.real.acquire()

        def __exit__(self, *_):
            self.real.release()

    def collect():
        collector.collect()
        waits_or_ended.set()

    monkeypatch.setattr(collector, "is_named", slow)
    monkeypatch.setattr(collector, "_removing", Watched(threading.Lock()), raising=False)
    first = threading.Thread(target=lambda: collector._remove(held))
    first.start()
    inside.wait()
    second = threading.Thread(target=collect)
    second.start()
    waits_or_ended.wait()
    go_on.set()
    first.join()
    second.join()
    assert on_disk(db) == []


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"x" * 11, "image/png", "size"),
        (b"x", "text/html", "content_type"),
        (b"x", None, "content_type"),
        (b"x", "imagex/png", "content_type"),
    ],
)
def test_an_upload_keeps_to_its_url_and_may_be_tried_again(db, content, content_type, reason):
    path, query = parts(db.mutate(filing.upload_url, max_bytes=10, types=["image/*"]))
    with pytest.raises(hw.UploadRefusedError) as caught:
        db.storage.urls.upload(path, query, content, content_type=content_type)
    assert caught.value.reason == reason
    assert on_disk(db) == []
    db.storage.urls.upload(path, query, b"x" * 10, content_type="IMAGE/PNG; a=b")


def test_an_upload_is_ended_as_soon_as_it_is_too_large(db):
    path, query = parts(db.mutate(filing.upload_url, max_bytes=10))
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield b"xxx"

    with pytest.raises(hw.UploadRefusedError):
        db.storage.urls.upload(path, query, endless())
    assert len(taken) == 4


def test_expired_uploads_are_forgotten_by_new_ones(db):
    for _ in range(5):
        db.mutate(filing.upload_url)
    db.clock.advance(hours=2)
    for _ in range(5):
        db.mutate(filing.upload_url)
    with db.snapshot() as snapshot:
        assert snapshot.query(hw.UploadUrls).count() == 5


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=0-", (0, 10)),
        ("bytes=3-5", (3, 6)),
        ("bytes=9-", (9, 10)),
        ("bytes=5-99999999999", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        (" Bytes=1-1 ", (1, 2)),
        ("lines=1-2", None),
    ],
)
def test_a_range_is_a_part(header, span):
    expected = None if span is None else Span(*span, 10)
    assert read_range(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,3-4", "bytes=10-", "bytes=11-12", "bytes=5-4", "bytes=-", "bytes=", "bytes=-0",
        "bytes=a-b", "bytes=1-2-3", "bytes=--1", "bytes=+1-2", "bytes=1e1-", "bytes=0x1-2",
        "bytes=\u0661-\u0662", "bytes= 1-2", "bytes=1 - 2", "bytes=" + "9" * 30 + "-",
    ],
)  # fmt: skip
def test_other_ranges_are_refused(header):
    with pytest.raises(hw.RangeRefusedError) as caught:
        read_range(header, 10)
    assert caught.value.size == 10


def test_no_range_begins_in_an_empty_file():
    with pytest.raises(hw.RangeRefusedError):
        read_range("bytes=0-", 0)


def test_a_download_has_its_facts(db):
    file = db.storage.store(b"0123456789", content_type="text/html", filename="a b.html")
    url = parts(db.storage.url(file))
    found = db.storage.urls.download(*url, range_header="bytes=2-4")
    with found.body:
        assert found.body.read() == b"234"
    headers = dict(found.headers)
    assert found.status == 206
    assert headers["content-range"] == "bytes 2-4/10"
    assert headers["content-length"] == "3"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''a%20b.html"
    assert headers["x-content-type-options"] == "nosniff"
    head = db.storage.urls.download(*url, is_head=True)
    assert (head.status, head.body, dict(head.headers)["content-length"]) == (200, None, "10")
    known = db.storage.urls.download(*url, if_none_match=headers["etag"])
    assert (known.status, known.body) == (304, None)
    changed = db.storage.urls.download(*url, range_header="bytes=2-4", if_range='"old"')
    with changed.body:
        assert changed.status == 200
    db.storage.delete(file)
    assert db.storage.urls.download(*url) is None


@pytest.mark.parametrize(
    "kind", ["image/svg+xml", "text/html", "application/xhtml+xml", "text/xml", None]
)
def test_what_a_browser_may_run_is_saved_and_not_shown(db, kind):
    file = db.storage.store(b"<script>", content_type=kind)
    found = db.storage.urls.download(*parts(db.storage.url(file)), is_head=True)
    assert dict(found.headers)["content-disposition"] == "attachment"


# The access log ---------------------------------------------------------------------------------


def accesses(db):
    db.storage.flush_accesses()
    with db.snapshot() as snapshot:
        return [
            (one["verb"], one["by"], one["identity"], one["bytes"])
            for one in snapshot.query(hw.StorageAccesses)
        ]


def test_every_access_is_noted_with_who_and_how(db):
    with hw.acting_as(hw.Identity("ada")):
        file = db.storage.store(b"abc")
        db.act(filing.copy, file=file)
    with db.storage.urls.download(*parts(db.storage.url(file)), range_header="bytes=0-1").body:
        pass
    db.mutate(filing.delete, file=file)
    assert accesses(db) == [
        ("store", "program", "local|ada", 3),
        ("read", "function", "local|ada", 3),
        ("store", "function", "local|ada", 3),
        ("read", "url", None, 2),
        ("delete", "function", None, 3),
    ]


def test_accesses_are_trimmed_by_age_and_by_number(db):
    for _ in range(3):
        db.storage.store(b"abc")
        db.clock.advance(hours=1)
    assert db.storage.trim_accesses(keep_seconds=2.5 * 3600) == 1
    assert db.storage.trim_accesses(keep_count=1) == 1
    assert len(accesses(db)) == 1
    with pytest.raises(hw.ArgumentError):
        db.storage.trim_accesses()


def test_accesses_need_not_be_noted():
    with testing.database(filing, log_accesses=False) as db:
        assert read(db, db.storage.store(b"abc")) == b"abc"
        assert accesses(db) == []


def test_reads_are_noted_off_the_reader_s_way(tmp_path):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        file = db.storage.store(b"abc")
        for _ in range(5):
            read(db, file)
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        assert [access[0] for access in accesses(db)] == ["store"] + ["read"] * 5


# Faults -----------------------------------------------------------------------------------------


def errno_of(call):
    try:
        call()
    except hw.StorageError as error:
        return error.errno
    return None


CALLS = ["write", "fsync", "open", "replace", "flock"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_leaves_nothing_half_visible(tmp_path, monkeypatch, call, code):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        before = db.storage.store(b"before")
        at = 0
        while True:
            at += 1
            left = [at]

            def failing(original, left=left):
                def fail(*arguments, **options):
                    left[0] -= 1
                    if left[0] == 0:
                        raise OSError(code, os.strerror(code))
                    return original(*arguments, **options)

                return fail

            with monkeypatch.context() as patch:
                holder = contents_module.fcntl if call == "flock" else contents_module.os
                if call == "replace":
                    patch.setattr(contents_module.Path, call, failing(contents_module.Path.replace))
                else:
                    patch.setattr(holder, call, failing(getattr(holder, call)))
                failure = errno_of(lambda at=at: db.storage.store(b"content %d" % at))
            assert failure in {None, code}
            failed = failure is not None
            names = len(db.query(filing.names))
            assert names == (1 if failed else 2), "what was refused is not there"
            if not failed or at == 30:
                break
            db.storage.collect()
            assert on_disk(db) == [sha256(b"before")]
        assert at > 1
        assert read(db, before) == b"before"


def test_a_content_is_durable_in_its_place_before_it_is_named(tmp_path, monkeypatch):
    happened = []

    def noting(what, original):
        def call(*arguments):
            done = original(*arguments)
            happened.append((what, *map(str, arguments)))
            return done

        return call

    with hw.open(tmp_path / "db", modules=[filing]) as db:
        monkeypatch.setattr(
            contents_module.os, "fsync", lambda file: happened.append(("fsync", inode_of(file)))
        )
        monkeypatch.setattr(
            contents_module, "flush", lambda path: happened.append(("flush", str(path)))
        )
        monkeypatch.setattr(
            contents_module.Path, "replace", noting("replace", contents_module.Path.replace)
        )
        serve = db._runner.serve
        monkeypatch.setattr(db._runner, "serve", noting("commit", serve))
        db.storage.store(b"content")
        monkeypatch.undo()
        content = tmp_path / "db" / "files" / sha256(b"content")[:2] / sha256(b"content")
        written = ("fsync", content.stat().st_ino)
    steps = [step if step == written else step[:1] for step in happened]
    assert steps.count(written) == 1
    at = happened.index(written)
    (placed,) = [at for at, step in enumerate(happened) if step[0] == "replace"]
    (named,) = [at for at, step in enumerate(happened) if step[0] == "commit"]
    assert at < placed < happened.index(("flush", str(content.parent))) < named
    for folder in (tmp_path / "db", tmp_path / "db" / "files"):
        assert happened.index(("flush", str(folder))) < named


def inode_of(descriptor):
    return os.fstat(descriptor).st_ino


def test_short_writes_are_gone_on_with(db, monkeypatch):
    write = os.write
    monkeypatch.setattr(contents_module.os, "write", lambda file, data: write(file, data[:7]))
    content = bytes(range(256)) * 3
    file = db.storage.store(content)
    monkeypatch.undo()
    assert read(db, file) == content


@pytest.mark.parametrize("damage", ["gone", "cut", "changed", "longer"])
def test_damage_is_found_and_the_same_content_mends_it(db, damage):
    file = db.storage.store(b"content")
    path = db.path / "files" / sha256(b"content")[:2] / sha256(b"content")
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": b"cont", "changed": b"CONTENT", "longer": b"contents"}[damage])
    (problem,) = db.storage.verify()
    assert problem.kind == ("content_missing" if damage == "gone" else "content_damaged")
    assert problem.id == file
    if damage != "changed":
        with pytest.raises(hw.CorruptionError, match=file):
            db.storage.get(file)
    db.storage.store(b"content")
    assert db.storage.verify() == []
    assert read(db, file) == b"content"


def test_a_content_that_nothing_names_is_told_of(db):
    db.storage.store(b"x")
    with db.storage._parts.contents.receive() as incoming:
        incoming.write(b"lost")
        with incoming.placed():
            pass
    assert [problem.kind for problem in db.storage.verify()] == ["content_unnamed"]
    assert db.storage.collect() == 1
    assert db.storage.verify() == []


def test_a_query_or_mutation_uses_its_context(db):
    @hw.mutation
    def wrong(ctx: hw.MutationCtx) -> None:
        db.storage.store(b"x")

    with pytest.raises(hw.UsageError, match="instead of its context"):
        db.mutate(wrong)


@pytest.mark.parametrize("name", ["fork", None])
def test_a_fork_has_the_files(tmp_path, name):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        file = db.storage.store(b"content")
        with db.fork(name and tmp_path / name) as fork:
            db.storage.delete(file)
            db.storage.collect()
            assert read(fork, file) == b"content"
            assert fork.storage.verify() == []
        assert db.storage.get(file) is None


def test_a_backup_has_the_files(tmp_path):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        file = db.storage.store(b"content")
        db.backup(tmp_path / "backup")
        db.storage.delete(file)
        db.storage.collect()
    hw.restore_backup(tmp_path / "backup", tmp_path / "restored")
    with hw.open(tmp_path / "restored", modules=[filing]) as db:
        assert db.storage.verify() == []
        assert read(db, file) == b"content"
        assert db.verify() == []


# Deleted files that are kept --------------------------------------------------------------------


def test_a_deleted_file_is_kept_for_a_time_and_comes_back():
    with testing.database(filing, keep_files_seconds=60) as db:
        file = db.storage.store(b"abc", content_type="text/plain", filename="a")
        before = db.storage.metadata(file)
        moment = db.ts
        db.clock.advance(seconds=1)
        db.mutate(filing.delete, file=file)
        db.storage.collect()
        assert db.storage.get(file) is None
        assert db.storage.verify() == []
        with db.storage.get(file, at=moment) as found:
            assert found.read() == b"abc"
        db.storage.restore(file)
        assert db.storage.metadata(file) == before
        assert read(db, file) == b"abc"
        with pytest.raises(hw.DocumentNotFoundError, match="not deleted"):
            db.storage.restore(file)
        assert db.verify() == []


def test_a_deleted_file_goes_when_its_time_is_over():
    with testing.database(filing, keep_files_seconds=60) as db:
        file = db.storage.store(b"abc")
        moment = db.ts
        db.storage.delete(file)
        db.clock.advance(seconds=59)
        db.storage.collect()
        assert on_disk(db) == [sha256(b"abc")]
        db.clock.advance(seconds=3)
        db.storage.collect()
        assert on_disk(db) == []
        for call in (
            lambda: db.storage.restore(file),
            lambda: db.storage.get(file, at=moment),
        ):
            with pytest.raises(hw.DocumentNotFoundError, match="kept any more"):
                call()


def test_deletions_forget_those_whose_time_is_over():
    with testing.database(filing, keep_files_seconds=60) as db:
        for number in range(5):
            db.storage.delete(db.storage.store(b"%d" % number))
        db.clock.advance(seconds=90)
        for number in range(5):
            db.storage.delete(db.storage.store(b"%d" % number))
        with db.snapshot() as snapshot:
            assert snapshot.query(hw.DeletedFiles).count() == 5


# asyncio ----------------------------------------------------------------------------------------


async def store_and_read(db):
    async def pieces():
        for piece in (b"ab", bytearray(b"cd")):
            yield piece

    class Uploaded:
        """As web frameworks have it."""

        def __init__(self):
            self.left = [b"up", b"loaded"]

        async def read(self, size):
            return self.left.pop(0) if self.left else b""

    storage = db.aio.storage
    contents = [b"abcd", b"uploaded", b"plain", b"file", b"pieces"]
    files = [
        await storage.store(given)
        for given in (pieces(), Uploaded(), b"plain", io.BytesIO(b"file"), [b"pie", b"ces"])
    ]
    for file, content in zip(files, contents, strict=True):
        async with await storage.get(file) as found:
            assert b"".join([piece async for piece in found]) == content
    path, query = parts(await storage.generate_upload_url(max_bytes=4))
    with pytest.raises(hw.UploadRefusedError):
        await storage.urls.upload_async(path, query, pieces_of_five())
    uploaded = await storage.urls.upload_async(path, query, pieces())
    assert (await storage.metadata(uploaded))["size"] == 4
    await storage.delete(uploaded)
    assert await storage.get(uploaded) is None
    with pytest.raises(hw.ArgumentError):
        await storage.store("text")


async def pieces_of_five():
    yield b"12345"


def test_the_same_for_asyncio(db):
    asyncio.run(store_and_read(db))


def test_a_task_that_is_cancelled_stores_nothing(db):
    async def run():
        waiting = asyncio.Event()

        async def endless():
            yield b"half"
            waiting.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(db.aio.storage.store(endless()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert on_disk(db) == []
    assert db.query(filing.names) == []
