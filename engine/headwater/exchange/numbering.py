"""Which number each table gets by an import: ids contain it, and ids are kept."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from headwater.errors import ImportRefusedError
from headwater.exchange.checking import number_in
from headwater.exchange.file_entries import FILES_NUMBER, FILES_TABLE
from headwater.exchange.reading import Source, TableFile
from headwater.tables.catalog import (
    SERVICE_TABLES_FROM,
    USER_TABLES_FROM,
    Catalog,
    TableInfo,
)

T = TypeVar("T")


class Numbering(NamedTuple):
    """The numbers of the tables once everything is imported.

    Attributes:
        by_name: Of every table, those that are to be made included.
        moved: Of the tables that have another number now.
    """

    by_name: dict[str, int]
    moved: dict[str, int]


def numbers_in(source: Source) -> dict[str, int]:
    """The number that each table has in the ids of its documents, as far as it has any.

    Raises:
        ImportRefusedError: An id is malformed.
    """
    found: dict[str, int] = {}
    for name, file in source.tables.items():
        number = source.numbers.get(name)
        if number is None:
            number = _number_in_first(file)
        if number is not None:
            found[name] = number
    return found


def _number_in_first(file: TableFile) -> int | None:
    for line in file.lines():
        id = line.document.get("_id")
        if isinstance(id, str):
            return number_in(id, file, line.number)
    return None


def plan_numbers(
    catalog: Catalog,
    source: Source,
    wanted: Mapping[str, int],
    becomes_empty: Callable[[TableInfo], bool],
) -> Numbering:
    """Give each imported table the number that its ids have, and move empty ones out of the way.

    Args:
        catalog: The tables of now.
        source: For messages, and the names of its tables.
        wanted: Numbers by name, from `numbers_in`.
        becomes_empty: Whether a table has no document whose id would have to be kept.

    Raises:
        ImportRefusedError: A number is taken by a table that is not empty.
    """
    by_name = {table.name: table.number for table in catalog.user_tables()}
    asked_for_files, wanted = wanted.get(FILES_TABLE), _without_files(wanted)
    taken = {number: name for name, number in wanted.items()}
    for table in catalog.user_tables():
        asked = wanted.get(table.name)
        is_in_the_way = asked is None and table.number in taken
        if asked == table.number or (asked is None and not is_in_the_way):
            continue
        if not becomes_empty(table):
            raise _refused(source, table, taken.get(table.number), asked)
        if asked is None:
            del by_name[table.name]
    by_name |= wanted
    fresh = max([USER_TABLES_FROM - 1, *by_name.values(), *catalog.by_number]) + 1
    names = [*(table.name for table in catalog.user_tables()), *_without_files(source.tables)]
    for name in names:
        if name not in by_name:
            by_name[name] = fresh
            fresh += 1
    by_name |= {table.name: table.number for table in catalog if table.is_service}
    by_name[FILES_TABLE] = _number_of_files(catalog, source, asked_for_files, becomes_empty)
    moved = {
        table.name: by_name[table.name]
        for table in catalog
        if by_name.get(table.name, table.number) != table.number
    }
    return Numbering(by_name, moved)


def _without_files(tables: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in tables.items() if name != FILES_TABLE}


def _number_of_files(
    catalog: Catalog,
    source: Source,
    asked: int | None,
    becomes_empty: Callable[[TableInfo], bool],
) -> int:
    """The number of the table of stored files: with Convex it is another one than here."""
    table = catalog.by_name.get(FILES_TABLE)
    number = FILES_NUMBER if table is None else table.number
    if asked is None or asked == number:
        return number
    is_free = asked < SERVICE_TABLES_FROM or asked == FILES_NUMBER
    if asked in catalog.by_number or not is_free:
        raise ImportRefusedError(
            f"{source.name}: ids of stored files in it are of table number {asked}, which is "
            f"{catalog.name_of(asked)!r} here. Nothing was imported; import the documents alone "
            "with files=False",
            file=source.name,
        )
    if table is not None and not becomes_empty(table):
        raise _refused(source, table, None, asked)
    return asked


def _refused(
    source: Source, table: TableInfo, other: str | None, asked: int | None
) -> ImportRefusedError:
    if asked is None:
        problem = (
            f"ids of {other!r} in it are of table number {table.number}, which is {table.name!r} "
            "here, and has documents"
        )
    else:
        problem = (
            f"ids of {table.name!r} in it are of table number {asked}, here the table has number "
            f"{table.number} and documents"
        )
    return ImportRefusedError(
        f"{source.name}: {problem}, so ids cannot be kept. Nothing was imported; import into a new "
        "database, or empty that table first",
        file=source.name,
    )
