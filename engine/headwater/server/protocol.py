"""What ASGI applications are, and what this one needs of a database."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headwater.functions.acting import Actor, AsyncCalls
from headwater.functions.context_services import Configuration
from headwater.functions.identity import Identity
from headwater.functions.runner import Runner
from headwater.reactive.reactor import Reactor
from headwater.services.file_serving import FileServing
from headwater.services.tokens import VerifiedToken

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Identify: TypeAlias = Callable[[str], Identity | VerifiedToken | None]
"""From a bearer token to who has it, perhaps with its end; may block: it is called on a thread.

For a token that is not valid it gives None, or raises a `TokenInvalidError`.
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """The database behind the application.

    Attributes:
        runner: Its functions.
        actor: Its actions.
        calls: Queries and mutations for tasks.
        reactor: Its live queries.
        settings: Its settings.
        close: Closes it.
        is_closed: Whether it is closed, or about to be.
        file_urls: What answers requests for stored files.
    """

    runner: Runner
    actor: Actor
    calls: AsyncCalls
    reactor: Reactor
    settings: Configuration
    close: Callable[[], None]
    is_closed: Callable[[], bool]
    file_urls: Callable[[], FileServing]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How the application behaves.

    Attributes:
        identify: Verifies bearer tokens; None if there are none.
        is_dev: Whether errors tell their messages and tracebacks to everybody.
        cors: Origins whose pages may call it.
        hosts: Names that it is reached by; empty for all.
        closes: Whether the end of the server closes the database.
        has_api: Whether clients may call the public functions.
        has_openapi: Whether the public functions are described to everybody.
        admin_token: What administrators have to show; None if there are none.
    """

    identify: Identify | None = None
    is_dev: bool = False
    cors: Sequence[str] = ()
    hosts: Sequence[str] = ()
    closes: bool = False
    has_api: bool = False
    has_openapi: bool = False
    admin_token: str | None = None
