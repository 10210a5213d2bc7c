"""Random histories of accounts and sessions, beside a model: which tokens are whose, at each step.

Every token that was ever handed out is asked for after every step.
"""

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.services import signing

import headwater as hw

LOGINS = ["ada", "grace"]
PASSWORDS = ["the first of passwords", "the second of passwords", "the third of passwords"]
ACCESS_S, IDLE_S, WHOLE_S, GRACE_S = 10, 25, 40, 3
SESSIONS = 3


@dataclass
class Session:
    """A session as it has to be. Times are seconds since the beginning."""

    id: str
    account: "Somebody"
    refreshed: float
    ends: float
    chain: list[hw.SessionTokens]
    expiries: list[float]
    is_ended: bool = False

    @property
    def expires(self) -> float:
        return min(self.refreshed + IDLE_S, self.ends)

    def expiry_of(self, number: int) -> float:
        """When an access token of the chain ends: only the last two are good."""
        return self.expiries[number] if number >= len(self.chain) - 2 else -1


@dataclass
class Somebody:
    """An account as it has to be."""

    id: str
    login: str
    password: str
    claims: dict[str, Any] = field(default_factory=dict)
    is_deleted: bool = False


class Machine(RuleBasedStateMachine):
    TOKENS = "opaque"

    def __init__(self) -> None:
        super().__init__()
        self.db = signing.database(
            signing,
            tokens=self.TOKENS,
            access_seconds=ACCESS_S,
            idle_seconds=IDLE_S,
            session_seconds=WHOLE_S,
            refresh_grace_seconds=GRACE_S,
            sessions_per_account=SESSIONS,
        )
        self.start = self.db.clock.now
        self.accounts: list[Somebody] = []
        self.sessions: list[Session] = []

    def teardown(self) -> None:
        self.db.close()

    @property
    def now(self) -> float:
        return (self.db.clock.now - self.start).total_seconds()

    def account(self, login: str) -> Somebody | None:
        found = [one for one in self.accounts if one.login == login and not one.is_deleted]
        return found[0] if found else None

    def live(self, account: Somebody) -> list[Session]:
        return [s for s in self.sessions if s.account is account and self.is_live(s)]

    def is_live(self, session: Session) -> bool:
        return not session.is_ended and self.now < session.expires

    def end_all(self, account: Somebody, but: Session | None = None) -> int:
        """End the sessions of an account, expired ones too; how many had not expired."""
        live = [session for session in self.live(account) if session is not but]
        for session in self.sessions:
            if session.account is account and session is not but:
                session.is_ended = True
        return len(live)

    def begun(self, account: Somebody, tokens: hw.SessionTokens) -> None:
        live = self.live(account)
        for session in live[: max(len(live) + 1 - SESSIONS, 0)]:
            session.is_ended = True
        now = self.now
        ends = now + WHOLE_S
        session = Session(tokens.session, account, now, ends, [tokens], [now + ACCESS_S])
        self.sessions.append(session)

    # -- steps ----------------------------------------------------------------------------------

    @initialize(login=st.sampled_from(LOGINS))
    def begin(self, login: str) -> None:
        self.sign_up(login, PASSWORDS[0])

    @rule(login=st.sampled_from(LOGINS), password=st.sampled_from(PASSWORDS))
    def sign_up(self, login: str, password: str) -> None:
        if self.account(login) is not None:
            sign_up = self.db.sessions.sign_up
            with_reason(hw.SignUpRefusedError, "login_taken", sign_up, login, password)
            return
        tokens = self.db.sessions.sign_up(login.upper(), password, claims={"key": 0})
        self.accounts.append(Somebody(tokens.account, login, password, {"key": 0}))
        self.begun(self.accounts[-1], tokens)

    @rule(login=st.sampled_from(LOGINS), is_right=st.integers(0, 3).map(bool))
    def sign_in(self, login: str, is_right: bool) -> None:
        account = self.account(login)
        password = PASSWORDS[0] if account is None else account.password
        if account is None or not is_right:
            password = password if is_right else "none of the passwords"
            refused(hw.SignInRefusedError, self.db.sessions.sign_in, login, password)
        else:
            self.begun(account, self.db.sessions.sign_in(login, password))

    def drawn(self, data: st.DataObject) -> Session:
        """Some session; mostly one that goes on."""
        live = [session for session in self.sessions if self.is_live(session)]
        return data.draw(
            st.sampled_from(live or self.sessions)
            if data.draw(st.integers(0, 4))
            else st.sampled_from(self.sessions)
        )

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def refresh(self, data: st.DataObject) -> None:
        self.refresh_by(self.drawn(data), 0)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), back=st.integers(1, 2))
    def refresh_again(self, data: st.DataObject, back: int) -> None:
        self.refresh_by(self.drawn(data), back)

    def refresh_by(self, session: Session, back: int) -> None:
        number = max(len(session.chain) - 1 - back, 0)
        given, now = session.chain[number], self.now
        is_last = number == len(session.chain) - 1
        is_lost = number == len(session.chain) - 2 and now < session.refreshed + GRACE_S
        if not self.is_live(session):
            reasons = {"session"} if session.is_ended else {"session", "expired"}
            assert reason_of(self.db.sessions.refresh, given.refresh_token) in reasons
            session.is_ended = True
        elif is_last:
            tokens = self.db.sessions.refresh(given.refresh_token)
            assert (tokens.session, tokens.account) == (session.id, session.account.id)
            session.chain.append(tokens)
            session.expiries.append(min(now + ACCESS_S, session.ends))
            session.refreshed = now
        elif is_lost:
            assert self.db.sessions.refresh(given.refresh_token) == session.chain[-1]
        else:
            assert reason_of(self.db.sessions.refresh, given.refresh_token) == "reused"
            session.is_ended = True

    @precondition(lambda self: self.sessions)
    @rule(
        data=st.data(),
        which=st.sampled_from(["this", "this", "others", "all"]),
        by_refresh=st.booleans(),
    )
    def sign_out(self, data: st.DataObject, which: Any, by_refresh: bool) -> None:
        session = self.drawn(data)
        last = session.chain[-1]
        token = last.refresh_token if by_refresh else last.access_token
        others = len(self.live(session.account)) - 1
        count = self.db.sessions.sign_out(token, which=which)
        if not self.is_live(session):
            # One that has expired may be there still, and names its account.
            if count == 0:
                return
            others += 1
        assert count >= {"this": 1, "others": others, "all": others + 1}[which]
        if which != "others":
            session.is_ended = True
        if which != "this":
            self.end_all(session.account, but=session)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def end_session(self, data: st.DataObject) -> None:
        session = self.drawn(data)
        was_live = self.is_live(session)
        assert self.db.sessions.end_session(session.id) or not was_live
        session.is_ended = True

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), is_right=st.booleans(), new=st.sampled_from(PASSWORDS))
    def change_password(self, data: st.DataObject, is_right: bool, new: str) -> None:
        session = self.drawn(data)
        account, token = session.account, session.chain[-1].access_token
        old = account.password if is_right else "none of the passwords"
        change = self.db.sessions.change_password
        if not self.is_live(session) or self.now >= session.expiries[-1]:
            assert reason_of(change, token, old, new) in {"session", "expired"}
        elif not is_right:
            refused(hw.SignInRefusedError, change, token, old, new)
        else:
            change(token, old, new)
            account.password = new
            self.end_all(account, but=session)

    @rule(
        login=st.sampled_from(LOGINS),
        what=st.sampled_from(["password", "claims", "claims", "sessions", "delete"]),
        key=st.integers(0, 2),
    )
    def administer(self, login: str, what: str, key: int) -> None:
        account, sessions = self.account(login), self.db.sessions
        if account is None:
            return
        if what == "claims":
            sessions.set_claims(account.id, {"key": key})
            account.claims = {"key": key}
            return
        if what == "password":
            sessions.set_password(account.id, PASSWORDS[key])
            account.password = PASSWORDS[key]
        elif what == "sessions":
            assert sessions.sign_out_account(account.id) >= len(self.live(account))
        else:
            assert sessions.delete_account(account.id)
            assert not sessions.delete_account(account.id)
            account.is_deleted = True
        self.end_all(account)

    @rule(seconds=st.sampled_from([1, 2, 2, 3, 7, 10, 21]))
    def wait(self, seconds: int) -> None:
        self.db.clock.advance(seconds=seconds)

    # -- what has to hold -----------------------------------------------------------------------

    @invariant()
    def each_access_token_is_of_whom_the_model_says(self) -> None:
        for session in self.sessions:
            for number, tokens in enumerate(session.chain):
                until = min(session.expiry_of(number), session.expires)
                if self.is_live(session) and self.now < until:
                    verified = self.db.verify_token(tokens.access_token)
                    account = session.account
                    assert verified.identity == hw.Identity(account.id, "headwater", account.claims)
                    assert verified.session == session.id
                    ends = verified.expires_at / 1000 - self.start.timestamp()
                    assert abs(ends - until) < 0.001
                else:
                    reason = reason_of(self.db.identify, tokens.access_token)
                    is_gone = session.is_ended or until < 0
                    assert reason in ({"session"} if is_gone else {"session", "expired"})

    @invariant()
    def the_tables_show_what_there_is(self) -> None:
        there = [account.login for account in self.accounts if not account.is_deleted]
        assert sorted(self.db.query(signing.logins)) == sorted(there)
        for account in self.accounts:
            with self.db.snapshot() as snapshot:
                query = snapshot.query(hw.AccountSessions)
                stored = query.with_index(hw.AccountSessions.by_account, account.id).collect()
            now_ms = self.db.clock.now.timestamp() * 1000
            ids = [one["_id"] for one in stored if one["expires_at"] > now_ms]
            assert ids == [session.id for session in self.live(account)]
            assert len(ids) <= SESSIONS


def refused(kind: type[Exception], function: Any, *args: Any) -> Exception:
    try:
        function(*args)
    except kind as error:
        return error
    raise AssertionError(f"{function} accepted {args}")


def reason_of(function: Any, *args: Any) -> str:
    error = refused(hw.TokenInvalidError, function, *args)
    assert isinstance(error, hw.TokenInvalidError)
    return error.reason


def with_reason(kind: Any, reason: str, function: Any, *args: Any) -> None:
    assert getattr(refused(kind, function, *args), "reason", None) == reason


Machine.TestCase.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)
TestSessionsAreTheModel = Machine.TestCase
