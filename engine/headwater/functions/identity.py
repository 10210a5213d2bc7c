"""Who calls: an identity that callers set around their calls, and functions read.

In process the caller vouches for it; what comes from elsewhere is verified first, by a token or a
session. It follows the caller into threads and tasks as context variables do, and into actions and
what they call. Scheduled functions and jobs have none: nobody is waiting for them.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from headwater.errors import ArgumentError
from headwater.storage.codec import pack, unpack
from headwater.transactions.origins import origin_as
from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import check_value

_current: Final[ContextVar["Identity | None"]] = ContextVar("headwater_identity", default=None)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who was recognized.

    Attributes:
        subject: Who it is, as the issuer names them; never reused by the issuer.
        issuer: Who says so: the address of an identity provider, or a name of the application's.
        claims: What else is said of them, as storable values, such as ``{"email": ...}``.
    """

    subject: str
    issuer: str = "local"
    claims: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("subject", "issuer"):
            text = getattr(self, name)
            if not isinstance(text, str) or not text:
                raise ArgumentError(
                    f"hw.Identity({name}={text!r}): expected a string that is not empty"
                )
        try:
            check_value(dict(self.claims))
        except (NotStorableError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"hw.Identity(claims=...): {error}; expected a dict of storable values"
            ) from None

    @property
    def token_identifier(self) -> str:
        """Issuer and subject in one string: the same for no two people."""
        return f"{self.issuer}|{self.subject}"

    def __hash__(self) -> int:
        return hash((self.issuer, self.subject))


class IdentityRead(NamedTuple):
    """An identity as a run of a function depends on it.

    Attributes:
        identity: Who calls; None for nobody in particular.
        fingerprint: Bytes that are equal for equal identities, claims included.
    """

    identity: Identity | None
    fingerprint: bytes

    @classmethod
    def of(cls, identity: Identity | None) -> "IdentityRead":
        """The identity with its fingerprint."""
        if identity is None:
            return NOBODY
        facts = [identity.issuer, identity.subject, dict(identity.claims)]
        return cls(identity, pack(facts))

    @classmethod
    def unpacked(cls, fingerprint: bytes) -> "IdentityRead":
        """The identity of a fingerprint."""
        if not fingerprint:
            return NOBODY
        issuer, subject, claims = unpack(fingerprint)
        return cls(Identity(subject, issuer, claims), fingerprint)


NOBODY: Final = IdentityRead(None, b"")


def current_identity() -> Identity | None:
    """Who calls, as the innermost `acting_as` around says."""
    return _current.get()


@contextmanager
def acting_as(identity: Identity | None) -> Generator[None]:
    """Call functions as somebody: ``with hw.acting_as(hw.Identity("ada")): ...``.

    Functions that are called inside the block, of any database, see it as ``ctx.identity``, and the
    commits that they make name it. The innermost block counts; None is nobody.

    Args:
        identity: Who calls. The caller vouches for it: nothing is verified here.

    Raises:
        ArgumentError: It is no `Identity`.
    """
    given = cast("object", identity)
    if given is not None and not isinstance(given, Identity):
        raise ArgumentError(
            f"hw.acting_as({given!r}): expected an hw.Identity or None, got {type(given).__name__}"
        )
    token = _current.set(identity)
    try:
        with origin_as(None if identity is None else identity.token_identifier):
            yield
    finally:
        _current.reset(token)
