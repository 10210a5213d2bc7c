"""The command itself, and what its commands share: arguments, and how a database is opened."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

import headwater as hw
from headwater.cli.moments import parse_moment
from headwater.cli.output import refusal
from headwater.storage.format import MANIFEST_NAME

application: Final = typer.Typer(
    help="Serve, call and look after Headwater databases.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FAILED: Final = 1
"""Exit code of what found problems, or was refused."""

MISUSED: Final = 2
"""Exit code of wrong arguments."""

STOPPED: Final = 130
"""Exit code of what Ctrl-C has ended."""

DatabasePath: TypeAlias = Annotated[Path, typer.Argument(help="The directory of the database.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Moment: TypeAlias = Annotated[
    int | None,
    typer.Option(
        parser=parse_moment, metavar="MOMENT", help="A date, an age (30d) or a timestamp."
    ),
]
Create: TypeAlias = Annotated[
    bool, typer.Option("--create", help="Make the database if there is none.")
]
OnlyTables: TypeAlias = Annotated[
    list[str] | None, typer.Option("--table", help="Only this table; may be repeated.")
]

RUNNING: Final = "Make, serve, call"
LOOKING: Final = "Look at a database"
WORKING: Final = "Jobs and crons"
CARING: Final = "Look after a database"
"""Headings of the commands in the help."""


def exists(path: Path) -> bool:
    """Whether there is a database."""
    return (path / MANIFEST_NAME).exists()


def check_exists(path: Path, *, create: bool | None = None) -> None:
    """Refuse to go on where no database is, so that no command makes one by mistake.

    Args:
        path: Where it is to be.
        create: Whether the command was told to make one; None for a command that never does.

    Raises:
        HeadwaterError: There is none.
    """
    if create or exists(path):
        return
    hint = "" if create is None else "; --create makes one"
    raise refusal(f"{path}: there is no database; expected a directory with {MANIFEST_NAME}{hint}")


@contextmanager
def opened(path: Path) -> Generator[hw.Database]:
    """A database that is there, without the functions of its application; nothing runs in it.

    Raises:
        HeadwaterError: There is none.
    """
    check_exists(path)
    with hw.open(path, build="later", jobs="hold") as db:
        yield db
