"""Documents and tables to look at: ``headwater data`` and ``headwater schema``."""

from itertools import islice
from typing import Annotated, Any, Final, Literal

import typer

import headwater as hw
from headwater.cli.application import (
    FAILED,
    LOOKING,
    AsJson,
    DatabasePath,
    Moment,
    application,
    opened,
)
from headwater.cli.conditions import parse_condition
from headwater.cli.output import refusal, say, say_json, say_rows
from headwater.cli.schemas import differences, say_differences, say_tables, table_facts
from headwater.cli.sources import find_source
from headwater.exchange.conditions import Condition, narrowed
from headwater.exchange.json_values import write_value
from headwater.functions.modules import collect
from headwater.schema.explain import nearest
from headwater.tables.catalog import TableInfo

_LIMIT: Final = 100
_SYSTEM_FIELDS: Final = ("_id", "_creationTime")


@application.command(rich_help_panel=LOOKING)
def data(
    path: DatabasePath,
    table: Annotated[str | None, typer.Argument(help="Its documents; without, all tables.")] = None,
    where: Annotated[
        list[Condition] | None,
        typer.Option(
            "--where",
            "-w",
            parser=parse_condition,
            metavar="CONDITION",
            help="Such as author=Ada, size>=10 or note=missing; may be repeated.",
        ),
    ] = None,
    index: Annotated[str | None, typer.Option(help="In the order of this index.")] = None,
    order: Annotated[
        Literal["asc", "desc"], typer.Option(help="desc: the last ones first.")
    ] = "asc",
    limit: Annotated[int, typer.Option(min=1, help="How many documents at most.")] = _LIMIT,
    at: Moment = None,
    as_json: AsJson = False,
) -> None:
    """List the tables, or the documents of one of them, in order of creation."""
    with opened(path) as db:
        if table is None:
            _say_counts(db, at, as_json=as_json)
            return
        info = _table(db, table)
        with db.snapshot(at=at) as snapshot:
            query = narrowed(snapshot.query(table), info, index, where or []).order(order)
            matching = (
                document
                for document in query
                if all(condition.holds(document) for condition in where or ())
            )
            found = list(islice(matching, limit + 1))
    _say_documents(found[:limit], as_json=as_json)
    if len(found) > limit and not as_json:
        say(f"... and more: --limit shows other than the first {limit}")


def _table(db: hw.Database, name: str) -> TableInfo:
    """A table by name.

    Raises:
        HeadwaterError: There is none; the nearest is named.
    """
    by_name = db.runner.store.catalog.by_name
    if name in by_name:
        return by_name[name]
    close = nearest(name, by_name)
    meant = f"; did you mean {close!r}?" if close else "; headwater data DB lists the tables"
    raise refusal(f"there is no table {name!r}{meant}")


def _say_counts(db: hw.Database, at: int | None, *, as_json: bool) -> None:
    """Every table that has documents of the application or of a service, and how many."""
    names = sorted(
        (table.name for table in db.runner.store.catalog if _is_shown(table)),
        key=lambda name: (name.startswith("_"), name),
    )
    with db.snapshot(at=at) as snapshot:
        counts = {name: snapshot.query(name).count() for name in names}
    if as_json:
        for name, count in counts.items():
            say_json({"table": name, "documents": count})
        return
    for name, count in counts.items():
        say(f"{count:>12,}  {name}")
    if not counts:
        say("there are no tables")


def _is_shown(table: TableInfo) -> bool:
    return table.is_service or not table.is_system


def _say_documents(documents: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        for document in documents:
            say_json(document)
        return
    names = dict.fromkeys(name for document in documents for name in document)
    columns = [*_SYSTEM_FIELDS[:1], *(name for name in names if name not in _SYSTEM_FIELDS)]
    say_rows(columns, [[_cell(document, name) for name in columns] for document in documents])


def _cell(document: dict[str, Any], name: str) -> str:
    if name not in document:
        return ""
    value = document[name]
    return value if isinstance(value, str) else write_value(value, "exact")


@application.command(rich_help_panel=LOOKING)
def schema(
    path: DatabasePath,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="MODULES", help="Show what differs from what these declare; 1 if anything does."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the tables with their types and indexes, as they are stored."""
    with opened(path) as db:
        facts = table_facts(db.runner.store.catalog)
    if against is None:
        say_tables(facts, as_json=as_json)
        return
    declared = collect(find_source(against).load())
    found = differences(facts, declared)
    say_differences(found, as_json=as_json)
    if found:
        raise typer.Exit(FAILED)
