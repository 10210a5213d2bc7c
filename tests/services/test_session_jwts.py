"""Access tokens as JSON Web Tokens: for clients that look into them, and no less revocable."""

import asyncio
import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

import hypothesis.strategies as st
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from tests.server.asgi import ask
from tests.server.sync_client import SyncClient
from tests.services import issuing, signing
from tests.services.signing import OTHER, PASSWORD
from tests.services.test_session_machine import Machine

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    with signing.database(signing, tokens="jwt") as database:
        yield database


def reason(function, *args):
    with pytest.raises(hw.TokenInvalidError) as caught:
        function(*args)
    return caught.value.reason


def parts(token: str) -> list[dict]:
    return [json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def seed(db) -> bytes:
    said = json.loads((db.path / "session-keys.json").read_text())
    return bytes.fromhex(said["keys"][0]["key"])


def signed(db, key=None, algorithm="EdDSA", headers=None, **claims) -> str:
    """A token as the database makes it, but for what is given."""
    tokens = db.sessions.sign_in("ada", PASSWORD)
    header, payload = parts(tokens.access_token)
    key = key or Ed25519PrivateKey.from_private_bytes(seed(db))
    payload = {name: claim for name, claim in {**payload, **claims}.items() if claim is not None}
    return jwt.encode(
        payload, key, algorithm=algorithm, headers={"kid": header["kid"], **(headers or {})}
    )


def test_it_says_when_it_was_made_and_when_it_ends(db):
    tokens = db.sessions.sign_up("ada", PASSWORD, claims={"name": "Ada"})
    header, claims = parts(tokens.access_token)
    assert (header["alg"], header["typ"]) == ("EdDSA", "JWT")
    begin = int(db.clock.now.timestamp())
    assert {**claims, "jti": ""} == {
        "iss": "headwater",
        "sub": tokens.account,
        "iat": begin,
        "exp": begin + 900,
        "jti": "",
    }
    identity = db.identify(tokens.access_token)
    assert identity == hw.Identity(tokens.account, "headwater", {"name": "Ada"})
    assert db.verify_token(tokens.access_token).session == tokens.session


def test_a_sign_out_ends_it_at_once(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    db.sessions.change_password(tokens.access_token, PASSWORD, OTHER)
    other = db.sessions.sign_in("ada", OTHER)
    assert db.sessions.sign_out(tokens.access_token, which="others") == 1
    assert reason(db.identify, other.access_token) == "session"
    assert db.sessions.sign_out(tokens.access_token) == 1
    assert reason(db.identify, tokens.access_token) == "session"
    assert db.sessions.sign_out(tokens.access_token) == 0


def test_it_ends_in_its_time(db):
    tokens = db.sessions.sign_up("ada", PASSWORD)
    db.clock.advance(seconds=900)
    assert reason(db.identify, tokens.access_token) == "expired"
    following = db.sessions.refresh(tokens.refresh_token)
    assert db.sessions.refresh(tokens.refresh_token) == following
    assert parts(following.access_token)[1]["iat"] - parts(tokens.access_token)[1]["iat"] == 900
    assert db.identify(following.access_token)


def test_both_forms_are_good_whichever_is_handed_out(tmp_path):
    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        opaque = db.sessions.sign_up("ada", PASSWORD)
        assert not (tmp_path / "db" / "session-keys.json").exists()
    with hw.open(tmp_path / "db", sessions=signing.options(tokens="jwt")) as db:
        token = db.sessions.sign_in("ada", PASSWORD)
        assert db.identify(opaque.access_token) == db.identify(token.access_token)
    with hw.open(tmp_path / "db", sessions=signing.options()) as db:
        assert db.identify(opaque.access_token) == db.identify(token.access_token)


def test_what_is_changed_in_it_is_seen(db):
    db.sessions.sign_up("ada", PASSWORD)
    assert db.identify(signed(db))
    public = Ed25519PrivateKey.from_private_bytes(seed(db)).public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    other = Ed25519PrivateKey.generate()
    assert reason(db.identify, signed(db, other)) == "signature"
    assert reason(db.identify, signed(db, raw, "HS256")) == "algorithm"
    assert reason(db.identify, signed(db, headers={"kid": "another"})) == "key"
    assert reason(db.identify, signed(db, headers={"crit": ["exp"]})) == "header"
    assert reason(db.identify, signed(db, headers={"typ": "logout+jwt"})) == "header"
    assert reason(db.identify, signed(db, iss="somebody")) == "issuer"
    assert reason(db.identify, signed(db, jti=None)) == "claims"
    assert reason(db.identify, signed(db, jti="hwa_" + "A" * 43)) == "session"
    head, body, signature = signed(db).split(".")
    none = (
        urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
    )
    assert reason(db.identify, f"{none}.{body}.{signature}") == "algorithm"
    claims = parts(f"{head}.{body}.{signature}")[1]
    forged = urlsafe_b64encode(json.dumps({**claims, "sub": "me"}).encode()).decode().rstrip("=")
    assert reason(db.identify, f"{head}.{forged}.{signature}") == "signature"


@given(st.data())
def test_a_letter_that_is_changed_makes_it_worthless(data):
    with signing.database(tokens="jwt") as db:
        token = db.sessions.sign_up("ada", PASSWORD).access_token
        # The last letters of a part may have bits that say nothing: every other one does.
        dots = [index for index, letter in enumerate(token) if letter == "."]
        ends = {index for dot in [*dots, len(token)] for index in (dot, dot - 1)}
        places = [index for index in range(len(token)) if index not in ends]
        place = data.draw(st.sampled_from(places))
        letters = [one for one in "abcXYZ019-_" if one != token[place]]
        changed = token[:place] + data.draw(st.sampled_from(letters)) + token[place + 1 :]
        with pytest.raises(hw.TokenInvalidError):
            db.identify(changed)


def test_its_key_is_in_a_file_of_its_own(tmp_path):
    with hw.open(tmp_path / "db", sessions=signing.options(tokens="jwt")) as db:
        tokens = db.sessions.sign_up("ada", PASSWORD)
        keys = db.path / "session-keys.json"
        key = seed(db)
        assert (len(key), keys.stat().st_mode & 0o777) == (32, 0o600)
        db.backup(tmp_path / "backup")
        content = (db.path / "data.mdb").read_bytes()
        assert key not in content
        assert key.hex().encode() not in content
        assert tokens.access_token.encode() not in content
        keys.unlink()
        assert reason(db.identify, tokens.access_token) == "key"
        following = db.sessions.refresh(tokens.refresh_token)  # with a new key
        assert db.identify(following.access_token).subject == tokens.account
        keys.write_text("{}")
        with pytest.raises(hw.CorruptionError, match="expected keys of access tokens"):
            db.identify(following.access_token)
    with hw.open(tmp_path / "backup", sessions=signing.options(tokens="jwt")) as db:
        assert not (db.path / "session-keys.json").exists()
        assert reason(db.identify, tokens.access_token) == "key"
        assert db.sessions.refresh(tokens.refresh_token)


def test_those_of_providers_are_believed_beside_them():
    options = signing.options(tokens="jwt")
    with testing.database(providers=[issuing.provider()], sessions=options) as db:
        mine = db.sessions.sign_up("ada", PASSWORD).access_token
        theirs = issuing.signed()
        assert db.identify(mine).issuer == "headwater"
        assert db.identify(theirs).issuer == issuing.provider().issuer
    with testing.database(providers=[issuing.provider()]) as db:
        assert reason(db.identify, mine) == "issuer"


def test_a_request_with_one_is_of_its_owner(db):
    app = db.asgi(api=True)
    form = {"login": "ada", "password": PASSWORD}
    bearer = {"Authorization": f"Bearer {ask(app, 'POST', '/sign-up', json=form).json()}"}
    assert ask(app, "GET", "/me", headers=bearer).json() == {}
    body = {"path": "signing:devices", "args": {}, "format": "json"}
    assert ask(app, "POST", "/api/query", json=body, headers=bearer).json()["value"] == [""]


def test_a_live_connection_is_of_its_owner_until_it_ends(db):
    async def conversation():
        client = SyncClient(db.asgi(api=True))
        client.connect()
        client.watch(0, "signing:devices")
        tokens = await db.aio.sessions.sign_up("ada", PASSWORD, device="phone")
        client.authenticate("User", tokens.access_token)
        await client.until(lambda: client.values.get(0) == ["phone"])
        await db.aio.sessions.sign_in("ada", PASSWORD, device="desk")
        await client.until(lambda: client.values.get(0) == ["phone", "desk"])
        db.clock.advance(seconds=900)
        await client.closed()
        assert client.heard[-1]["type"] == "AuthError"

    asyncio.run(asyncio.wait_for(conversation(), 60))


def test_without_pyjwt_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ModuleNotFoundError, match=r"headwater\[auth\]"):
        signing.database(tokens="jwt")
    signing.database().close()


def test_a_form_that_there_is_not_is_refused():
    with pytest.raises(hw.DeclarationError, match="'opaque' or 'jwt'"):
        hw.Sessions(tokens="paseto")


class JwtMachine(Machine):
    """The laws of sessions hold for tokens in this form."""

    TOKENS = "jwt"


TestSessionsAreTheModel = JwtMachine.TestCase
TestSessionsAreTheModel.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
