"""The same SQLite engines with orjson, the fastest JSON library of Python.

In classes of their own, for what a row of a table means must not depend on what is installed.
"""

from collections.abc import Callable
from typing import Any

import orjson

from bench.adapters.contract import SELDOM
from bench.adapters.sqlite import Sqlite
from bench.adapters.sqlite_columns import SqliteColumns
from bench.adapters.sqlite_generated import SqliteGenerated
from bench.adapters.sqlite_json import SqliteJson


def _encode(value: object) -> str:
    return orjson.dumps(value).decode()  # as bytes SQLite would store a blob, which is no JSON


class _Orjson(Sqlite):
    def json_library(self) -> tuple[Callable[[object], str], Callable[[str], Any]]:
        return _encode, orjson.loads

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload not in SELDOM


class SqliteJsonOrjson(_Orjson, SqliteJson):
    """`SqliteJson` with another encoder and decoder."""

    name = "sqlite-json-orjson"
    title = "sqlite3, JSON documents by orjson, expression indexes"


class SqliteGeneratedOrjson(_Orjson, SqliteGenerated):
    """`SqliteGenerated` with another encoder and decoder."""

    name = "sqlite-generated-orjson"
    title = "sqlite3, JSON documents by orjson, generated columns"


class SqliteColumnsOrjson(_Orjson, SqliteColumns):
    """`SqliteColumns` with another encoder and decoder of its one list."""

    name = "sqlite-columns-orjson"
    title = "sqlite3, a column per field, orjson for the tags"
