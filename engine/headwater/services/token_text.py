"""A JSON Web Token in its compact form, taken apart before anything in it is believed.

Stricter than RFC 7515 and RFC 8259 ask: each name once in an object, and no numbers that JSON does
not have, so that no two readers see two different tokens.
"""

import re
from typing import Any, Final, NamedTuple, NoReturn, cast

from headwater.errors import TokenInvalidError

TOKEN_CHARACTERS_MAX: Final = 16 * 1024
"""Whatever is longer is refused at a glance; tokens of providers have one or two thousand."""

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")


class TokenText(NamedTuple):
    """What a token says of itself.

    Attributes:
        header: How it is signed.
        claims: What the issuer says.
    """

    header: dict[str, Any]
    claims: dict[str, Any]


def check_size(token: object) -> str:
    """The token as a string of a reasonable size.

    Raises:
        TokenInvalidError: It is none.
    """
    if not isinstance(token, str):
        raise TokenInvalidError(
            f"expected a token as a string, got {type(token).__name__}", reason="malformed"
        )
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise TokenInvalidError(
            f"a token of {len(token):,} characters, expected {TOKEN_CHARACTERS_MAX:,} at most",
            reason="too_large",
        )
    return token


def read_token(token: object) -> TokenText:
    """Take a token apart. Nothing of it is verified.

    Raises:
        TokenInvalidError: It is no token that has a signature.
    """
    compact = _COMPACT.fullmatch(check_size(token))
    if compact is None:
        raise _malformed("expected three parts in base64url with two dots between them")
    header, claims, _ = (_decoded(part) for part in compact.groups())
    return TokenText(_object(header, "header"), _object(claims, "payload"))


def _decoded(part: str) -> bytes:
    from base64 import urlsafe_b64decode

    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise _malformed("a part that is no base64url") from None


def _object(content: bytes, part: str) -> dict[str, Any]:
    import json

    try:
        found = json.loads(
            content.decode("utf-8"), object_pairs_hook=_each_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise _malformed(f"its {part} is no JSON") from None
    if not isinstance(found, dict):
        raise _malformed(f"its {part} is no JSON object")
    return cast("dict[str, Any]", found)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _malformed(what: str) -> TokenInvalidError:
    return TokenInvalidError(f"a malformed token: {what}", reason="malformed")
