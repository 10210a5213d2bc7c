"""Codes: signing up and in by one, and resetting a password.

Whole histories are in test_session_code_machine.py.
"""

import threading

import pytest
from tests.server.asgi import ask
from tests.services import signing
from tests.services.signing import OTHER, PASSWORD, Mailbox, wrong
from tests.services.test_sessions import hashes  # noqa: F401 - a fixture

import headwater as hw


@pytest.fixture
def mail():
    return Mailbox()


@pytest.fixture
def db(mail):
    with signing.database(signing, deliver=mail) as database:
        yield database


def sent(db, mail) -> str:
    """The code of the newest letter."""
    db.sessions.wait_for_deliveries()
    return mail.letters[-1][2]


def test_who_enters_the_code_has_an_account_whose_login_is_verified(db, mail):
    ticket = db.sessions.send_sign_up_code("Ada@example.org", PASSWORD, claims={"name": "Ada"})
    assert db.query(signing.logins) == []
    code = sent(db, mail)
    assert mail.letters == [("ada@example.org", "sign_up", code)]
    assert (len(code), code.isdecimal()) == (8, True)
    tokens = db.sessions.redeem_code(ticket, f" {code[:4]}-{code[4:]} ", device="phone")
    assert db.identify(tokens.access_token).claims == {"name": "Ada"}
    with db.snapshot() as snapshot:
        assert snapshot.query(hw.Accounts).unique()["is_verified"] is True
        session = snapshot.query(hw.AccountSessions).unique()
    assert (session["method"], session["device"]) == ("code", "phone")
    assert db.sessions.sign_in("ada@example.org", PASSWORD)


def test_an_account_without_a_password_signs_in_by_codes(db, mail):
    ticket = db.sessions.send_sign_up_code("ada@example.org")
    first = db.sessions.redeem_code(ticket, sent(db, mail))
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada@example.org", "")
    ticket = db.sessions.send_sign_in_code("ada@example.org")
    second = db.sessions.redeem_code(ticket, sent(db, mail))
    assert (mail.letters[-1][1], second.account) == ("sign_in", first.account)
    assert db.identify(first.access_token) == db.identify(second.access_token)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.change_password(first.access_token, "", PASSWORD)
    db.sessions.set_password(first.account, PASSWORD)
    assert db.sessions.sign_in("ada@example.org", PASSWORD)


def test_a_reset_password_ends_all_sessions_and_other_codes(db, mail):
    here = db.sessions.sign_up("ada", PASSWORD)
    entering = db.sessions.send_sign_in_code("ada")
    entering_code = sent(db, mail)
    ticket = db.sessions.send_reset_code("ADA")
    code = sent(db, mail)
    assert mail.letters[-1][:2] == ("ada", "reset_password")
    with pytest.raises(hw.SignUpRefusedError):
        db.sessions.reset_password(ticket, code, "short")
    tokens = db.sessions.reset_password(ticket, code, OTHER)
    assert tokens.account == here.account
    with pytest.raises(hw.TokenInvalidError):
        db.identify(here.access_token)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada", PASSWORD)
    assert db.sessions.sign_in("ada", OTHER)
    for used in ((ticket, code), (entering, entering_code)):
        with pytest.raises(hw.CodeRefusedError):
            db.sessions.redeem_code(*used)
        with pytest.raises(hw.CodeRefusedError):
            db.sessions.reset_password(*used, PASSWORD)


def test_the_owner_of_a_login_takes_over_what_somebody_else_has_signed_up(db, mail):
    squatter = db.sessions.sign_up("ada@example.org", PASSWORD)
    ticket = db.sessions.send_sign_in_code("ada@example.org")
    owner = db.sessions.redeem_code(ticket, sent(db, mail))
    assert owner.account == squatter.account
    with pytest.raises(hw.TokenInvalidError):
        db.sessions.refresh(squatter.refresh_token)
    with pytest.raises(hw.SignInRefusedError):
        db.sessions.sign_in("ada@example.org", PASSWORD)


@pytest.mark.parametrize("guesses", [4, 5])
def test_a_code_is_over_after_five_wrong_guesses(db, mail, guesses):
    ticket = db.sessions.send_sign_up_code("ada")
    code = sent(db, mail)
    for _ in range(guesses):
        with pytest.raises(hw.CodeRefusedError):
            db.sessions.redeem_code(ticket, wrong(code))
    if guesses < 5:
        assert db.sessions.redeem_code(ticket, code)
    with pytest.raises(hw.CodeRefusedError):
        db.sessions.redeem_code(ticket, code)


def test_a_code_is_good_once_for_many_who_enter_it_at_once(db, mail):
    ticket = db.sessions.send_sign_up_code("ada")
    code = sent(db, mail)
    begin, ends = threading.Barrier(8), []

    def enter():
        begin.wait()
        try:
            ends.append(db.sessions.redeem_code(ticket, code).account)
        except hw.CodeRefusedError:
            ends.append(None)

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(end is None for end in ends) == [False] + [True] * 7


@pytest.mark.parametrize("what", ["set", "change", "delete"])
def test_another_password_and_the_end_of_an_account_end_its_codes(db, mail, what):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    ticket = db.sessions.send_reset_code("ada")
    code = sent(db, mail)
    if what == "set":
        db.sessions.set_password(tokens.account, OTHER)
    elif what == "change":
        db.sessions.change_password(tokens.access_token, PASSWORD, OTHER)
    else:
        db.sessions.delete_account(tokens.account)
        db.sessions.sign_up("ada", OTHER)
    with pytest.raises(hw.CodeRefusedError):
        db.sessions.reset_password(ticket, code, PASSWORD)
    assert db.sessions.sign_in("ada", OTHER)


def test_a_code_of_somebody_else_is_of_no_use(db, mail):
    """Who waits for a code may be sent another one, that makes the account of an attacker."""
    attacker = db.sessions.send_sign_up_code("ada@example.org", OTHER)
    attackers_code = sent(db, mail)
    owner = db.sessions.send_sign_up_code("ada@example.org", PASSWORD)
    owners_code = sent(db, mail)
    for ticket, code in ((owner, attackers_code), (attacker, owners_code)):
        with pytest.raises(hw.CodeRefusedError):
            db.sessions.redeem_code(ticket, code)
    db.sessions.redeem_code(owner, owners_code)
    assert db.sessions.sign_in("ada@example.org", PASSWORD)
    with pytest.raises(hw.SignUpRefusedError) as caught:
        db.sessions.redeem_code(attacker, attackers_code)
    assert caught.value.reason == "login_taken"


def test_who_has_signed_up_before_is_told_so_and_nobody_else_is(db, mail):
    db.sessions.sign_up("ada", PASSWORD)
    ticket = db.sessions.send_sign_up_code("ada", OTHER)
    db.sessions.wait_for_deliveries()
    assert mail.letters == [("ada", "already_signed_up", "")]
    with pytest.raises(hw.CodeRefusedError):
        db.sessions.redeem_code(ticket, "")
    assert db.sessions.sign_in("ada", PASSWORD)


def test_whether_a_login_is_known_is_told_by_no_answer_and_no_work(hashes, mail):  # noqa: F811
    with signing.database(deliver=mail) as db:
        db.sessions.sign_up("ada", PASSWORD)
        seen = []
        for login in ("ada", "nobody"):
            hashes.clear()
            before = db.ts
            tickets = [
                db.sessions.send_sign_up_code(login, OTHER),
                db.sessions.send_sign_in_code(login),
                db.sessions.send_reset_code(login),
            ]
            shapes = [(type(ticket), len(ticket), ticket[:4]) for ticket in tickets]
            errors = []
            for ticket in tickets:
                for verb, more in (
                    (db.sessions.redeem_code, ()),
                    (db.sessions.reset_password, (OTHER,)),
                ):
                    with pytest.raises(hw.CodeRefusedError) as caught:
                        verb(ticket, "not it", *more)
                    errors.append((str(caught.value), caught.value.data))
            commits = [entry.origin.function for entry in db.log.read(before)]
            seen.append((shapes, errors, list(hashes), commits))
        assert seen[0] == seen[1]
        assert seen[0][2] == ["hash"] * 4
        db.sessions.wait_for_deliveries()
        purposes = [(login, purpose) for login, purpose, _ in mail.letters]
        assert sorted(purposes) == [
            ("ada", "already_signed_up"),
            ("ada", "reset_password"),
            ("ada", "sign_in"),
            ("nobody", "sign_up"),
        ]


def test_nobody_waits_for_the_delivery(mail):
    may_go_on = threading.Event()

    def slow(**message):
        assert may_go_on.wait(60)
        mail(**message)

    with signing.database(deliver=slow) as db:
        ticket = db.sessions.send_sign_up_code("ada")
        assert mail.letters == []
        may_go_on.set()
        assert db.sessions.redeem_code(ticket, sent(db, mail))


def test_an_action_may_deliver(mail):
    outbox = mail

    @hw.action(internal=True)
    async def deliver(ctx: hw.ActionCtx, login: str, purpose: hw.CodeMessage, code: str) -> None:
        assert ctx.identity is None
        outbox(login=login, purpose=purpose, code=code)

    with signing.database(deliver=deliver) as db, hw.acting_as(hw.Identity("somebody")):
        ticket = db.sessions.send_sign_up_code("ada")
        assert db.sessions.redeem_code(ticket, sent(db, mail))


def test_a_delivery_that_fails_is_told_to_the_log_without_the_code(caplog):
    codes = []

    def deliver(**message):
        codes.append(message["code"])
        raise OSError(f"no connection for {message['code']}")

    with signing.database(deliver=deliver) as db:
        assert db.sessions.send_sign_up_code("ada")
        db.sessions.wait_for_deliveries()
    (record,) = [one for one in caplog.records if one.name == "headwater"]
    assert "OSError: no connection for ..." in record.getMessage()
    assert "raise OSError" in record.getMessage()
    assert codes[0] not in caplog.text


def test_without_a_delivery_nothing_is_made_up():
    with signing.database(signing) as db:
        for verb in (
            db.sessions.send_sign_up_code,
            db.sessions.send_sign_in_code,
            db.sessions.send_reset_code,
        ):
            with pytest.raises(hw.UsageError, match=r"hw.Sessions\(deliver=...\)"):
                verb("ada")
        with pytest.raises(hw.CodeRefusedError):
            db.sessions.redeem_code("hwt_" + "A" * 43, "12345678")


@pytest.mark.parametrize("ticket", ["", None, "hwt_x", "hwt_" + "A" * 43, "hwa_" + "A" * 43])
@pytest.mark.parametrize("code", ["", None, "12345678", "\ud800", "x" * 10_000])
def test_garbage_is_a_code_that_is_not_right(db, ticket, code):
    with pytest.raises(hw.CodeRefusedError):
        db.sessions.redeem_code(ticket, code)
    with pytest.raises(hw.CodeRefusedError):
        db.sessions.reset_password(ticket, code, PASSWORD)


def test_codes_are_throttled_by_login_and_by_address(mail):
    throttling = hw.SessionThrottling(
        codes_per_account=2, codes_per_address=3, guesses_per_address=2
    )
    with signing.database(deliver=mail, throttling=throttling) as db:
        for login in ("ada", "nobody"):
            db.sessions.send_sign_in_code(login)
            ticket = db.sessions.send_reset_code(login)
            with pytest.raises(hw.RateLimitedError) as caught:
                db.sessions.send_sign_up_code(login)
            assert caught.value.retry_after_seconds == 1800
        for number in range(3):
            db.sessions.send_sign_in_code(f"ada{number}", address="192.0.2.1")
        with pytest.raises(hw.RateLimitedError):
            db.sessions.send_sign_in_code("grace", address="192.0.2.1")
        for _ in range(2):
            with pytest.raises(hw.CodeRefusedError):
                db.sessions.redeem_code(ticket, "?", address="192.0.2.1")
        with pytest.raises(hw.RateLimitedError):
            db.sessions.reset_password(ticket, "?", PASSWORD, address="192.0.2.1")
        db.clock.advance(seconds=1800)
        assert db.sessions.send_reset_code("ada")


def test_expired_codes_go_as_others_come(db):
    for number in range(6):
        db.sessions.send_sign_in_code(f"ada{number}")
    db.clock.advance(seconds=600)
    for number in range(3):
        db.sessions.send_sign_in_code(f"grace{number}")
    with db.snapshot() as snapshot:
        assert len(snapshot.query("_verification_codes").collect()) == 3


def test_no_code_is_in_any_file(tmp_path, mail, caplog):
    caplog.set_level(0)
    directory = tmp_path / "db"
    with hw.open(directory, modules=[signing], sessions=signing.options(deliver=mail)) as db:
        pairs = []
        for number in range(20):
            ticket = db.sessions.send_sign_up_code(f"ada{number}", PASSWORD)
            pairs.append((ticket, sent(db, mail)))
        for ticket, code in pairs[:10]:
            db.sessions.redeem_code(ticket, code)
        shown = repr(db.calls.recent()) + caplog.text
    contents = [path.read_bytes() for path in directory.rglob("*") if path.is_file()]
    for ticket, code in pairs:
        for secret in (ticket, code, ticket[4:], PASSWORD):
            assert secret not in shown
            assert not any(secret.encode() in content for content in contents)
    assert any(b"ada19" in content for content in contents)


def test_a_page_signs_up_by_a_code(mail):
    @hw.http_action("/begin", methods=["POST"])
    async def begin(ctx: hw.ActionCtx, request: hw.Request) -> hw.Response:
        form = await request.json()
        return hw.Response.json(await ctx.sessions.send_sign_up_code(form["login"]))

    @hw.http_action("/end", methods=["POST"])
    async def end(ctx: hw.ActionCtx, request: hw.Request) -> hw.Response:
        form = await request.json()
        tokens = await ctx.sessions.redeem_code(form["ticket"], form["code"])
        return hw.Response.json(tokens.access_token, headers=tokens.cookie())

    import types

    module = types.ModuleType("codes")
    module.begin, module.end, module.me = begin, end, signing.me
    with signing.database(module, deliver=mail) as db:
        app = db.asgi()
        ticket = ask(app, "POST", "/begin", json={"login": "ada"}).json()
        code = sent(db, mail)
        refused = ask(app, "POST", "/end", json={"ticket": ticket, "code": wrong(code)})
        assert (refused.status_code, refused.json()["code"]) == (401, "code_refused")
        token = ask(app, "POST", "/end", json={"ticket": ticket, "code": code}).json()
        bearer = {"Authorization": f"Bearer {token}"}
        assert ask(app, "GET", "/me", headers=bearer).json() == {}


def test_tasks_have_the_same_verbs(db, mail):
    import asyncio

    async def visit():
        sessions = db.aio.sessions
        ticket = await sessions.send_sign_up_code("ada", PASSWORD)
        await sessions.wait_for_deliveries()
        await sessions.redeem_code(ticket, mail.letters[-1][2])
        ticket = await sessions.send_sign_in_code("ada")
        await sessions.wait_for_deliveries()
        await sessions.redeem_code(ticket, mail.letters[-1][2])
        ticket = await sessions.send_reset_code("ada")
        await sessions.wait_for_deliveries()
        await sessions.reset_password(ticket, mail.letters[-1][2], OTHER)
        assert await sessions.sign_in("ada", OTHER)

    asyncio.run(visit())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"deliver": "smtp"}, "deliver='smtp'"),
        ({"code_digits": 5}, "code_digits"),
        ({"code_digits": 13}, "code_digits"),
        ({"code_seconds": 0}, "code_seconds"),
        ({"code_attempts": 0}, "code_attempts"),
    ],
)
def test_options_that_cannot_be_are_refused(given, message):
    with pytest.raises(hw.DeclarationError, match=message):
        hw.Sessions(**given)
