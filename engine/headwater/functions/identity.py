"""Who calls: an identity that callers set around their calls, and functions read.

In process the caller vouches for it; what comes from elsewhere is verified first, by a token or a
session. It follows the caller into threads and tasks as context variables do, and into actions and
what they call. Scheduled functions and jobs have none: nobody is waiting for them.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from types import MappingProxyType
from typing import Any, Final, cast, final

from headwater.errors import ArgumentError
from headwater.functions.purity import refuse_another_caller_inside
from headwater.storage.codec import pack, unpack
from headwater.transactions.origins import origin_as
from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import check_value

_current: Final[ContextVar["Identity | None"]] = ContextVar("headwater_identity", default=None)

_BETWEEN: Final = "|"
_NO_CLAIMS: Final[Mapping[str, Any]] = MappingProxyType({})


@final
class Identity:
    """Somebody who was recognized. Immutable; equal if subject, issuer and all claims are.

    Args:
        subject: Who it is, as the issuer names them; never reused by the issuer.
        issuer: Who says so: the address of an identity provider, or a name of the application's.
        claims: What else is said of them, as storable values, such as ``{"email": ...}``.

    Raises:
        ArgumentError: The subject or the issuer is no string or empty, the issuer has a ``|``, or
            a claim is no storable value.
    """

    __slots__ = ("_facts", "_issuer", "_subject")

    def __init__(
        self, subject: str, issuer: str = "local", claims: Mapping[str, Any] = _NO_CLAIMS
    ) -> None:
        for name, text in (("subject", subject), ("issuer", issuer)):
            given = cast("object", text)
            if not isinstance(given, str) or not given:
                raise ArgumentError(
                    f"hw.Identity({name}={given!r}): expected a string that is not empty"
                )
        if _BETWEEN in issuer:
            raise ArgumentError(
                f"hw.Identity(issuer={issuer!r}): expected a string without {_BETWEEN!r}, which "
                "ends the issuer in token identifiers"
            )
        try:
            facts = [issuer, subject, dict(claims)]
            check_value(facts)
        except (NotStorableError, TypeError, ValueError) as error:
            raise ArgumentError(
                f"hw.Identity(claims=...): {error}; expected a dict of storable values"
            ) from None
        self._subject = subject
        self._issuer = issuer
        self._facts = pack(_in_order(facts))

    @property
    def subject(self) -> str:
        """Who it is, as the issuer names them."""
        return self._subject

    @property
    def issuer(self) -> str:
        """Who says so."""
        return self._issuer

    @property
    def claims(self) -> dict[str, Any]:
        """What else is said of them; a new dict at every look."""
        claims: dict[str, Any] = unpack(self._facts)[2]
        return claims

    @property
    def token_identifier(self) -> str:
        """Issuer and subject in one string: the same for no two people."""
        return f"{self._issuer}{_BETWEEN}{self._subject}"

    @property
    def fingerprint(self) -> bytes:
        """Bytes that are equal for equal identities only; for the floors above."""
        return self._facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self._facts == other._facts

    def __hash__(self) -> int:
        return hash(self._facts)

    def __repr__(self) -> str:
        return f"Identity({self.subject!r}, issuer={self.issuer!r}, claims={self.claims!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Identity, (self.subject, self.issuer, self.claims)


def _in_order(value: Any) -> Any:
    """The same value with the keys of all dicts sorted."""
    if isinstance(value, dict):
        by_key = cast("dict[str, Any]", value)
        return {key: _in_order(by_key[key]) for key in sorted(by_key)}
    if isinstance(value, list):
        return [_in_order(item) for item in cast("Sequence[Any]", value)]
    return value


def fingerprint_of(identity: Identity | None) -> bytes:
    """Bytes that are equal for equal identities, and empty for nobody."""
    return b"" if identity is None else identity.fingerprint


def identity_of(fingerprint: bytes) -> Identity | None:
    """The identity of a fingerprint."""
    if not fingerprint:
        return None
    issuer, subject, claims = unpack(fingerprint)
    return Identity(subject, issuer, claims)


current_identity: Final[Callable[[], Identity | None]] = _current.get
"""Who calls, as the innermost `acting_as` around says. Without a frame: every call asks."""


def is_caller_said() -> bool:
    """Whether there is an `acting_as` around, for somebody or for nobody."""
    return _current in copy_context()


@contextmanager
def acting_as(identity: Identity | None) -> Generator[None]:
    """Call functions as somebody: ``with hw.acting_as(hw.Identity("ada")): ...``.

    Functions that are called inside the block, of any database, see it as ``ctx.identity``, and the
    commits that they make name it. The innermost block counts; None is nobody.

    Args:
        identity: Who calls. The caller vouches for it: nothing is verified here.

    Raises:
        ArgumentError: It is no `Identity`.
        UsageError: Inside a query or mutation, where the caller is the same from begin to end.
    """
    refuse_another_caller_inside()
    with _acting_as(check_identity(identity, "hw.acting_as")):
        yield


def check_identity(identity: object, function: str) -> Identity | None:
    """Refuse what is no identity, whatever a type checker says.

    Raises:
        ArgumentError: It is no `Identity`.
    """
    if identity is None or isinstance(identity, Identity):
        return identity
    raise ArgumentError(
        f"{function}({identity!r}): expected an hw.Identity or None, got {type(identity).__name__}"
    )


@contextmanager
def _acting_as(identity: Identity | None) -> Generator[None]:
    token = _current.set(identity)
    try:
        with origin_as(None if identity is None else identity.token_identifier):
            yield
    finally:
        _current.reset(token)
