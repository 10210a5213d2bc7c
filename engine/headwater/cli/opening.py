"""How commands open an application's database: as `hw.open` does, or as the application says."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, TypeAlias

import typer

import headwater as hw
from headwater.cli.load_errors import error_text
from headwater.cli.output import refusal
from headwater.cli.sources import import_module_of

_PARAMETER: Final = "--open-with"

OpenWith: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        envvar="HEADWATER_OPEN_WITH",
        help="A function that opens the database, with options of its own.",
    ),
]


def open_database(
    path: Path, modules: list[ModuleType], open_with: str | None, **options: Any
) -> hw.Database:
    """Open a database with the functions of an application.

    Args:
        path: Its directory.
        modules: The functions.
        open_with: A function ``open(path, **options)`` of the application, which gives them to
            `hw.open` with what else it wants; None for `hw.open` itself.
        **options: Of `hw.open`.

    Raises:
        HeadwaterError: What `hw.open` raises, or there is no such function.
    """
    if open_with is None:
        return hw.open(path, modules=modules, **options)
    function = _find(open_with)
    try:
        database = function(path, modules=modules, **options)
    except (hw.HeadwaterError, OSError):
        raise
    except Exception as error:
        raise refusal(f"{_PARAMETER} {open_with}: {error_text(error)}") from error
    if not isinstance(database, hw.Database):
        raise refusal(
            f"{_PARAMETER} {open_with} has returned {database!r}; expected what hw.open() gives"
        )
    return database


def _find(text: str) -> Any:
    name, colon, attribute = text.partition(":")
    if not (colon and name and attribute):
        raise refusal(
            f"{_PARAMETER} {text}: expected a module and a function, such as app.settings:open_it"
        )
    found = getattr(import_module_of(name), attribute, None)
    if not inspect.isfunction(found):
        raise refusal(f"{_PARAMETER} {text}: {name} has no function {attribute!r}")
    return found
