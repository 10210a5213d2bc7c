"""An identity provider of these tests: its keys, and tokens of its own and of others."""

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

import headwater as hw
from headwater.testing import ManualClock

ISSUER = "https://issuer.example"
AUDIENCE = "notes"
NOW = 1_704_067_200
"""When a manual clock begins, seconds since the epoch."""

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OTHER_RSA = rsa.generate_private_key(65537, 2048)
OTHER_EC = ec.generate_private_key(ec.SECP256R1())
OTHER_ED = ed25519.Ed25519PrivateKey.generate()
SMALL_RSA = rsa.generate_private_key(65537, 1024)

KEYS: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}
OTHERS: dict[str, Any] = {"RS256": OTHER_RSA, "ES256": OTHER_EC, "EdDSA": OTHER_ED}


def algorithm_of(name: str) -> Any:
    return jwt.get_algorithm_by_name(name)


def jwk(name: str, key: Any, **more: Any) -> dict[str, Any]:
    """The public half of a key, as a provider publishes it."""
    return algorithm_of(name).to_jwk(key.public_key(), as_dict=True) | more


JWKS: dict[str, Any] = {
    "keys": [
        jwk("RS256", RSA, kid="rsa", use="sig", alg="RS256"),
        jwk("ES256", EC, kid="ec", use="sig"),
        jwk("EdDSA", ED, kid="ed"),
    ]
}
KIDS = {"RS256": "rsa", "ES256": "ec", "EdDSA": "ed"}


def provider(**changes: Any) -> hw.TokenProvider:
    return hw.TokenProvider(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": JWKS} | changes)


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good token; None removes one."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        "exp": NOW + 600,
        "nbf": NOW - 10,
        "iat": NOW - 10,
        "email": "ada@example.org",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def header(algorithm: str = "RS256", **changes: Any) -> dict[str, Any]:
    good = {"typ": "JWT", "alg": algorithm, "kid": KIDS.get(algorithm, "rsa")}
    return {name: value for name, value in (good | changes).items() if value is not None}


def part(content: Any) -> str:
    """One part of a token: of bytes, or of a value as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signature(algorithm: str, key: Any, content: bytes) -> bytes:
    if algorithm.startswith("PS"):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return key.sign(content, pss, hashes.SHA256())
    if algorithm == "ES256-DER":
        return key.sign(content, ec.ECDSA(hashes.SHA256()))
    return algorithm_of(algorithm).sign(content, key)


def signed(head: Any = None, body: Any = None, *, algorithm: str = "RS256", key: Any = None) -> str:
    """A token with any header and any claims, signed as said; by the provider by default."""
    head = header(algorithm) if head is None else head
    content = f"{part(head)}.{part(claims() if body is None else body)}"
    made = signature(algorithm, KEYS[algorithm] if key is None else key, content.encode())
    return f"{content}.{part(made)}"


def raw_ecdsa(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def der_ecdsa(signed_bytes: bytes) -> bytes:
    r, s = (int.from_bytes(half, "big") for half in (signed_bytes[:32], signed_bytes[32:]))
    return utils.encode_dss_signature(r, s)


def clock() -> ManualClock:
    return ManualClock()
