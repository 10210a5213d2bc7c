"""Tables with their types and indexes: as they are stored, and what of it modules declare."""

from typing import Any, NamedTuple

from headwater.cli.output import say, say_json
from headwater.functions.modules import Application
from headwater.schema.difference import accepts_all
from headwater.schema.json_form import from_json, to_json
from headwater.schema.validators import ObjectValidator, describe
from headwater.tables.catalog import Catalog


class IndexFacts(NamedTuple):
    """An index of a table."""

    name: str
    fields: tuple[str, ...]
    unique: bool
    state: str


class TableFacts(NamedTuple):
    """A table. ``schema`` is the JSON form of its type, None if it has none."""

    name: str
    number: int
    schema: Any
    indexes: tuple[IndexFacts, ...]


class Difference(NamedTuple):
    """What opening a database with some modules would change.

    Attributes:
        table: Name of the table.
        what: In words.
    """

    table: str
    what: str


def table_facts(catalog: Catalog) -> list[TableFacts]:
    """The tables of the application, by name."""
    return [
        TableFacts(
            table.name,
            table.number,
            table.schema,
            tuple(
                IndexFacts(
                    index.name, index.definition.fields, index.definition.unique, index.state
                )
                for index in table.indexes
                if index.is_declared
            ),
        )
        for table in catalog.user_tables()
    ]


def say_tables(tables: list[TableFacts], *, as_json: bool) -> None:
    """Print tables."""
    for table in tables:
        if as_json:
            say_json(table._asdict())
            continue
        say(table.name)
        for line in _fields(table.schema):
            say(f"    {line}")
        for index in table.indexes:
            notes = "".join([" unique" if index.unique else "", _unless_ready(index)])
            say(f"    index {index.name} ({', '.join(index.fields)}){notes}")
    if not tables and not as_json:
        say("there are no tables")


def _fields(schema: Any) -> list[str]:
    if schema is None:
        return ["any document"]
    validator = from_json(schema)
    if not isinstance(validator, ObjectValidator):
        return [describe(validator)]
    return [
        f"{name}{'?' if field.is_optional else ''}: {describe(field.validator)}"
        for name, field in validator.fields.items()
    ]


def _unless_ready(index: IndexFacts) -> str:
    return "" if index.state == "ready" else f" ({index.state})"


def differences(stored: list[TableFacts], declared: Application) -> list[Difference]:
    """What opening a database with an application would change."""
    by_name = {table.name: table for table in stored}
    found: list[Difference] = []
    for name, validator in sorted(declared.documents.items()):
        if declared.tables[name].table_number is not None:
            continue  # a table of a service
        if name not in by_name:
            found.append(Difference(name, "is new"))
            continue
        found += _type_difference(by_name[name], validator)
        found += _index_differences(by_name[name], declared)
    return found


def _type_difference(stored: TableFacts, validator: ObjectValidator) -> list[Difference]:
    if stored.schema == to_json(validator):
        return []
    if stored.schema is not None and accepts_all(validator, from_json(stored.schema)):
        return [Difference(stored.name, "has another type, which fits all documents")]
    return [Difference(stored.name, "has another type: its documents have to be checked")]


def _index_differences(stored: TableFacts, declared: Application) -> list[Difference]:
    now = {index.name: (index.fields, index.unique) for index in stored.indexes}
    table = declared.tables[stored.name]
    wanted = {
        index.definition.name: (index.definition.fields, index.definition.unique)
        for index in table.indexes.values()
    }
    return [
        *(Difference(stored.name, f"index {one} is new") for one in wanted if one not in now),
        *(Difference(stored.name, f"index {one} is dropped") for one in now if one not in wanted),
        *(
            Difference(stored.name, f"index {one} is made anew")
            for one, definition in wanted.items()
            if one in now and now[one] != definition
        ),
    ]


def say_differences(found: list[Difference], *, as_json: bool) -> None:
    """Print differences."""
    for difference in found:
        if as_json:
            say_json(difference._asdict())
        else:
            say(f"{difference.table} {difference.what}")
    if not found and not as_json:
        say("nothing differs")
