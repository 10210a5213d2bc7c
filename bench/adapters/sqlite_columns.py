"""SQLite as a relational database: a column per field, written by hand."""

from typing import ClassVar

from bench.adapters.contract import BESIDE, CROWDS, PROCESSES, Key
from bench.adapters.sqlite import Row, Sqlite
from bench.documents import Fields


class SqliteColumns(Sqlite):
    """What somebody writes who knows the fields beforehand; only the list of tags is JSON."""

    name = "sqlite-columns"
    title = "sqlite3, a column per field, one connection per thread"

    schema: ClassVar[tuple[str, ...]] = (
        """
        CREATE TABLE IF NOT EXISTS posts (
            id INTEGER PRIMARY KEY, channel TEXT NOT NULL, author TEXT NOT NULL,
            title TEXT NOT NULL, body TEXT NOT NULL, score INTEGER NOT NULL,
            rating REAL NOT NULL, is_read INTEGER NOT NULL, tags TEXT NOT NULL
        )
        """,
        "CREATE INDEX IF NOT EXISTS by_channel ON posts (channel)",
        "CREATE INDEX IF NOT EXISTS by_author ON posts (author)",
    )
    insert_sql = (
        "INSERT INTO posts (channel, author, title, body, score, rating, is_read, tags)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    select_sql = "SELECT id, channel, author, title, body, score, rating, is_read, tags FROM posts"
    bump_sql = "UPDATE posts SET score = score + 1"

    @classmethod
    def takes_part(cls, workload: str) -> bool:
        return workload not in CROWDS | PROCESSES | BESIDE

    def row_of(self, fields: Fields) -> Row:
        return (
            fields["channel"],
            fields["author"],
            fields["title"],
            fields["body"],
            fields["score"],
            fields["rating"],
            fields["is_read"],
            self.encode(fields["tags"]),
        )

    def document_of(self, row: Row) -> Fields:
        key, channel, author, title, body, score, rating, is_read, tags = row
        return {
            "channel": channel,
            "author": author,
            "title": title,
            "body": body,
            "score": score,
            "rating": rating,
            "is_read": bool(is_read),
            "tags": self.decode(tags),
            "_id": key,
        }

    def patch(self, key: Key, changes: Fields) -> None:
        columns = ", ".join(f"{name} = ?" for name in changes)
        statement = f"UPDATE posts SET {columns} WHERE id = ?"
        self.connection.execute(statement, (*changes.values(), key))
