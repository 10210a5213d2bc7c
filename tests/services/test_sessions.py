"""Accounts and sessions, one thing at a time; whole histories are in test_session_machine.py."""

import asyncio
import sys
import threading
from base64 import urlsafe_b64decode
from datetime import timedelta

import argon2
import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from tests.server.asgi import ask
from tests.services import signing
from tests.services.signing import CHEAP, OTHER, PASSWORD

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    with signing.database(signing) as database:
        yield database


def reason(function, *args):
    with pytest.raises(hw.TokenInvalidError) as caught:
        function(*args)
    return caught.value.reason


# -- accounts ------------------------------------------------------------------------------------


def test_who_has_signed_up_is_recognized_with_the_claims_of_the_application(db):
    tokens = db.sessions.sign_up("ada@example.org", PASSWORD, claims={"name": "Ada"})
    identity = db.identify(tokens.access_token)
    assert identity == hw.Identity(tokens.account, "headwater", {"name": "Ada"})
    assert db.verify_token(tokens.access_token).session == tokens.session
    assert db.verify_token(tokens.access_token).expires_at == tokens.access_expires_at
    assert db.acting_as(identity).query(signing.devices) == [""]


@pytest.mark.parametrize(
    "typed",
    ["ADA@Example.org", " ada@example.org ", "\uff41da@example.org", "ada@\uff25xample.org"],
)
def test_a_login_is_the_same_in_any_case_and_form(db, typed):
    db.sessions.sign_up("ada@example.org", PASSWORD)
    assert db.sessions.sign_in(typed, PASSWORD)
    with pytest.raises(hw.SignUpRefusedError) as caught:
        db.sessions.sign_up(typed, PASSWORD)
    assert caught.value.reason == "login_taken"


@pytest.mark.parametrize("login", ["", "  ", "a\nb", "a\x00", "x" * 321, "ﷺ" * 30, "\ud800", 5])
def test_what_is_no_login_cannot_sign_up_and_is_unknown(db, login):
    with pytest.raises(hw.SignUpRefusedError) as caught:
        db.sessions.sign_up(login, PASSWORD)
    assert caught.value.reason == "login_invalid"
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in(login, PASSWORD)
    assert db.query(signing.logins) == []


def test_a_password_is_compared_in_its_compatible_form(db):
    db.sessions.sign_up("ada", "ﬁne passwörds are long")
    assert db.sessions.sign_in("ada", "fine passwo\u0308rds are long")
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", "Fine passwörds are long")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("x" * 11, "password_too_short"),
        ("\u0308" * 0 + "a\u0308" * 11, "password_too_short"),  # eleven letters, composed
        ("x" * 1001, "password_too_long"),
        ("ﷺ" * 60, "password_too_long"),  # 18 times as long, in its compatible form
        ("grace@example.org", "password_is_login"),
        (" GRACE@example.org", "password_is_login"),
        (None, "password_too_long"),
    ],
)
def test_a_password_that_cannot_be_is_refused_wherever_one_is_set(db, password, why):
    tokens = db.sessions.sign_up("grace@example.org", PASSWORD)
    steps = [
        lambda: db.sessions.change_password(tokens.access_token, PASSWORD, password),
        lambda: db.sessions.set_password(tokens.account, password),
        lambda: (
            db.sessions.delete_account(tokens.account)
            and db.sessions.sign_up("grace@example.org", password)
        ),
    ]
    for step in steps:
        with pytest.raises(hw.SignUpRefusedError) as caught:
            step()
        assert caught.value.reason == why == caught.value.data["reason"]


@pytest.mark.parametrize("password", ["x" * 12, "x" * 1000, "\ud800" * 12, "a\x00" * 6, "🐎" * 12])
def test_any_other_text_is_a_password(db, password):
    db.sessions.sign_up("ada", password)
    assert db.sessions.sign_in("ada", password)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", password[:-1])


def test_a_password_that_is_too_long_to_be_one_is_wrong(db):
    db.sessions.sign_up("ada", "x" * 1000)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", "x" * 1001)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", None)


def test_setting_a_password_ends_all_sessions_and_changing_it_all_others(db):
    first = db.sessions.sign_up("ada", PASSWORD)
    second = db.sessions.sign_in("ada", PASSWORD)
    db.sessions.change_password(second.access_token, PASSWORD, OTHER)
    assert reason(db.identify, first.access_token) == "session"
    assert db.identify(second.access_token)
    db.sessions.set_password(second.account, PASSWORD)
    assert reason(db.identify, second.access_token) == "session"
    assert reason(db.sessions.refresh, second.refresh_token) == "session"
    assert db.sessions.sign_in("ada", PASSWORD)


def test_a_password_that_is_changed_during_a_sign_in_is_not_the_one_that_was_said(db, monkeypatch):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    service = db._services._sessions
    verify = service.hasher.verify

    def verify_slowly(stored, password):
        is_right = verify(stored, password)
        monkeypatch.undo()
        db.sessions.set_password(tokens.account, OTHER)
        return is_right

    monkeypatch.setattr(service.hasher, "verify", verify_slowly)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", PASSWORD)
    with db.snapshot() as snapshot:
        assert snapshot.query(hw.AccountSessions).collect() == []


def test_two_who_sign_in_while_a_hash_is_replaced_both_do(tmp_path, monkeypatch):
    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        db.sessions.sign_up("ada", PASSWORD)
    dearer = signing.options(hashing=hw.PasswordHashing(memory_kib=16, iterations=2, lanes=2))
    with hw.open(tmp_path / "db", sessions=dearer) as db:
        hasher = db._services._sessions.hasher
        verify = hasher.verify

        def verify_slowly(stored, password):
            is_right = verify(stored, password)
            monkeypatch.undo()
            assert db.sessions.sign_in("ada", PASSWORD)
            return is_right

        monkeypatch.setattr(hasher, "verify", verify_slowly)
        assert db.sessions.sign_in("ada", PASSWORD)
        with db.snapshot() as snapshot:
            assert len(snapshot.query(hw.AccountSessions).collect()) == 3


def test_a_password_is_hashed_anew_when_the_numbers_have_changed(tmp_path):
    def stored(db):
        with db.snapshot() as snapshot:
            return snapshot.query("_account_passwords").unique()["hash"]

    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        db.sessions.sign_up("ada", PASSWORD)
        assert stored(db).startswith("$argon2id$v=19$m=8,t=1,p=1$")
    dearer = signing.options(hashing=hw.PasswordHashing(memory_kib=16, iterations=2, lanes=2))
    with hw.open(tmp_path / "db", sessions=dearer) as db:
        with pytest.raises(hw.SignInRefusedError):
            db.sessions.sign_in("ada", OTHER)
        assert stored(db).startswith("$argon2id$v=19$m=8,t=1,p=1$")
        db.sessions.sign_in("ada", PASSWORD)
        assert stored(db).startswith("$argon2id$v=19$m=16,t=2,p=2$")
        before = stored(db)
        db.sessions.sign_in("ada", PASSWORD)
        assert stored(db) == before


def test_an_unknown_account_is_named(db):
    other = db.transact(lambda tx: tx.insert("others", {}))
    for id in ("nonsense", other, None):
        for verb in (
            lambda: db.sessions.set_password(id, PASSWORD),  # noqa: B023
            lambda: db.sessions.set_claims(id, {}),  # noqa: B023
            lambda: db.sessions.sign_out_account(id),  # noqa: B023
        ):
            with pytest.raises(hw.DocumentNotFoundError, match="there is no account"):
                verb()
        assert db.sessions.delete_account(id) is False
        assert db.sessions.end_session(id) is False


@pytest.mark.parametrize("name", ["device", "address"])
def test_what_is_said_of_a_device_is_text_and_cut(db, name):
    db.sessions.sign_up("ada", PASSWORD, **{name: "x" * 501})
    with db.snapshot() as snapshot:
        assert snapshot.query(hw.AccountSessions).unique()[name] == "x" * 500
    for verb in (db.sessions.sign_up, db.sessions.sign_in, db.sessions.redeem_code):
        with pytest.raises(hw.ArgumentError, match=f"{name}=5: expected a string"):
            verb("grace", PASSWORD, **{name: 5})
    with pytest.raises(hw.ArgumentError, match="address=5: expected a string"):
        db.sessions.change_password(
            db.sessions.sign_in("ada", PASSWORD).access_token, "", OTHER, address=5
        )


def test_claims_that_cannot_be_stored_are_refused_before_anything_is_written(db):
    with pytest.raises(hw.ArgumentError, match="storable"):
        db.sessions.sign_up("ada", PASSWORD, claims={"when": timedelta()})
    tokens = db.sessions.sign_up("ada", PASSWORD)
    with pytest.raises(hw.ArgumentError, match="storable"):
        db.sessions.set_claims(tokens.account, {"when": timedelta()})


# -- tokens --------------------------------------------------------------------------------------


def test_a_used_refresh_token_ends_the_session_after_the_grace(db):
    stolen = db.sessions.sign_up("ada", PASSWORD)
    tokens = db.sessions.refresh(stolen.refresh_token)
    db.clock.advance(seconds=9.999)
    assert db.sessions.refresh(stolen.refresh_token) == tokens
    assert db.identify(stolen.access_token) == db.identify(tokens.access_token)
    db.clock.advance(seconds=0.001)
    assert reason(db.sessions.refresh, stolen.refresh_token) == "reused"
    assert reason(db.identify, tokens.access_token) == "session"
    assert reason(db.sessions.refresh, tokens.refresh_token) == "session"


def test_a_token_from_long_ago_ends_the_session_as_well(db):
    stolen = tokens = db.sessions.sign_up("ada", PASSWORD)
    for _ in range(5):
        tokens = db.sessions.refresh(tokens.refresh_token)
    assert reason(db.sessions.refresh, stolen.refresh_token) == "reused"
    assert reason(db.sessions.refresh, tokens.refresh_token) == "session"


def test_nobody_computes_the_next_token_from_one(db):
    from headwater.services.session_tokens import (
        RefreshSecrets,
        read_refresh,
        successor_of,
        write_refresh,
    )

    first = db.sessions.sign_up("ada", PASSWORD)
    db.sessions.refresh(first.refresh_token)
    secrets = read_refresh(first.refresh_token)
    with db.snapshot() as snapshot:
        nonce = snapshot.query("_session_keys").unique()["nonce"]
    following = [
        write_refresh(RefreshSecrets(secrets.family, successor_of(secrets.own, n)))
        for n in (b"", nonce)
    ]
    assert db.sessions.refresh(following[1])
    assert reason(db.sessions.refresh, following[0]) == "reused"


def test_however_many_refresh_at_once_all_have_the_same_next_tokens(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    begin, given = threading.Barrier(8), []

    def refresh():
        begin.wait()
        given.append(db.sessions.refresh(tokens.refresh_token))

    threads = [threading.Thread(target=refresh) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 8
    assert len(set(given)) == 1
    assert given[0] != tokens
    assert db.sessions.refresh(given[0].refresh_token)
    with db.snapshot() as snapshot:
        assert len(snapshot.query(hw.AccountSessions).collect()) == 1


def test_without_a_grace_the_first_of_two_ends_with_the_second(db):
    with signing.database(refresh_grace_seconds=0) as strict:
        tokens = strict.sessions.sign_up("ada", PASSWORD)
        following = strict.sessions.refresh(tokens.refresh_token)
        assert reason(strict.sessions.refresh, tokens.refresh_token) == "reused"
        assert reason(strict.identify, following.access_token) == "session"


def test_a_session_is_kept_alive_up_to_its_end(db):
    day = 24 * 3600
    with signing.database(idle_seconds=day, session_seconds=2.5 * day) as db:
        tokens = db.sessions.sign_up("ada", PASSWORD)
        for _ in range(2):
            db.clock.advance(days=1, milliseconds=-1)
            tokens = db.sessions.refresh(tokens.refresh_token)
        db.clock.advance(hours=11, minutes=59)
        tokens = db.sessions.refresh(tokens.refresh_token)
        assert tokens.expires_at == tokens.access_expires_at
        assert tokens.expires_at / 1000 == db.clock.now.timestamp() + 60.002
        db.clock.advance(seconds=60.002)
        assert reason(db.identify, tokens.access_token) == "expired"
        assert reason(db.sessions.refresh, tokens.refresh_token) == "expired"


def test_an_expired_session_makes_room_before_a_living_one(db):
    with signing.database(sessions_per_account=2, idle_seconds=1000) as db:
        first = db.sessions.sign_up("ada", PASSWORD)
        db.sessions.sign_in("ada", PASSWORD)
        db.clock.advance(seconds=500)
        first = db.sessions.refresh(first.refresh_token)
        db.clock.advance(seconds=600)  # the second one is idle
        third = db.sessions.sign_in("ada", PASSWORD)
        assert db.sessions.refresh(first.refresh_token)
        fourth = db.sessions.sign_in("ada", PASSWORD)
        assert reason(db.sessions.refresh, first.refresh_token) == "session"
        assert db.identify(third.access_token) == db.identify(fourth.access_token)


def test_expired_sessions_go_as_others_come(db):
    for number in range(6):
        db.sessions.sign_up(f"ada{number}", PASSWORD)
    db.clock.advance(days=31)
    for number in range(3):
        db.sessions.sign_in(f"ada{number}", PASSWORD)
    with db.snapshot() as snapshot:
        assert len(snapshot.query(hw.AccountSessions).collect()) == 3
        assert len(snapshot.query("_session_keys").collect()) == 3


GOOD = "hwr_" + "A" * 86


@given(st.one_of(st.text(), st.from_regex(r"hw[ar]_[A-Za-z0-9_-]{40,90}"), st.binary(), st.none()))
@example("hwa_" + "A" * 43)
@example("hwa_" + "A" * 42 + "B")  # the same bytes as the one before
@example("hwr_" + "A" * 43)
@example(GOOD)
@example(GOOD + "\n")
@example("hwa_" + "é" * 43)
def test_garbage_is_a_token_that_is_not_valid_and_nothing_else(garbage):
    with signing.database(signing) as db:
        db.sessions.sign_up("ada", PASSWORD)
        for verb in (db.identify, db.sessions.refresh):
            assert reason(verb, garbage) in {"malformed", "session", "issuer", "too_large"}
        assert db.sessions.sign_out(garbage) == 0


def test_a_token_has_one_form(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(tokens.access_token[-1])
    alias = tokens.access_token[:-1] + letters[last + 1]
    pad = lambda token: urlsafe_b64decode(token[4:] + "=")  # noqa: E731
    assert pad(alias) == pad(tokens.access_token)
    assert reason(db.identify, alias) == "malformed"


def test_each_token_is_for_its_own_purpose(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    assert reason(db.identify, tokens.refresh_token) == "malformed"
    assert reason(db.sessions.refresh, tokens.access_token) == "malformed"
    assert db.identify(tokens.access_token)


def test_an_argument_that_is_none_is_named(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    with pytest.raises(hw.ArgumentError, match="'this', 'others' or 'all'"):
        db.sessions.sign_out(tokens.access_token, which="every")


def test_sessions_are_seen_by_queries_and_watched(db):
    tokens = db.sessions.sign_up("ada", PASSWORD, device="phone", address="2001:db8::1")
    caller = db.acting_as(db.identify(tokens.access_token))
    with caller.watch(signing.devices) as live:
        seen = iter(live)
        assert next(seen) == ["phone"]
        db.sessions.sign_in("ada", PASSWORD, device="laptop")
        assert next(seen) == ["phone", "laptop"]
        db.sessions.sign_out(tokens.access_token, which="others")
        assert next(seen) == ["phone"]
    with db.snapshot() as snapshot:
        session = snapshot.query(hw.AccountSessions).unique()
    assert (session["method"], session["address"]) == ("password", "2001:db8::1")


def test_sessions_outlive_the_process(tmp_path):
    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        tokens = db.sessions.sign_up("ada", PASSWORD)
        gone = db.sessions.sign_in("ada", PASSWORD)
        db.sessions.sign_out(gone.access_token)
    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        assert db.identify(tokens.access_token).subject == tokens.account
        assert reason(db.identify, gone.access_token) == "session"
        assert db.sessions.refresh(tokens.refresh_token)


# -- attackers -----------------------------------------------------------------------------------


@pytest.fixture
def hashes(monkeypatch):
    """The calls of argon2, in order."""
    calls = []

    class Counted(argon2.PasswordHasher):
        def hash(self, *args, **kwargs):
            calls.append("hash")
            return super().hash(*args, **kwargs)

        def verify(self, *args, **kwargs):
            calls.append("verify")
            return super().verify(*args, **kwargs)

    monkeypatch.setattr(argon2, "PasswordHasher", Counted)
    return calls


@pytest.mark.parametrize("login", ["ada", "grace", "without a password", "\x00", "x" * 400])
def test_who_is_known_is_not_told_by_the_answer_nor_by_the_work(hashes, login):
    with signing.database() as db:
        db.sessions.sign_up("ada", PASSWORD)
        hashes.clear()
        answers = []
        for _ in range(2):  # also the first one of a process
            with pytest.raises(hw.SignInRefusedError) as caught:
                db.sessions.sign_in(login, OTHER, address="192.0.2.1")
            error = caught.value
            answers.append((type(error), str(error), error.data, error.code))
        assert hashes == ["hash", "verify", "verify"]
        refusal = {"code": "sign_in_refused"}
        text = "the login or the password is not right"
        assert answers == [(hw.SignInRefusedError, text, refusal, "sign_in_refused")] * 2


@pytest.mark.parametrize("login", ["ada", "nobody"])
def test_who_is_known_is_not_told_by_the_throttle(login):
    throttling = hw.SessionThrottling(sign_ins_per_account=3)
    with signing.database(throttling=throttling) as db:
        db.sessions.sign_up("ada", PASSWORD)
        for _ in range(3):
            with pytest.raises(hw.SignInRefusedError):
                db.sessions.sign_in(login, OTHER)
        with pytest.raises(hw.RateLimitedError) as caught:
            db.sessions.sign_in(login, PASSWORD)
        assert caught.value.retry_after_seconds == 1200
        assert caught.value.key is None
        db.clock.advance(seconds=1200)
        with pytest.raises(hw.SignInRefusedError):
            db.sessions.sign_in(login, OTHER)


def test_a_throttled_sign_in_hashes_nothing(hashes):
    with signing.database(throttling=hw.SessionThrottling(sign_ins_per_account=1)) as db:
        with pytest.raises(hw.SignInRefusedError):
            db.sessions.sign_in("ada", PASSWORD)
        hashes.clear()
        with pytest.raises(hw.RateLimitedError):
            db.sessions.sign_in("ada", PASSWORD)
        assert hashes == []


def test_a_sign_in_that_succeeds_makes_failures_forgotten():
    with signing.database(throttling=hw.SessionThrottling(sign_ins_per_account=3)) as db:
        tokens = db.sessions.sign_up("ada", PASSWORD)
        for _ in range(3):
            for _ in range(2):
                with pytest.raises(hw.SignInRefusedError):
                    db.sessions.sign_in("ada", OTHER)
            db.sessions.sign_in("ada", PASSWORD)
        for _ in range(3):
            with pytest.raises(hw.SignInRefusedError):
                db.sessions.change_password(tokens.access_token, OTHER, OTHER)
        with pytest.raises(hw.RateLimitedError):
            db.sessions.change_password(tokens.access_token, PASSWORD, OTHER)
        db.sessions.set_password(tokens.account, OTHER)
        assert db.sessions.sign_in("ada", OTHER)


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
        ("somewhere", "somewhere", "elsewhere"),
    ],
)
def test_an_address_is_throttled_whomever_it_tries(one, same, other):
    throttling = hw.SessionThrottling(sign_ins_per_address=2, sign_ups_per_address=2)
    with signing.database(throttling=throttling) as db:
        for login, address in (("ada", one), ("grace", same)):
            db.sessions.sign_up(login, PASSWORD, address=address)
            db.sessions.sign_in(login, PASSWORD, address=address)
        for verb in (db.sessions.sign_up, db.sessions.sign_in):
            with pytest.raises(hw.RateLimitedError):
                verb("mary", PASSWORD, address=one)
        with pytest.raises(hw.RateLimitedError):
            db.sessions.sign_in("ada", PASSWORD, address=same)
        assert db.sessions.sign_up("mary", PASSWORD, address=other)
        assert db.sessions.sign_in("mary", PASSWORD, address=other)
        assert db.sessions.sign_in("ada", PASSWORD)


def test_an_address_that_may_not_try_keeps_nobody_from_signing_in():
    throttling = hw.SessionThrottling(sign_ins_per_account=3, sign_ins_per_address=1)
    with signing.database(throttling=throttling) as db:
        db.sessions.sign_up("ada", PASSWORD)
        for _ in range(9):
            with pytest.raises((hw.SignInRefusedError, hw.RateLimitedError)):
                db.sessions.sign_in("ada", OTHER, address="192.0.2.1")
        assert db.sessions.sign_in("ada", PASSWORD)


def test_no_more_hashes_are_made_at_once_than_are_allowed(monkeypatch):
    hashing = hw.PasswordHashing(memory_kib=8, iterations=1, lanes=1, concurrent=2)
    most, now, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2)

    class Watched(argon2.PasswordHasher):
        def hash(self, *args, **kwargs):
            nonlocal most, now
            with lock:
                now += 1
                most = max(most, now)
            two.wait(30)
            with lock:
                now -= 1
            return super().hash(*args, **kwargs)

    monkeypatch.setattr(argon2, "PasswordHasher", Watched)
    with signing.database(hashing=hashing) as db:
        names = [f"ada{number}" for number in range(6)]
        threads = [
            threading.Thread(target=db.sessions.sign_up, args=(name, PASSWORD)) for name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == 2


def test_no_secret_is_anywhere(tmp_path, caplog):
    directory = tmp_path / "db"
    caplog.set_level(0)
    with hw.open(directory, modules=[signing], sessions=signing.options()) as db:
        first = db.sessions.sign_up("ada", PASSWORD, device="phone")
        token = db.act(signing.enter, login="ada", password=PASSWORD)
        second = db.sessions.refresh(first.refresh_token)
        for verb in (
            lambda: db.sessions.sign_in("ada", OTHER),
            lambda: db.sessions.sign_in("a wrong login", OTHER),
            lambda: db.act(signing.enter, login="ada", password=OTHER),
            lambda: db.sessions.sign_up("ada", OTHER),
        ):
            with pytest.raises(hw.ApplicationError) as caught:
                verb()
            assert PASSWORD not in repr(caught.value)
            assert OTHER not in repr(caught.value)
        db.sessions.change_password(second.access_token, PASSWORD, OTHER)
        calls = repr(db.calls.recent())
        shown = [calls, repr(list(db.log.read(0))), repr(second), repr(db), caplog.text]
        export = tmp_path / "export"
        db.export_to(export)
    hidden = [PASSWORD, OTHER, "a wrong login", token]
    for tokens in (first, second):
        hidden += [tokens.access_token, tokens.refresh_token]
    secrets = [text.encode() for text in hidden]
    for text in hidden:
        if text.startswith("hw"):
            raw = urlsafe_b64decode(text[4:] + "==")
            secrets += [raw[start : start + 32] for start in range(0, len(raw), 32)]
    files = [path for place in (directory, export) for path in place.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) > 10_000
    for content in [text.encode() for text in shown] + [path.read_bytes() for path in files]:
        assert not [secret for secret in secrets if secret in content]
    for known in (b"phone", b"$argon2id$"):  # it would be seen
        assert any(known in path.read_bytes() for path in files)


# -- ways in -------------------------------------------------------------------------------------


def test_actions_and_tasks_have_the_same_verbs(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    assert (
        db.identify(db.act(signing.enter, login="ada", password=PASSWORD)).subject == tokens.account
    )

    async def visit():
        sessions = db.aio.sessions
        grace = await sessions.sign_up("grace", PASSWORD, claims={"name": "Grace"}, device="desk")
        grace = await sessions.refresh(grace.refresh_token)
        await sessions.change_password(grace.access_token, PASSWORD, OTHER)
        await sessions.set_claims(grace.account, {"name": "Amazing"})
        assert (await db.aio.identify(grace.access_token)).claims == {"name": "Amazing"}
        again = await sessions.sign_in("grace", OTHER, device="boat")
        assert await sessions.end_session(again.session)
        assert await sessions.sign_out(grace.access_token) == 1
        await sessions.set_password(grace.account, PASSWORD)
        await sessions.sign_in("grace", PASSWORD)
        assert await sessions.sign_out_account(grace.account) == 1
        assert await sessions.delete_account(grace.account)

    asyncio.run(visit())
    assert db.query(signing.logins) == ["ada"]


def test_a_page_signs_in_and_out_by_a_cookie_that_no_script_reads(db):
    app = db.asgi()

    def post(path, **given):
        return ask(app, "POST", path, **given)

    said = post("/sign-up", json={"login": "ada", "password": PASSWORD})
    token = said.json()
    cookie = said.headers["set-cookie"]
    value, *attributes = cookie.split("; ")
    assert set(attributes[:-1]) == {"Path=/", "HttpOnly", "Secure", "SameSite=Strict"}
    assert attributes[-1] == f"Max-Age={30 * 24 * 3600}"
    assert value.startswith("__Host-refresh=hwr_")
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask(app, "GET", "/me", headers=bearer).json() == {}
    assert ask(app, "GET", "/me").json() is None
    again = post("/refresh", headers={"Cookie": f"theme=dark; {value}"})
    assert again.status_code == 200
    newer = again.headers["set-cookie"].split("; ")[0]
    left = post("/sign-out", headers={"Cookie": newer})
    assert left.headers["set-cookie"].startswith("__Host-refresh=;")
    assert left.headers["set-cookie"].endswith("Max-Age=0")
    assert ask(app, "GET", "/me", headers=bearer).json() is None
    refused = post("/refresh", headers={"Cookie": newer})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
    wrong = post("/sign-in", json={"login": "ada", "password": OTHER})
    assert (wrong.status_code, wrong.json()["data"]) == (401, {"code": "sign_in_refused"})
    short = post("/sign-up", json={"login": "grace", "password": "short"})
    assert (short.status_code, short.json()["data"]["reason"]) == (400, "password_too_short")


def test_a_function_does_not_use_the_database_itself(db):
    @hw.query
    def peek(ctx: hw.QueryCtx) -> int:
        return db.sessions.sign_out("")

    with pytest.raises(hw.UsageError, match="used the database itself"):
        db.query(peek)


def test_a_database_without_sessions_says_how_to_have_them():
    with testing.database(signing) as db:
        with pytest.raises(hw.UsageError, match=r"sessions=hw.Sessions\(\)"):
            _ = db.sessions
        with pytest.raises(hw.UsageError, match=r"sessions=hw.Sessions\(\)"):
            _ = db.aio.sessions
        assert reason(db.identify, "hwa_" + "A" * 43) == "malformed"


def test_options_are_no_flag():
    with pytest.raises(hw.ArgumentError, match=r"sessions=True: expected hw.Sessions\(...\)"):
        hw.open(None, sessions=True)


def test_without_argon2_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "argon2", None)
    with pytest.raises(ModuleNotFoundError, match=r"headwater\[auth\]"):
        signing.database()


def test_one_directory_has_one_kind_of_sessions(tmp_path):
    with hw.open(tmp_path / "db", sessions=signing.options()):
        hw.open(tmp_path / "db", sessions=signing.options()).close()
        with pytest.raises(hw.AlreadyOpenError, match="sessions"):
            hw.open(tmp_path / "db", sessions=hw.Sessions())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hw.Sessions(access_seconds=0), r"access_seconds=0\): expected 1 to"),
        (lambda: hw.Sessions(access_seconds=100, idle_seconds=99), "access_seconds=100"),
        (lambda: hw.Sessions(idle_seconds=10**9), "idle_seconds"),
        (lambda: hw.Sessions(session_seconds=float("inf")), "session_seconds=inf"),
        (lambda: hw.Sessions(refresh_grace_seconds=-1), "refresh_grace_seconds"),
        (lambda: hw.Sessions(refresh_grace_seconds="10"), "refresh_grace_seconds='10'"),
        (lambda: hw.Sessions(sessions_per_account=0), "sessions_per_account"),
        (lambda: hw.Sessions(password_characters_min=0), "password_characters_min"),
        (lambda: hw.Sessions(password_characters_max=63), "password_characters_max"),
        (lambda: hw.Sessions(hashing="argon2"), r"hashing='argon2'\): expected hw.PasswordHashing"),
        (lambda: hw.Sessions(throttling=5), r"throttling=5\): expected hw.SessionThrottling"),
        (lambda: hw.Sessions(idle_seconds="x"), "idle_seconds='x'"),
        (lambda: hw.PasswordHashing(memory_kib=31), "memory_kib=31"),
        (lambda: hw.PasswordHashing(iterations=0), "iterations"),
        (lambda: hw.PasswordHashing(lanes=0), "lanes"),
        (lambda: hw.PasswordHashing(concurrent=True), "concurrent"),
        (lambda: hw.SessionThrottling(sign_ins_per_account=0), "sign_ins_per_account"),
        (lambda: hw.SessionThrottling(sign_ups_per_address=0.5), "sign_ups_per_address"),
    ],
)
def test_options_that_cannot_be_are_refused(make, message):
    with pytest.raises(hw.DeclarationError, match=message):
        make()


def test_the_default_hash_is_that_of_the_rfc():
    """RFC 9106, section 4: three passes, four lanes, 64 MiB."""
    with testing.database(sessions=hw.Sessions()) as db:
        db.sessions.sign_up("ada", PASSWORD)
        with db.snapshot() as snapshot:
            stored = snapshot.query("_account_passwords").unique()["hash"]
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert argon2.PasswordHasher().verify(stored, PASSWORD)
    assert hw.PasswordHashing() != CHEAP
