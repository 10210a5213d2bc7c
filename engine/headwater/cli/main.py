"""Where the command ``headwater`` begins, with or without what it needs."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Final

from headwater.errors import HeadwaterError

_MISSING: Final = (
    "headwater: the command needs the package {name!r}, which is not installed; install the extra: "
    "pip install 'headwater[cli]'\n"
)
_NEEDED: Final = ("typer", "rich")
_FAILED: Final = 1
_MISUSED: Final = 2


def run() -> None:
    """Run the command that the arguments of the process name, and end the process.

    Exit codes: 0 all is well; 1 something is wrong, or was refused; 2 wrong arguments; 130 Ctrl-C.
    """
    try:
        for package in _NEEDED:
            import_module(package)
        from headwater.cli.commands import application
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("headwater"):
            raise
        sys.stderr.write(_MISSING.format(name=error.name))
        raise SystemExit(_MISUSED) from None
    with reported():
        application()


@contextmanager
def reported() -> Generator[None]:
    """Errors as a line and an exit code, without a stack trace."""
    try:
        yield
    except (HeadwaterError, OSError) as error:
        from headwater.cli.output import say_error

        say_error(str(error))
        raise SystemExit(_FAILED) from None
