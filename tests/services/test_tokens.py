"""Tokens of identity providers: good ones are recognized, and nothing else is."""

import asyncio
import base64
import copy
import hashlib
import hmac
import json
import math
import pickle
import sys
import types
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services import issuing
from tests.services.issuing import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    JWKS,
    KEYS,
    NOW,
    OTHERS,
    RSA,
    SMALL_RSA,
    claims,
    header,
    jwk,
    part,
    provider,
    signed,
)

import headwater as hw
from headwater import testing
from headwater.services import token_text
from headwater.services.tokens import TokenVerifier

VERIFIER = TokenVerifier([provider()], issuing.clock())
ALGORITHMS = sorted(KEYS)


def refused(token: Any, reason: str | None = None, verifier: TokenVerifier = VERIFIER) -> None:
    """It is refused for that reason, and no message has it or a part of it."""
    with pytest.raises(hw.TokenInvalidError) as refusal:
        verifier.verify(token)
    if reason is not None:
        assert refusal.value.reason == reason, refusal.value
    if isinstance(token, str):
        said = f"{refusal.value!r} {refusal.value}"
        assert not any(len(piece) > 8 and piece in said for piece in token.split("."))


# Good ones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_says_who_somebody_is(algorithm: str) -> None:
    more = {"roles": ["admin"], "address": {"city": "London"}, "email_verified": True}
    verified = VERIFIER.verify(signed(body=claims(**more), algorithm=algorithm))
    assert verified.identity == hw.Identity("ada", ISSUER, {"email": "ada@example.org", **more})
    assert verified.expires_at == (NOW + 600) * 1000


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_the_library_itself_is_one(algorithm: str) -> None:
    kid = {"kid": issuing.KIDS[algorithm]}
    token = jwt.encode(claims(), KEYS[algorithm], algorithm=algorithm, headers=kid)
    assert VERIFIER.verify(token).identity.subject == "ada"


GOOD = {
    "several audiences": signed(body=claims(aud=["others", AUDIENCE])),
    "no type": signed(header(typ=None)),
    "the type of access tokens": signed(header(typ="at+jwt")),
    "a type in other letters": signed(header(typ="jwt")),
    "no beginning": signed(body=claims(nbf=None, iat=None)),
    "fractions of seconds": signed(body=claims(exp=NOW + 0.5, nbf=NOW - 0.5)),
    "ended within the skew": signed(body=claims(exp=NOW - 4)),
    "begins within the skew": signed(body=claims(nbf=NOW + 5)),
    "issued ahead": signed(body=claims(iat=NOW + 60)),
    "an unknown header": signed(header(x5t="thumb", cty="JWT")),
    "signed with a key on the curve": signed(algorithm="ES256"),
}


@pytest.mark.parametrize("name", GOOD)
def test_other_good_tokens(name: str) -> None:
    assert VERIFIER.verify(GOOD[name]).identity.subject == "ada"


def test_tokens_of_one_person_are_one_identity() -> None:
    """What differs from one token to the next is no part of it: queries are cached for each."""
    first = signed(body=claims(jti="1", nonce="a", iat=NOW - 9))
    second = signed(body=claims(jti="2", exp=NOW + 900), algorithm="EdDSA")
    assert VERIFIER.verify(first).identity == VERIFIER.verify(second).identity


def test_the_clock_of_the_database_counts() -> None:
    clock = issuing.clock()
    verifier = TokenVerifier([provider(clock_skew_seconds=2)], clock)
    token = signed(body=claims(nbf=NOW + 10, exp=NOW + 20))
    refused(token, "not_yet_valid", verifier)
    clock.advance(seconds=8)
    assert verifier.verify(token).identity.subject == "ada"
    clock.advance(seconds=13.999)
    assert verifier.verify(token).identity.subject == "ada"
    clock.advance(milliseconds=1)
    refused(token, "expired", verifier)


def test_of_several_providers_the_one_that_is_named_counts() -> None:
    other = {"keys": [jwk("RS256", issuing.OTHER_RSA, kid="rsa")]}
    verifier = TokenVerifier(
        [
            provider(),
            provider(issuer="https://other.example", jwks=other),
            provider(audience="elsewhere", jwks=other),
        ],
        issuing.clock(),
    )
    theirs = claims(iss="https://other.example")
    assert verifier.verify(signed()).identity.issuer == ISSUER
    token = signed(body=theirs, key=issuing.OTHER_RSA)
    assert verifier.verify(token).identity.issuer == "https://other.example"
    refused(signed(body=theirs), "signature", verifier)
    refused(signed(key=issuing.OTHER_RSA), "signature", verifier)
    elsewhere = signed(body=claims(aud="elsewhere"), key=issuing.OTHER_RSA)
    assert verifier.verify(elsewhere).identity.subject == "ada"
    refused(signed(body=claims(aud="elsewhere")), "signature", verifier)


# Attacks: who signed, and how ---------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_by_another_key_is_none(algorithm: str) -> None:
    refused(signed(algorithm=algorithm, key=OTHERS[algorithm]), "signature")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", " none", "none ", "", None, 0])
@pytest.mark.parametrize("end", ["", "AA", "signed"])
def test_no_signature_is_none(name: Any, end: str) -> None:
    head = {"typ": "JWT", "kid": "rsa", "alg": name}
    content = f"{part(head)}.{part(claims())}"
    refused(signed(head) if end == "signed" else f"{content}.{end}")


def encodings() -> dict[str, bytes]:
    """A public key in every form in which it may be lying around."""
    public = RSA.public_key()
    der, pem = serialization.Encoding.DER, serialization.Encoding.PEM
    info, pkcs1 = (
        serialization.PublicFormat.SubjectPublicKeyInfo,
        serialization.PublicFormat.PKCS1,
    )
    ssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    spki = public.public_bytes(pem, info)
    key = JWKS["keys"][0]
    return {
        "PEM": spki,
        "PEM without its end of line": spki.strip(),
        "PEM with CRLF": spki.replace(b"\n", b"\r\n"),
        "DER": public.public_bytes(der, info),
        "PKCS1 PEM": public.public_bytes(pem, pkcs1),
        "PKCS1 DER": public.public_bytes(der, pkcs1),
        "SSH": public.public_bytes(*ssh),
        "JWK": json.dumps(key).encode(),
        "JWK in order": json.dumps(key, sort_keys=True, separators=(",", ":")).encode(),
        "JWK set": json.dumps(JWKS).encode(),
        "n as text": key["n"].encode(),
        "n": base64.urlsafe_b64decode(key["n"] + "=="),
        "EC PEM": EC.public_key().public_bytes(pem, info),
        "EC x as text": JWKS["keys"][1]["x"].encode(),
        "Ed raw": ED.public_key().public_bytes_raw(),
        "nothing": b"",
        "the name": b"rsa",
    }


@pytest.mark.parametrize("hash_name", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", encodings())
def test_a_public_key_is_no_secret(form: str, hash_name: str) -> None:
    head = header(alg=hash_name)
    content = f"{part(head)}.{part(claims())}"
    hashing = getattr(hashlib, f"sha{hash_name[2:]}")
    made = hmac.new(encodings()[form], content.encode(), hashing).digest()
    refused(f"{content}.{part(made)}", "algorithm")


@pytest.mark.parametrize("form", encodings())
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_secret_under_another_name_is_no_signature(form: str, algorithm: str) -> None:
    """The header says what the key is for, and the signature is an HMAC with the public key."""
    content = f"{part(header(algorithm))}.{part(claims())}"
    made = hmac.new(encodings()[form], content.encode(), hashlib.sha256).digest()
    refused(f"{content}.{part(made)}", "signature")


@pytest.mark.parametrize(
    "name",
    ["PS256", "PS384", "PS512", "RS384", "RS512", "RS1", "ES384", "ES256K", "ES512", "ESP256",
     "HS256", "Ed448", "A128KW", "dir", "RSA-OAEP", "rs256", "RS256 ", "RS256\0", "RS-256",
     ["RS256"], {"alg": "RS256"}, True, 256],
)  # fmt: skip
def test_another_algorithm_is_refused_however_it_is_signed(name: Any) -> None:
    for way, key in (("RS256", RSA), ("ES256", EC), ("EdDSA", ED)):
        refused(signed(header(way, alg=name), algorithm=way, key=key), "algorithm")


@pytest.mark.parametrize(("said", "used"), [("RS256", "PS256"), ("PS256", "RS256")])
def test_two_ways_to_sign_with_one_key_are_two(said: str, used: str) -> None:
    refused(signed(header(alg=said, kid="rsa"), algorithm=used, key=RSA))


@pytest.mark.parametrize("said", ALGORITHMS)
@pytest.mark.parametrize("used", ALGORITHMS)
@pytest.mark.parametrize("kid", ["rsa", "ec", "ed", None])
def test_algorithm_key_and_name_have_to_be_of_one_kind(said: str, used: str, kid: Any) -> None:
    token = signed(header(said, kid=kid), algorithm=used)
    if said == used and kid in {issuing.KIDS[said], None}:
        assert VERIFIER.verify(token).identity.subject == "ada"
    else:
        refused(token)


def test_only_the_algorithms_of_the_provider_count() -> None:
    verifier = TokenVerifier([provider(algorithms=["ES256"])], issuing.clock())
    assert verifier.verify(signed(algorithm="ES256")).identity.subject == "ada"
    refused(signed(), "algorithm", verifier)
    refused(signed(algorithm="EdDSA"), "algorithm", verifier)


def test_a_signature_on_a_curve_has_one_form() -> None:
    token = signed(algorithm="ES256")
    content, _, end = token.rpartition(".")
    made = base64.urlsafe_b64decode(end + "==")
    forms = [
        issuing.der_ecdsa(made),
        bytes(64),
        issuing.raw_ecdsa(1, 0),
        issuing.raw_ecdsa(0, 1),
        b"\xff" * 64,
        made + b"\0",
        b"\0" + made,
        made[:63],
        made[32:] + made[:32],
        b"",
    ]
    for form in forms:
        refused(f"{content}.{part(form)}")


@pytest.mark.parametrize("form", [b"", bytes(64), bytes(63), b"\x01" + bytes(63), b"\xff" * 64])
def test_weak_signatures_with_ed25519_are_none(form: bytes) -> None:
    refused(f"{part(header('EdDSA'))}.{part(claims())}.{part(form)}")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 4000])
@pytest.mark.parametrize("octet", [b"\0", b"\x01", b"\xff"])
def test_weak_signatures_with_rsa_are_none(size: int, octet: bytes) -> None:
    refused(f"{part(header())}.{part(claims())}.{part(octet * size)}")


# Attacks: what the header asks for ----------------------------------------------------------------

ATTACKER = jwk("RS256", issuing.OTHER_RSA, kid="mine")
IN_HEADER: dict[str, Any] = {
    "crit": ["exp"],
    "crit of nothing": {"crit": []},
    "crit of b64": {"crit": ["b64"], "b64": False},
    "crit of an unknown name": {"crit": ["http://example.com/UNDEFINED"], "x": 1},
    "crit that is no list": {"crit": "exp"},
    "crit null": {"crit": 0},
    "b64": {"b64": False},
    "b64 true": {"b64": True},
    "jwk": {"jwk": ATTACKER},
    "jwk of the issuer": {"jwk": JWKS["keys"][0]},
    "jku": {"jku": "https://attacker.example/jwks.json"},
    "jku of the issuer": {"jku": f"{ISSUER}/jwks.json"},
    "x5u": {"x5u": "https://attacker.example/cert.pem"},
    "x5c": {"x5c": ["MIIB"]},
    "a logout token": {"typ": "logout+jwt"},
    "a security event": {"typ": "secevent+jwt"},
    "a proof of possession": {"typ": "dpop+jwt"},
    "a type that is none": {"typ": 1},
    "a type in a list": {"typ": ["JWT"]},
}


@pytest.mark.parametrize("name", IN_HEADER)
@pytest.mark.parametrize("who", ["the issuer", "the attacker"])
def test_what_a_header_asks_for_is_not_done(name: str, who: str) -> None:
    asked = IN_HEADER[name] if isinstance(IN_HEADER[name], dict) else {name: IN_HEADER[name]}
    key = RSA if who == "the issuer" else issuing.OTHER_RSA
    refused(signed({**header(), **asked}, key=key), "header")


@pytest.mark.parametrize(
    "kid",
    ["", "RSA", "rsa ", "rsa\0", "../../../dev/null", "/dev/null", "' OR 1=1 --", "$(id)", "ключ",
     "x" * 4000, "keys[0]", "0", "http://attacker.example/key"],
)  # fmt: skip
def test_a_name_of_a_key_is_only_looked_up(kid: str) -> None:
    refused(signed(header(kid=kid)), "key")


@pytest.mark.parametrize("kid", [0, 1.5, True, [], ["rsa"], {"kid": "rsa"}])
def test_a_name_of_a_key_is_a_string(kid: Any) -> None:
    refused(signed(header(kid=kid)), "header")


def test_a_token_without_a_name_needs_a_single_key_that_fits() -> None:
    two = {"keys": [*JWKS["keys"], jwk("RS256", issuing.OTHER_RSA, kid="other")]}
    verifier = TokenVerifier([provider(jwks=two)], issuing.clock())
    refused(signed(header(kid=None)), "key", verifier)
    assert verifier.verify(signed(header("ES256", kid=None), algorithm="ES256")).expires_at


# Attacks: what the claims say ---------------------------------------------------------------------

CLAIMS: dict[str, tuple[Any, str]] = {
    "another issuer": ({"iss": "https://attacker.example"}, "issuer"),
    "no issuer": ({"iss": None}, "issuer"),
    "an issuer with a slash": ({"iss": f"{ISSUER}/"}, "issuer"),
    "an issuer in other letters": ({"iss": ISSUER.upper()}, "issuer"),
    "a longer issuer": ({"iss": f"{ISSUER}.attacker.example"}, "issuer"),
    "a list of issuers": ({"iss": [ISSUER]}, "issuer"),
    "an issuer with a space": ({"iss": f" {ISSUER}"}, "issuer"),
    "an issuer with a nul": ({"iss": f"{ISSUER}\0"}, "issuer"),
    "an empty issuer": ({"iss": ""}, "issuer"),
    "an issuer that is no text": ({"iss": 1}, "issuer"),
    "the issuer of sessions": ({"iss": "headwater"}, "issuer"),
    "another audience": ({"aud": "elsewhere"}, "audience"),
    "no audience": ({"aud": None}, "audience"),
    "an empty audience": ({"aud": ""}, "audience"),
    "no audiences": ({"aud": []}, "audience"),
    "a part of the audience": ({"aud": "note"}, "audience"),
    "more than the audience": ({"aud": "notes2"}, "audience"),
    "an audience in other letters": ({"aud": "NOTES"}, "audience"),
    "the letters of the audience": ({"aud": list(AUDIENCE)}, "audience"),
    "audiences in an object": ({"aud": {AUDIENCE: True}}, "audience"),
    "audiences in audiences": ({"aud": [[AUDIENCE]]}, "audience"),
    "an audience that is true": ({"aud": True}, "audience"),
    "an audience that is a number": ({"aud": 1}, "audience"),
    "ended": ({"exp": NOW - 5}, "expired"),
    "ended in 1970": ({"exp": 0}, "expired"),
    "no end": ({"exp": None}, "claims"),
    "an end as text": ({"exp": str(NOW + 600)}, "claims"),
    "an end that is true": ({"exp": True}, "claims"),
    "an end in a list": ({"exp": [NOW + 600]}, "claims"),
    "an end in an object": ({"exp": {"at": NOW + 600}}, "claims"),
    "an end before all time": ({"exp": -1}, "claims"),
    "an end too large to count": ({"exp": 10**400}, "claims"),
    "an end in milliseconds of milliseconds": ({"exp": 2**53}, "claims"),
    "begins later": ({"nbf": NOW + 6}, "not_yet_valid"),
    "a beginning as text": ({"nbf": "0"}, "claims"),
    "a beginning that is false": ({"nbf": False}, "claims"),
    "a beginning too large": ({"nbf": 10**400}, "claims"),
    "issued as text": ({"iat": "now"}, "claims"),
    "issued never": ({"iat": []}, "claims"),
    "no subject": ({"sub": None}, "subject"),
    "an empty subject": ({"sub": ""}, "subject"),
    "a subject that is a number": ({"sub": 1}, "subject"),
    "a subject that is true": ({"sub": True}, "subject"),
    "a subject in a list": ({"sub": ["ada"]}, "subject"),
    "a subject in an object": ({"sub": {"id": "ada"}}, "subject"),
    "a subject that is no text": ({"sub": "\ud800"}, "claims"),
    "a number that is too large": ({"level": 2**63}, "claims"),
    "a name that is reserved": ({"$set": {"role": "admin"}}, "claims"),
    "half a character": ({"name": "\udfff"}, "claims"),
    "claims that are too deep": ({"deep": json.loads("[" * 90 + "]" * 90)}, "claims"),
}


@pytest.mark.parametrize("name", CLAIMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_that_says_something_else_is_refused(name: str, algorithm: str) -> None:
    changes, reason = CLAIMS[name]
    refused(signed(body=claims(**changes), algorithm=algorithm), reason)


def raw_claims(text: str) -> str:
    """A signed token whose claims are that text; `{}` is where the good ones are."""
    return signed(body=text.replace("{}", json.dumps(claims())[1:-1]).encode())


RAW = {
    "a subject twice": '{{}, "sub": "root"}',
    "an end twice": f'{{"exp": {NOW + 10**6}, {{}}}}'.replace("{{}}", "{}"),
    "a nested name twice": '{{}, "x": {"a": 1, "a": 2}}',
    "NaN": '{{}, "exp": NaN}',
    "infinity": '{{}, "x": Infinity}',
    "minus infinity": '{{}, "x": -Infinity}',
    "an endless number": '{{}, "x": ' + "9" * 5000 + "}",
    "a comment": '{{}, /* x */ "x": 1}',
    "a comma too many": "{{},}",
    "single quotes": "{{}, 'x': 1}",
    "two objects": "{{}}{{}}",
    "a byte order mark": "\ufeff{{}}",
    "a list": "[{{}}]",
    "a string": '"ada"',
    "a number": "1",
    "null": "null",
    "nothing": "",
    "spaces": "   ",
    "half of it": '{{}, "x',
    "a control character": '{{}, "x": "\x01"}',
    "brackets": "[" * 5000,
    "objects": '{"a":' * 1500,
}


@pytest.mark.parametrize("name", RAW)
def test_claims_that_are_no_json_object_are_refused(name: str) -> None:
    refused(raw_claims(RAW[name]), "malformed")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\xc3\x28", '{"sub":"ada"}'.encode("utf-16"),
                                  b"\x80", b"\xed\xa0\x80"])  # fmt: skip
def test_claims_in_another_encoding_are_refused(text: bytes) -> None:
    refused(signed(body=text), "malformed")


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"1", b'"RS256"', b"{", b"[" * 3000,
                                  b'{"alg":"none","alg":"RS256"}', b'{"alg":NaN}'])  # fmt: skip
def test_a_header_that_is_no_json_object_is_refused(text: bytes) -> None:
    refused(signed(text), "malformed")


def test_a_time_that_is_infinite_is_no_time() -> None:
    refused(raw_claims('{"exp": 1e999, {}}'.replace('"exp": 1e999, {}', _without_exp())), "claims")


def _without_exp() -> str:
    return f'"exp": 1e999, {json.dumps(claims(exp=None))[1:-1]}'


# Attacks: the text of the token -------------------------------------------------------------------

TOKEN, OTHER = signed(), signed(body=claims(sub="x"))
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")
TEXTS: dict[str, Any] = {
    "nothing": "",
    "dots": "..",
    "three dots": "...",
    "one part": HEADER,
    "two parts": f"{HEADER}.{PAYLOAD}",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "no payload": f"{HEADER}..{SIGNATURE}",
    "no header": f".{PAYLOAD}.{SIGNATURE}",
    "four parts": f"{TOKEN}.{SIGNATURE}",
    "five parts, as encrypted ones have": f"{HEADER}.{PAYLOAD}.{SIGNATURE}.AA.AA",
    "a space before": f" {TOKEN}",
    "a space behind": f"{TOKEN} ",
    "a line end": f"{TOKEN}\n",
    "a nul": f"{TOKEN}\0",
    "padding": f"{TOKEN}==",
    "padding of the header": f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
    "plain base64": f"{HEADER}.{PAYLOAD}.+/{SIGNATURE[2:]}",
    "a line inside": f"{HEADER}.{PAYLOAD[:9]}\n{PAYLOAD[9:]}.{SIGNATURE}",
    "quotes": f'"{TOKEN}"',
    "with its scheme": f"Bearer {TOKEN}",
    "wide digits": TOKEN.replace("0", "\uff10") + "\uff10",
    "letters that look alike": TOKEN.replace("a", "\u0430") + "\u0430",
    "half a character": "\ud800",
    "JSON": json.dumps({"payload": PAYLOAD, "signatures": [{"protected": HEADER}]}),
    "percent signs": TOKEN.replace(".", "%2E"),
    "a path": "../../etc/passwd",
    "another payload": f"{HEADER}.{part(claims(sub='root'))}.{SIGNATURE}",
    "another header": f"{part(header(typ=None))}.{PAYLOAD}.{SIGNATURE}",
    "a signature of another token": f"{HEADER}.{PAYLOAD}.{OTHER.split('.')[2]}",
    "parts in another order": f"{PAYLOAD}.{HEADER}.{SIGNATURE}",
    "bytes": TOKEN.encode(),
    "None": None,
    "a number": 1,
    "a list": [TOKEN],
    "a dict": claims(),
    "an identity": hw.Identity("ada"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_signed_token_is_refused(name: str) -> None:
    refused(TEXTS[name])


def test_the_last_character_of_a_part_has_one_spelling() -> None:
    """Bits that do not count would be other tokens with the same signature."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = 0
    for end in alphabet:
        try:
            VERIFIER.verify(TOKEN[:-1] + end)
            accepted += 1
        except hw.TokenInvalidError:
            pass
    assert accepted == 1


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_token_in_which_one_character_differs_is_refused(at: int, character: str) -> None:
    if TOKEN[at] != character:
        refused(TOKEN[:at] + character + TOKEN[at + 1 :])


def test_a_token_has_a_size() -> None:
    pad = 16 * 1024 - len(signed(body=claims(pad="")))
    long = signed(body=claims(pad="x" * (pad * 3 // 4 - 4)))
    assert 16 * 1024 - 16 < len(long) <= 16 * 1024
    assert VERIFIER.verify(long).identity.subject == "ada"
    refused(signed(body=claims(pad="x" * (pad * 3 // 4 + 4))), "too_large")


@pytest.mark.parametrize("garbage", ["A" * 10**7, "." * 10**7, f"{'A' * 10**7}.A.A", "\0" * 10**7,
                                     "[" * 10**7])  # fmt: skip
def test_a_lot_of_garbage_is_not_looked_at(garbage: str, monkeypatch: Any) -> None:
    untouched = types.SimpleNamespace(fullmatch=lambda _: pytest.fail("it was looked at"))
    monkeypatch.setattr(token_text, "_COMPACT", untouched)
    with pytest.raises(hw.TokenInvalidError) as refusal:
        VERIFIER.verify(garbage)
    assert refusal.value.reason == "too_large"


def test_a_token_that_is_not_believed_has_no_signature_looked_at() -> None:
    """Which is what costs most: whose token it says it is, and which key, comes first."""
    verifier = TokenVerifier([provider()], issuing.clock())
    verifier._is_signed = None  # type: ignore[assignment]
    for changes, reason in CLAIMS.values():
        if reason in {"issuer", "audience"}:
            refused(signed(body=claims(**changes)), reason, verifier)
    refused(signed(header(kid="unknown")), "key", verifier)


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=200),
        st.binary(max_size=200),
        st.lists(st.binary(max_size=60).map(part), min_size=1, max_size=5).map(".".join),
        st.none() | st.integers() | st.floats(),
    )
)
def test_garbage_is_a_token_that_is_not_valid_and_nothing_else(garbage: Any) -> None:
    refused(garbage)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "cty"]), VALUES, max_size=3
    ),
    st.dictionaries(
        st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "x"]), VALUES, max_size=3
    ),
)
def test_whatever_the_issuer_signs_is_valid_or_not_valid(head: Any, body: Any) -> None:
    token = signed({**header(), **head}, claims() | body)
    try:
        verified = VERIFIER.verify(token)
    except hw.TokenInvalidError:
        return
    said = {**claims(), **body}
    assert (verified.identity.subject, verified.identity.issuer) == (said["sub"], ISSUER)
    assert said["iss"] == ISSUER
    assert said["aud"] == AUDIENCE or AUDIENCE in said["aud"]
    assert math.isfinite(verified.expires_at)
    assert verified.expires_at / 1000 > NOW - 5


# Keys that are none -------------------------------------------------------------------------------

FOREIGN: dict[str, dict[str, Any]] = {
    "a secret": {"kty": "oct", "k": part(b"x" * 32), "kid": "rsa", "alg": "HS256"},
    "for encryption": jwk("RS256", RSA, kid="rsa", use="enc"),
    "for other operations": jwk("RS256", RSA, kid="rsa") | {"key_ops": ["encrypt"]},
    "operations that are no list": jwk("RS256", RSA, kid="rsa") | {"key_ops": "verify"},
    "for another algorithm": jwk("RS256", RSA, kid="rsa", alg="PS256"),
    "too small": jwk("RS256", SMALL_RSA, kid="rsa"),
    "an exponent of one": jwk("RS256", RSA, kid="rsa") | {"e": "AQ"},
    "an exponent of nothing": jwk("RS256", RSA, kid="rsa") | {"e": ""},
    "no modulus": jwk("RS256", RSA, kid="rsa") | {"n": None},
    "a point that is not on the curve": jwk("ES256", EC, kid="ec") | {"x": part(b"\x01" * 32)},
    "another curve": {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "ec"},
    "a curve in a list": {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA", "kid": "ec"},
    "half a key": {"kty": "OKP", "crv": "Ed25519", "x": part(b"x" * 16), "kid": "ed"},
    "a key for exchanges": {"kty": "OKP", "crv": "X25519", "x": part(b"x" * 32), "kid": "ed"},
    "a kind of the future": {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA", "kid": "rsa"},
    "a kind that is none": {"kty": None, "kid": "rsa"},
    "a kind in a list": {"kty": ["RSA"], "kid": "rsa"},
    "a name that is none": jwk("RS256", RSA) | {"kid": 1},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_key_for_something_else_verifies_nothing(name: str) -> None:
    with pytest.raises(hw.DeclarationError, match="none of them can verify"):
        TokenVerifier([provider(jwks={"keys": [FOREIGN[name]]})], issuing.clock())
    others = {"keys": [FOREIGN[name], "nonsense", None, jwk("EdDSA", ED, kid="good")]}
    verifier = TokenVerifier([provider(jwks=others)], issuing.clock())
    for algorithm in ("RS256", "ES256"):
        refused(signed(algorithm=algorithm), "key", verifier)
    token = signed(header("EdDSA", kid="good"), algorithm="EdDSA")
    assert verifier.verify(token).identity.subject == "ada"


def test_a_secret_in_a_key_set_signs_nothing() -> None:
    """Of a provider that publishes its secret, and of one that is told to."""
    keys = {"keys": [FOREIGN["a secret"], *JWKS["keys"][1:]]}
    verifier = TokenVerifier([provider(jwks=keys)], issuing.clock())
    for name in ("HS256", "RS256"):
        content = f"{part(header(alg=name))}.{part(claims())}"
        made = hmac.new(b"x" * 32, content.encode(), hashlib.sha256).digest()
        refused(f"{content}.{part(made)}", None, verifier)


def test_a_private_key_in_a_key_set_is_taken_for_its_public_half() -> None:
    private = issuing.algorithm_of("RS256").to_jwk(RSA, as_dict=True) | {"kid": "rsa"}
    private.pop("key_ops")
    verifier = TokenVerifier([provider(jwks={"keys": [private]})], issuing.clock())
    assert verifier.verify(signed()).identity.subject == "ada"
    (key,) = verifier._trusted[0].keys._known.keys
    assert not hasattr(key.key.key, "private_numbers")


# Declaring and using ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": 1}, "issuer"),
        ({"issuer": "a|b"}, "without '|'"),
        ({"issuer": "headwater"}, "sessions"),
        ({"audience": ""}, "audience"),
        ({"audience": []}, "audience"),
        ({"audience": ["a", ""]}, "audience"),
        ({"audience": [1]}, "audience"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": "RS256"}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"algorithms": ["RS256", "HS256"]}, "algorithms"),
        ({"clock_skew_seconds": -1}, "clock_skew"),
        ({"clock_skew_seconds": 301}, "clock_skew"),
        ({"clock_skew_seconds": math.nan}, "clock_skew"),
        ({"clock_skew_seconds": True}, "clock_skew"),
        ({"clock_skew_seconds": "5"}, "clock_skew"),
        ({"jwks": "http://issuer.example/jwks.json"}, "https://"),
        ({"jwks": "HTTP://issuer.example/jwks.json"}, "https://"),
        ({"jwks": "https://"}, "https://"),
        ({"jwks": "https:issuer.example"}, "https://"),
        ({"jwks": "https://user:secret@issuer.example/"}, "https://"),
        ({"jwks": "https://issuer.example/#x"}, "https://"),
        ({"jwks": "https://issuer.example:port/"}, "https://"),
        ({"jwks": "ftp://issuer.example/"}, "https://"),
        ({"jwks": "file:///etc/passwd"}, "https://"),
        ({"jwks": ""}, "key set"),
        ({"jwks": None}, "key set"),
        ({"jwks": []}, "key set"),
    ],
)
def test_what_is_no_provider_is_refused(changes: Any, said: str) -> None:
    with pytest.raises(hw.DeclarationError, match=said):
        provider(**changes)


def test_a_provider_does_not_show_its_keys() -> None:
    assert JWKS["keys"][0]["n"] not in repr(provider())


@hw.query
def who(ctx: hw.QueryCtx) -> str | None:
    return None if ctx.identity is None else ctx.identity.token_identifier


def test_a_database_identifies_whoever_has_a_token() -> None:
    with testing.database(providers=[provider()]) as db:
        ada = db.identify(signed())
        assert db.acting_as(ada).query(who) == f"{ISSUER}|ada"
        assert asyncio.run(db.aio.identify(signed())) == ada
        verified = asyncio.run(db.aio.verify_token(signed()))
        assert verified == db.verify_token(signed())
        assert verified.expires_at == (NOW + 600) * 1000
        db.clock.advance(seconds=605)
        with pytest.raises(hw.TokenInvalidError, match="expired") as refusal:
            db.identify(signed())
        assert isinstance(refusal.value, PermissionError)
        assert refusal.value.code == "token_invalid"


def test_a_database_without_providers_believes_nobody() -> None:
    with testing.database() as db:
        for token, reason in [(signed(), "issuer"), ("x", "malformed"), (None, "malformed")]:
            with pytest.raises(hw.TokenInvalidError) as refusal:
                db.identify(token)  # type: ignore[arg-type]
            assert refusal.value.reason == reason


@hw.query
def identify_inside(ctx: hw.QueryCtx) -> str:
    return opened[-1].identify(signed()).subject


opened: list[hw.Database] = []


def test_a_function_does_not_verify_tokens() -> None:
    with testing.database(providers=[provider()]) as db:
        opened.append(db)
        with pytest.raises(hw.UsageError, match="used the database itself"):
            db.query(identify_inside)


def test_one_directory_has_one_set_of_providers(tmp_path) -> None:
    with hw.open(tmp_path / "db", providers=[provider()]) as db:
        with pytest.raises(hw.AlreadyOpenError, match="providers"):
            hw.open(tmp_path / "db", providers=[provider(audience="other")])
        hw.open(tmp_path / "db", providers=[provider()]).close()
        with db.fork() as fork, hw.open(tmp_path / "db") as same:
            assert same is db
            with pytest.raises(hw.TokenInvalidError) as refusal:
                fork.identify(signed())
            assert refusal.value.reason == "expired", "its clock is that of the system"


def test_refusals_are_copied_and_pickled_with_their_reason() -> None:
    with pytest.raises(hw.TokenInvalidError) as refusal:
        VERIFIER.verify("")
    for made in (copy.copy(refusal.value), pickle.loads(pickle.dumps(refusal.value))):
        assert (made.reason, str(made)) == ("malformed", str(refusal.value))


def test_without_the_extra_it_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ModuleNotFoundError, match=r"headwater\[auth\]"):
        testing.database(providers=[provider()])
    testing.database().close()
