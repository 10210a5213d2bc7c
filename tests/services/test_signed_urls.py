"""Signed URLs: what was given out is good for that and that alone, to the second and the letter."""

import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services import filing

import headwater as hw
from headwater import testing
from headwater.services import signed_urls

SECONDS = 3600


@pytest.fixture(scope="module")
def opened():
    with testing.database(filing) as db:
        file = db.storage.store(b"content", content_type="image/png")
        yield db, file


def parts(url):
    path, _, query = url.partition("?")
    return path, query


def reason_of(call):
    with pytest.raises(hw.UrlRefusedError) as caught:
        call()
    assert caught.value.code == "url_refused"
    return caught.value.reason


def test_what_was_given_out_is_good(opened):
    db, file = opened
    path, query = parts(db.query(filing.url, file=file))
    found = db.storage.urls.download(path, query)
    with found.body:
        assert (found.status, found.body.read()) == (200, b"content")


EXPIRES = [
    "1e99", "17e0", " 17", "17 ", "+17", "%2017", "-1", "0", "00", "017", "0x11", "0b1", "0o7",
    "1_7", "NaN", "nan", "inf", "Infinity", "1.0", "1.", ".5", "",
    "\u0661\u0667", "\uff11\uff17", "\u00b2",
    "17\n", "\n17", "17\r\n", "17\x00", "9999999999999", "1" * 400, "None", "null", "true", "1,7",
    "1%37", "1&1", "1;1", "(17)", "17L",
]  # fmt: skip


@pytest.mark.parametrize("expires", EXPIRES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_expiry_is_written_in_one_way(opened, expires, method):
    _, file = opened
    path = signed_urls.READ_PREFIX if method == "GET" else signed_urls.UPLOAD_PREFIX
    query = f"expires={expires}&signature={'0' * 64}"
    with pytest.raises(hw.UrlRefusedError) as caught:
        signed_urls.parse(method, path + file, query)
    assert caught.value.reason == "malformed"


QUERIES = {
    "nothing": lambda e, s: "",
    "no signature": lambda e, s: f"expires={e}",
    "no expiry": lambda e, s: f"signature={s}",
    "empty signature": lambda e, s: f"expires={e}&signature=",
    "two expiries": lambda e, s: f"expires={e}&expires={e}&signature={s}",
    "two other expiries": lambda e, s: f"expires=9999999999&expires={e}&signature={s}",
    "two signatures": lambda e, s: f"expires={e}&signature={s}&signature={s}",
    "the other order": lambda e, s: f"signature={s}&expires={e}",
    "one more": lambda e, s: f"expires={e}&signature={s}&x=1",
    "one before": lambda e, s: f"x=1&expires={e}&signature={s}",
    "an ampersand behind": lambda e, s: f"expires={e}&signature={s}&",
    "an ampersand before": lambda e, s: f"&expires={e}&signature={s}",
    "two ampersands": lambda e, s: f"expires={e}&&signature={s}",
    "a semicolon": lambda e, s: f"expires={e};signature={s}",
    "a question mark": lambda e, s: f"?expires={e}&signature={s}",
    "a fragment": lambda e, s: f"expires={e}&signature={s}#x",
    "capital names": lambda e, s: f"Expires={e}&Signature={s}",
    "capital digits": lambda e, s: f"expires={e}&signature={s.upper()}",
    "a percent sign": lambda e, s: f"expires={e}&signature=%{ord(s[0]):x}{s[1:]}",
    "a percent sign in a name": lambda e, s: f"%65xpires={e}&signature={s}",
    "brackets": lambda e, s: f"expires[]={e}&signature={s}",
    "a short signature": lambda e, s: f"expires={e}&signature={s[:-1]}",
    "a long signature": lambda e, s: f"expires={e}&signature={s}0",
    "a space behind": lambda e, s: f"expires={e}&signature={s} ",
    "a plus behind": lambda e, s: f"expires={e}&signature={s}+",
    "a line break behind": lambda e, s: f"expires={e}&signature={s}\n",
    "a null behind": lambda e, s: f"expires={e}&signature={s}\x00",
    "wide letters": lambda e, s: f"expires={e}&signature=" + "\uff10" * 64,
}


@pytest.mark.parametrize("change", QUERIES.values(), ids=QUERIES)
def test_a_query_is_written_in_one_way(opened, change):
    db, file = opened
    path, query = parts(db.query(filing.url, file=file))
    expires, signature = re.fullmatch("expires=(.*)&signature=(.*)", query).groups()
    changed = change(expires, signature)
    assert changed != query  # the clock of the tests draws a key whose signature has letters
    assert reason_of(lambda: db.storage.urls.download(path, changed)) == "malformed"


PATHS = [
    "", "/", "{id}", "/api/storage", "/api/storage/", "/api/storage//{id}", "/api/storage/{id}/",
    "/api/storage/./{id}",
    "/api/storage/../api/storage/{id}", "/api/storage/../../etc/passwd", "/api/storage/%2e%2e/{id}",
    "/api/storage/..%2f{id}", "/api/storage\\{id}", "/api/STORAGE/{id}", "/x/api/storage/{id}",
    "//api/storage/{id}",
    "/api/storage/{ID}", "/api/storage/{id}%00", "/api/storage/{id}\x00", "/api/storage/{id}\n",
    "/api/storage/{id}.html",
    "/api/storage/{id};x", "/api/storage/{id}%20", "/api/storage/%67{id}",
    "/api/storage/upload/{id}/",
    "http://example.org/api/storage/{id}",
]  # fmt: skip


@pytest.mark.parametrize("form", PATHS)
def test_a_path_is_written_in_one_way(opened, form):
    db, file = opened
    _, query = parts(db.query(filing.url, file=file))
    path = form.format(id=file, ID=file.upper())
    assert reason_of(lambda: db.storage.urls.download(path, query)) == "malformed"


def test_a_url_is_for_its_file_its_time_its_method_and_its_database(opened):
    db, file = opened
    other = db.storage.store(b"other")
    path, query = parts(db.query(filing.url, file=file))
    urls = db.storage.urls
    expires = int(query[8:].partition("&")[0])
    later = query.replace(str(expires), str(expires + 1))
    upload_path, upload_query = parts(db.mutate(filing.upload_url))
    upload_read = signed_urls.READ_PREFIX + upload_path.rpartition("/")[2]
    with testing.database(filing, seed=1) as another:
        twin = another.storage.store(b"content")
        # The same key, and all the same not the same database.
        shutil.copy(db.path / "url-keys.json", another.path)
        of_another = parts(another.query(filing.url, file=twin))
    for refused in (
        lambda: urls.download(path.replace(file, other), query),
        lambda: urls.download(path, later),
        lambda: urls.download(upload_read, upload_query),
        lambda: urls.upload(signed_urls.UPLOAD_PREFIX + file, query, b"x"),
        lambda: urls.download(*of_another),
    ):
        assert reason_of(refused) == "signature"
    assert reason_of(lambda: urls.upload(path, query, b"x")) == "malformed"
    assert reason_of(lambda: urls.download(upload_path, upload_query)) == "malformed"


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_a_signature_with_another_digit_is_not_good(opened, at, digit):
    db, file = opened
    path, query = parts(db.query(filing.url, file=file))
    head, signature = query[:-64], query[-64:]
    changed = signature[:at] + digit + signature[at + 1 :]
    if changed != signature:
        assert reason_of(lambda: db.storage.urls.download(path, head + changed)) == "signature"


@given(st.text())
def test_no_text_is_taken_for_a_url_by_mistake(opened, text):
    db, _ = opened
    assert reason_of(lambda: db.storage.urls.download(text, text)) == "malformed"


def test_it_expires_with_its_second():
    with testing.database(filing) as db:
        file = db.storage.store(b"content")
        path, query = parts(db.query(filing.url, file=file, seconds=10))
        db.clock.advance(seconds=10, microseconds=-1)
        with db.storage.urls.download(path, query).body:
            pass
        db.clock.advance(microseconds=1)
        # Creation times of the calls before have gone on by fractions, rounded up.
        db.clock.advance(seconds=1)
        assert reason_of(lambda: db.storage.urls.download(path, query)) == "expired"


def test_a_new_key_ends_the_old_one_after_its_grace():
    with testing.database(filing) as db:
        file = db.storage.store(b"content")
        before = parts(db.query(filing.url, file=file))
        db.storage.rotate_key(grace_seconds=60)
        after = parts(db.query(filing.url, file=file))
        for url in (before, after):
            db.storage.urls.download(*url, is_head=True)
        db.clock.advance(seconds=60)
        db.storage.urls.download(*after, is_head=True)
        assert reason_of(lambda: db.storage.urls.download(*before)) == "signature"


def test_the_key_is_a_secret_of_256_bits(tmp_path):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        file = db.storage.store(b"content")
        assert not (tmp_path / "db" / "url-keys.json").exists()
        db.query(filing.url, file=file)
        keys = tmp_path / "db" / "url-keys.json"
        (key,) = db._services.files.keys.good()
        assert len(key) == 32
        assert keys.stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "db").stat().st_mode & 0o777 == 0o700
        db.backup(tmp_path / "backup")
        db.export_to(tmp_path / "export.zip")
        exported = (tmp_path / "export.zip").read_bytes()
        logged = repr(db.log.read(tables=["_storage", "_storage_accesses", "_upload_urls"]))
        for found in (exported, logged.encode(), (tmp_path / "db" / "data.mdb").read_bytes()):
            assert key not in found
            assert key.hex().encode() not in found
    assert not (tmp_path / "backup" / "url-keys.json").exists()


def test_a_key_file_that_is_damaged_is_named(tmp_path):
    with hw.open(tmp_path / "db", modules=[filing]) as db:
        file = db.storage.store(b"content")
        (tmp_path / "db" / "url-keys.json").write_text('{"keys": [{"key": "00", "ends": 0}]}')
        with pytest.raises(hw.CorruptionError, match=r"url-keys\.json"):
            db.query(filing.url, file=file)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), True])
def test_the_life_of_a_url_is_a_number_above_zero(opened, seconds):
    db, file = opened
    with pytest.raises(hw.ArgumentError):
        db.storage.url(file, expires_seconds=seconds)
