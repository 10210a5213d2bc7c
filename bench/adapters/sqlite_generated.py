"""SQLite as a document store whose indexes are on generated columns."""

from typing import ClassVar

from bench.adapters.contract import SELDOM
from bench.adapters.sqlite_json import SqliteJson


class SqliteGenerated(SqliteJson):
    """`SqliteJson` with virtual columns in place of indexes on expressions."""

    name = "sqlite-generated"
    title = "sqlite3, JSON documents, generated columns, one connection per thread"

    schema: ClassVar[tuple[str, ...]] = (
        """
        CREATE TABLE IF NOT EXISTS posts (
            id INTEGER PRIMARY KEY, body TEXT NOT NULL,
            channel TEXT AS (json_extract(body, '$.channel')) VIRTUAL,
            author TEXT AS (json_extract(body, '$.author')) VIRTUAL
        )
        """,
        "CREATE INDEX IF NOT EXISTS by_channel ON posts (channel)",
        "CREATE INDEX IF NOT EXISTS by_author ON posts (author)",
    )
    channel_sql = "channel"
    author_sql = "author"

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload not in SELDOM
