"""Random histories of codes, beside a model: which ones are good for what, at each step."""

from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.services import signing
from tests.services.signing import OTHER, PASSWORD, Mailbox, wrong

import headwater as hw


@dataclass
class Asked:
    """A code that was asked for, as it has to be."""

    ticket: str
    purpose: str
    login: str
    code: str | None  # None: nobody was told
    password: str | None
    expires: float
    attempts: int = 0
    is_over: bool = False


class Machine(RuleBasedStateMachine):
    """Which codes are good for what, at each step, beside a model."""

    SECONDS, ATTEMPTS = 60, 3

    def __init__(self) -> None:
        super().__init__()
        self.mail = Mailbox()
        self.db = signing.database(
            signing,
            deliver=self.mail,
            code_seconds=self.SECONDS,
            code_attempts=self.ATTEMPTS,
            code_digits=6,
        )
        self.now = 0.0
        self.asked: list[Asked] = []
        self.passwords: dict[str, str | None] = {}
        self.verified: dict[str, bool] = {}

    def teardown(self) -> None:
        self.db.close()

    @rule(login=st.sampled_from(["ada", "grace"]), password=st.sampled_from([PASSWORD, OTHER]))
    def sign_up_unverified(self, login: str, password: str) -> None:
        if login not in self.passwords:
            self.db.sessions.sign_up(login, password)
            self.passwords[login], self.verified[login] = password, False

    @rule(
        login=st.sampled_from(["ada", "grace"]),
        purpose=st.sampled_from(["sign_up", "sign_in", "reset_password"]),
        password=st.sampled_from([PASSWORD, OTHER, None]),
    )
    def ask(self, login: str, purpose: str, password: str | None) -> None:
        sessions, before = self.db.sessions, len(self.mail.letters)
        if purpose == "sign_up":
            ticket = sessions.send_sign_up_code(login, password)
        elif purpose == "sign_in":
            ticket = sessions.send_sign_in_code(login)
        else:
            ticket = sessions.send_reset_code(login)
        sessions.wait_for_deliveries()
        letters = self.mail.letters[before:]
        is_known = login in self.passwords
        if purpose == "sign_up" and is_known:
            assert letters == [(login, "already_signed_up", "")]
            letters = []
        elif purpose == "sign_up" or is_known:
            assert [letter[:2] for letter in letters] == [(login, purpose)]
        else:
            assert letters == []
        code = letters[0][2] if letters else None
        expires = self.now + self.SECONDS
        self.asked.append(Asked(ticket, purpose, login, code, password, expires))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), is_right=st.integers(0, 2).map(bool), resets=st.booleans())
    def enter(self, data: st.DataObject, is_right: bool, resets: bool) -> None:
        asked = data.draw(st.sampled_from(self.asked[-4:]))
        code = asked.code if is_right and asked.code is not None else wrong(asked.code or "000000")
        is_fitting = resets == (asked.purpose == "reset_password")
        is_open = not asked.is_over and self.now < asked.expires and is_fitting
        is_good = is_open and is_right and asked.code is not None
        try:
            if resets:
                tokens: Any = self.db.sessions.reset_password(asked.ticket, code, OTHER)
            else:
                tokens = self.db.sessions.redeem_code(asked.ticket, code)
        except hw.CodeRefusedError:
            assert not is_good or asked.login not in self.passwords
            if is_fitting:
                asked.attempts += is_open
                asked.is_over |= asked.attempts == self.ATTEMPTS or self.now >= asked.expires
                asked.is_over |= is_good
            return
        except hw.SignUpRefusedError:
            assert is_good
            assert asked.purpose == "sign_up"
            assert asked.login in self.passwords
            return
        assert is_good
        asked.is_over = True
        login = asked.login
        if asked.purpose == "sign_up":
            assert login not in self.passwords
            self.passwords[login] = asked.password
        elif asked.purpose == "reset_password":
            self.passwords[login] = OTHER
            self.forget(login)
        elif not self.verified[login]:
            self.passwords[login] = None
        self.verified[login] = True
        assert self.db.identify(tokens.access_token).subject == tokens.account

    @rule(login=st.sampled_from(["ada", "grace"]), what=st.sampled_from(["password", "delete"]))
    def administer(self, login: str, what: str) -> None:
        with self.db.snapshot() as snapshot:
            query = snapshot.query(hw.Accounts).with_index(hw.Accounts.by_login, login)
            account = query.first()
        assert (account is not None) == (login in self.passwords)
        if account is None:
            return
        if what == "delete":
            self.db.sessions.delete_account(account["_id"])
            del self.passwords[login], self.verified[login]
        else:
            self.db.sessions.set_password(account["_id"], PASSWORD)
            self.passwords[login] = PASSWORD
        self.forget(login)

    def forget(self, login: str) -> None:
        for asked in self.asked:
            asked.is_over |= asked.login == login

    @rule(seconds=st.sampled_from([1, 20, 59, 60]))
    def wait(self, seconds: int) -> None:
        self.db.clock.advance(seconds=seconds)
        self.now += seconds

    @invariant()
    def accounts_are_those_of_the_model(self) -> None:
        with self.db.snapshot() as snapshot:
            stored = {a["login"]: a["is_verified"] for a in snapshot.query(hw.Accounts).collect()}
        assert stored == self.verified
        for login in ("ada", "grace"):
            for password in (PASSWORD, OTHER):
                try:
                    tokens = self.db.sessions.sign_in(login, password)
                except hw.SignInRefusedError:
                    assert self.passwords.get(login) != password
                else:
                    assert self.passwords[login] == password
                    self.db.sessions.sign_out(tokens.access_token)


Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestCodesAreTheModel = Machine.TestCase
