"""Admin tokens: secrets that give a client all rights on a server that knows them."""

import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Annotated, Final

import typer

from headwater.cli.application import RUNNING, application
from headwater.cli.output import refusal, say
from headwater.clock import SystemClock

_BYTES: Final = 32
_PREFIX: Final = "hw_admin_"
"""Says what it is to whoever finds it; and no option of a command line begins so."""

_ONLY_OWNER: Final = 0o600


@application.command(rich_help_panel=RUNNING)
def token(
    target: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to; printed by default.")
    ] = None,
) -> None:
    """Make an admin token: 256 random bits, for serve and dev, and for who may do everything.

    Whoever has it may do everything. It is kept nowhere: a server is told by --admin-token-file or
    by HEADWATER_ADMIN_TOKEN.
    """
    made = new_token()
    if target is None:
        say(made)
        return
    try:
        # Readable by its owner alone from the first moment, and never over another one.
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _ONLY_OWNER)
    except FileExistsError:
        raise refusal(f"{target}: there is a file already; choose another, or move it") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{made}\n")
    say(f"an admin token is in {target}, which only its owner can read")


def new_token() -> str:
    """A token that nobody can guess."""
    secret = urlsafe_b64encode(SystemClock().secret(_BYTES)).rstrip(b"=").decode("ascii")
    return _PREFIX + secret
