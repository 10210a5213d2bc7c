"""What a function demands of its caller before it goes on."""

from typing import Protocol

from headwater.errors import NotSignedInError, PermissionDeniedError
from headwater.functions.identity import Identity


class KnowsCaller(Protocol):
    """Any context: of a query, a mutation or an action, or one of one's own."""

    @property
    def identity(self) -> Identity | None:
        """Who calls."""
        ...


def require(condition: object, message: str = "this is not allowed", *, code: str = "") -> None:
    """Go on only if a condition holds: ``hw.require(note["owner"] == user["_id"], "not yours")``.

    Args:
        condition: Anything that is true or false.
        message: What the caller reads.
        code: In place of the ``code`` of the error, for callers that tell one from another.

    Raises:
        PermissionDeniedError: It does not hold. A mutation that lets it pass writes nothing.
    """
    if not condition:
        raise PermissionDeniedError(message, code=code)


def require_identity(ctx: KnowsCaller) -> Identity:
    """Who calls. A query that asks is run for each identity.

    Raises:
        NotSignedInError: Nobody in particular.
    """
    identity = ctx.identity
    if identity is None:
        raise NotSignedInError(
            "this is for callers with an identity, and the call has none; sign in first, or call "
            "inside 'with hw.acting_as(hw.Identity(...))'"
        )
    return identity
