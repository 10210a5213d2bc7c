"""kill -9 while people sign in and out: who was signed out stays so, who signed in can go on.

Goal: an end of a session that was acknowledged holds whatever happens afterwards, and so does a
changed password. Method: a child works through accounts, says each step before and after, and is
killed after a drawn number of lines; then the parent asks for every token.
"""

import random
import signal

import pytest
from tests.services import signing

import headwater as hw

WORKER = """
from tests.services import signing
begin = int(sys.argv[2])
with hw.open(path, sessions=signing.options()) as db:
    sessions = db.sessions
    for number in range(begin, begin + 2000):
        login = f"ada{number}"
        here = sessions.sign_up(login, signing.PASSWORD)
        there = sessions.sign_in(login, signing.PASSWORD)
        say("in", login, here.access_token, there.access_token, there.refresh_token)
        if number % 3 == 0:
            sessions.sign_out(there.access_token)
            say("out", login)
        elif number % 3 == 1:
            sessions.change_password(here.access_token, signing.PASSWORD, signing.OTHER)
            say("changed", login)
        else:
            say("next", login, sessions.refresh(there.refresh_token).access_token)
"""


def is_valid(db, token: str) -> bool:
    try:
        return bool(db.identify(token))
    except hw.TokenInvalidError:
        return False


def check(db, lines: list[list[str]]) -> None:
    """What was said before the kill is so."""
    known = {words[1]: words[2:] for words in lines if words[0] == "in"}
    said = {words[1]: words for words in lines if words[0] != "in"}
    for login, (here, there, refresh) in known.items():
        verb, *more = said.get(login, ["in"])
        assert is_valid(db, here)
        if verb in {"out", "changed"}:
            assert not is_valid(db, there)
            with pytest.raises(hw.TokenInvalidError):
                db.sessions.refresh(refresh)
        elif verb == "next":
            assert is_valid(db, more[1])
            # Its answer may have been lost: the same token gives the same next ones.
            assert db.sessions.refresh(refresh).access_token == more[1]
        is_changed = verb == "changed"
        if verb != "in":
            right, wrong = (
                (signing.OTHER, signing.PASSWORD)
                if is_changed
                else (signing.PASSWORD, signing.OTHER)
            )
            assert db.sessions.sign_in(login, right)
            with pytest.raises(hw.SignInRefusedError):
                db.sessions.sign_in(login, wrong)
        else:
            # The last step was done or not; if the session goes on, it can be refreshed.
            assert not is_valid(db, there) or db.sessions.refresh(refresh)


def test_a_kill_at_any_line_brings_no_session_back(path, start) -> None:
    draw = random.Random(3)
    for round_ in range(3):
        child = start(WORKER, path, round_ * 10_000)
        lines = [child.hear() for _ in range(draw.randint(1, 30))] + child.kill()
        assert child.process.returncode == -signal.SIGKILL, child.errors
        with hw.open(path, sessions=signing.options(refresh_grace_seconds=900)) as db:
            check(db, [line.split() for line in lines if line])
            assert not list(db.verify())


def test_processes_that_refresh_at_once_have_the_same_next_tokens(path, start) -> None:
    code = """
    from tests.services import signing
    with hw.open(path, sessions=signing.options()) as db:
        say("open")
        while token := hear():
            say(db.sessions.refresh(token).refresh_token)
    """
    with hw.open(path, sessions=signing.options()) as db:
        token = db.sessions.sign_up("ada", signing.PASSWORD).refresh_token
        children = [start(code, path) for _ in range(2)]
        assert [child.hear() for child in children] == ["open", "open"]
        for _ in range(20):
            for child in children:
                child.tell(token)
            said = {child.hear() for child in children}
            assert len(said) == 1
            assert token not in said
            (token,) = said
        for child in children:
            child.tell()
            child.finish()
        assert db.sessions.refresh(token)


def test_who_is_signed_out_by_one_process_is_out_in_all_others(path, start) -> None:
    code = """
    from tests.services import signing
    with hw.open(path, sessions=signing.options()) as db:
        token = hear()
        say(db.identify(token).subject)
        hear()
        try:
            db.identify(token)
        except hw.TokenInvalidError as error:
            say(error.reason)
    """
    with hw.open(path, sessions=signing.options()) as db:
        tokens = db.sessions.sign_up("ada", signing.PASSWORD)
        child = start(code, path)
        child.tell(tokens.access_token)
        assert child.hear() == tokens.account
        db.sessions.sign_out(tokens.access_token)
        child.tell()
        assert child.finish() == ["session"]
