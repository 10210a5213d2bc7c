"""SQLite as a document store: a JSON text per document, indexes on expressions."""

from typing import ClassVar

from bench.adapters.contract import Key
from bench.adapters.sqlite import Row, Sqlite
from bench.documents import Fields


class SqliteJson(Sqlite):
    """A table of ids and texts."""

    name = "sqlite-json"
    title = "sqlite3, JSON documents, expression indexes, one connection per thread"

    schema: ClassVar[tuple[str, ...]] = (
        "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS by_channel ON posts (json_extract(body, '$.channel'))",
        "CREATE INDEX IF NOT EXISTS by_author ON posts (json_extract(body, '$.author'))",
    )
    insert_sql = "INSERT INTO posts (body) VALUES (?)"
    select_sql = "SELECT id, body FROM posts"
    bump_sql = (
        "UPDATE posts SET body = json_set(body, '$.score', json_extract(body, '$.score') + 1)"
    )
    channel_sql = "json_extract(body, '$.channel')"
    author_sql = "json_extract(body, '$.author')"

    def row_of(self, fields: Fields) -> Row:
        return (self.encode(fields),)

    def document_of(self, row: Row) -> Fields:
        document: Fields = self.decode(row[1])
        document["_id"] = row[0]
        return document

    def patch(self, key: Key, changes: Fields) -> None:
        self.connection.execute(
            "UPDATE posts SET body = json_patch(body, ?) WHERE id = ?", (self.encode(changes), key)
        )
