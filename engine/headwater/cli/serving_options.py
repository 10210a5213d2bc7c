"""What is served, and how: the options that ``serve`` and ``dev`` have in common."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

import typer

import headwater as hw
from headwater.cli.output import refusal
from headwater.server.protocol import AsgiApplication

PORT: Final = 3210
"""That of a local deployment of Convex, which its clients and tools expect."""

TOKEN_VARIABLE: Final = "HEADWATER_ADMIN_TOKEN"  # noqa: S105 - its name

Host: TypeAlias = Annotated[
    str, typer.Option(help="Address to listen on; 0.0.0.0 or :: for every network.")
]
Port: TypeAlias = Annotated[
    int, typer.Option(min=0, max=65535, help="0 takes any that is free, and prints it.")
]
Cors: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="An origin whose pages may call, or *; may be repeated."),
]
Hosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host", help="A name that requests may be for; may be repeated. Any by default."
    ),
]
AdminTokenFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(help=f"A file with an admin token; by default {TOKEN_VARIABLE} is one."),
]
Api: TypeAlias = Annotated[
    bool, typer.Option(help="Whether clients may call the public functions, or only routes.")
]
PublicOrigin: TypeAlias = Annotated[
    str | None,
    typer.Option(help="What it is reached at from outside, for the URLs of stored files."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOptions:
    """How an application is served.

    Attributes:
        api: Whether clients may call its public functions.
        cors: Origins whose pages may call.
        hosts: Names and addresses that requests may be for; any if there are none.
        admin_token: What administrators show.
        public_origin: What stands before the paths of URLs of files.
        dashboard: Whether administrators find a page that shows the database.
        dev: Whether errors are told to everybody.
    """

    api: bool = True
    cors: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    admin_token: str | None = None
    public_origin: str | None = None
    dashboard: bool = False
    dev: bool = False

    def application(self, db: hw.Database) -> AsgiApplication:
        """The application of a database."""
        return db.asgi(
            api=self.api,
            cors=self.cors,
            hosts=self.hosts,
            admin_token=self.admin_token,
            dashboard=self.dashboard,
            dev=self.dev,
        )

    def opening(self) -> dict[str, Any]:
        """The options of `hw.open` that were given."""
        return {} if self.public_origin is None else {"public_origin": self.public_origin}

    def as_json(self) -> dict[str, Any]:
        """Itself, for another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Self:
        """What `as_json` gave."""
        lists = {name: tuple(facts[name]) for name in ("cors", "hosts")}
        given: dict[str, Any] = {**facts, **lists}
        return cls(**given)


def admin_token_of(file: Path | None) -> str | None:
    """The admin token that was given, if one was.

    Raises:
        HeadwaterError: The file cannot be read, or has no token.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise refusal(
            f"{file}: {reason}; expected an admin token, as headwater token makes one"
        ) from None
    if not token:
        raise refusal(f"{file} is empty; expected an admin token, as headwater token makes one")
    return token
