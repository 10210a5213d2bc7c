"""Tokens of a provider of identities, which the servers of these tests believe."""

import time
import uuid
from pathlib import Path

import jwt


def token(signing_key: Path, subject: str) -> str:
    """A token that lasts an hour; no two are the same."""
    now = int(time.time())
    facts = {"iss": "https://id.example", "aud": "clients", "sub": subject, "jti": uuid.uuid4().hex}
    return jwt.encode(
        facts | {"iat": now, "exp": now + 3600},
        signing_key.read_text(),
        algorithm="EdDSA",
        headers={"kid": "1"},
    )
