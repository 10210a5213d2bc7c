"""How an application delivers the codes that prove who somebody is."""

from typing import Literal, Protocol, TypeAlias

CodePurpose: TypeAlias = Literal["sign_up", "sign_in", "reset_password"]
"""What a code is good for."""

CodeMessage: TypeAlias = Literal["sign_up", "sign_in", "reset_password", "already_signed_up"]
"""What is to be said to a login; "already_signed_up" has no code, and goes to one that is taken."""


class CodeDelivery(Protocol):
    """A function that sends a code: ``def deliver(login, purpose, code): ...``."""

    def __call__(self, *, login: str, purpose: CodeMessage, code: str) -> object:
        """Send it. Called on a thread of its own, which nobody waits for.

        Args:
            login: Where to, as it is stored.
            purpose: What for.
            code: Digits; empty for somebody who has signed up before.
        """
        ...
