"""Calling a function of an application: ``headwater run``."""

import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

import headwater as hw
from headwater.cli.application import (
    FAILED,
    RUNNING,
    Create,
    Moment,
    application,
    check_exists,
)
from headwater.cli.load_errors import error_text
from headwater.cli.opening import OpenWith, open_database
from headwater.cli.output import refusal, say, say_error
from headwater.cli.sources import DatabaseOption, Modules, default_database, find_source
from headwater.exchange.json_values import NotReadableError, read_value, write_value

_FROM_STDIN: Final = "-"
_INDENT: Final = 2
_CLAIMS_APART: Final = ("subject", "issuer")


@application.command(rich_help_panel=RUNNING)
def run(
    modules: Modules,
    function: Annotated[str, typer.Argument(help="Its path, such as chat:send.")],
    arguments: Annotated[
        str, typer.Argument(help="Its arguments by name, as a JSON object; - reads them.")
    ] = "{}",
    database: DatabaseOption = None,
    open_with: OpenWith = None,
    identity: Annotated[
        str | None,
        typer.Option(help='Who calls: a subject, or JSON: {"subject": ..., "issuer": ..., ...}.'),
    ] = None,
    at: Moment = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with each new result.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="With --watch: results to show.")] = None,
    create: Create = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Call a function, internal ones too, and print what it returns as JSON.

    Arguments and results are JSON that keeps every type: 1 is an int, 1.0 a float.
    """
    given = _read_arguments(arguments)
    caller = None if identity is None else _read_identity(identity)
    if watch and at is not None:
        raise typer.BadParameter("--watch shows what comes, --at the past: expected one of them")
    with _application(modules, database, open_with, create=create) as db, hw.acting_as(caller):
        results = _results(db, function, given, at=at, watch=watch)
        for result in islice(results, limit):
            say(write_value(result, "exact", indent=None if as_json else _INDENT))
            sys.stdout.flush()


@contextmanager
def _application(
    modules: str, database: Path | None, open_with: str | None, *, create: bool
) -> Generator[hw.Database]:
    """The database with the functions of an application; scheduled ones do not run here."""
    source = find_source(modules)
    path = database or default_database(source)
    check_exists(path, create=create)
    loaded = source.load()
    with open_database(path, loaded, open_with, build="later", jobs="hold") as db:
        stop = db.calls.listen(_say_lines)
        try:
            yield db
        finally:
            stop()


def _results(
    db: hw.Database, path: str, arguments: dict[str, Any], *, at: int | None, watch: bool
) -> Iterator[Any]:
    function: Any = db.application.function(path)
    if watch and function.kind != "query":
        raise refusal(f"{path} is a {function.kind}: only a query can be watched")
    if at is not None and function.kind != "query":
        raise refusal(f"{path} is a {function.kind}: only a query can look into the past")
    by_name = db.runner.find(function).bind_wire(arguments)
    with _explained(), ExitStack() as stack:
        if watch:
            yield from stack.enter_context(db.watch(function, **by_name))
            return
        verbs = {"query": db.query, "mutation": db.mutate, "action": db.act}
        verb: Any = verbs[function.kind]
        yield verb(function, **by_name) if at is None else verb(function, **by_name, at=at)


@contextmanager
def _explained() -> Generator[None]:
    """What the application's function raised, without a bare stack trace."""
    try:
        yield
    except hw.ApplicationError as error:
        data = write_value(error.data, "exact")
        say_error(f"the application refused: {data}")
        raise typer.Exit(FAILED) from None
    except (hw.HeadwaterError, OSError) as error:
        raise refusal(str(error)) from None
    except Exception as error:  # noqa: BLE001 - the application's, whatever it is
        say_error(error_text(error))
        raise typer.Exit(FAILED) from None


def _say_lines(record: hw.CallRecord) -> None:
    for line in record.lines:
        sys.stderr.write(f"[{line.level}] {line.message}\n")


def _read_arguments(text: str) -> dict[str, Any]:
    try:
        given = read_value(sys.stdin.read() if text == _FROM_STDIN else text)
    except NotReadableError as error:
        raise typer.BadParameter(f"arguments: {error}") from None
    if not isinstance(given, dict):
        raise typer.BadParameter(
            f"arguments: expected a JSON object such as '{{\"name\": 1}}', got {text}"
        )
    return cast("dict[str, Any]", given)


def _read_identity(text: str) -> hw.Identity:
    try:
        if not text.lstrip().startswith("{"):
            return hw.Identity(text)
        facts = cast("dict[str, Any]", read_value(text))
        claims = {name: fact for name, fact in facts.items() if name not in _CLAIMS_APART}
        return hw.Identity(facts["subject"], facts.get("issuer", "local"), claims)
    except KeyError:
        raise typer.BadParameter('identity: expected "subject" in it') from None
    except (NotReadableError, hw.ArgumentError) as error:
        raise typer.BadParameter(f"identity: {error}") from None
