"""SQLite as a document store: a JSON text per document, indexes on expressions."""

import json
from json import JSONEncoder
from typing import ClassVar

from bench.adapters.contract import Key
from bench.adapters.sqlite import Row, Sqlite
from bench.documents import Fields

_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_decode = json.JSONDecoder().decode


class SqliteJson(Sqlite):
    """``json.dumps`` and ``json.loads`` as in the standard library, with one encoder kept."""

    name = "sqlite-json"
    title = "sqlite3, JSON documents, expression indexes, one connection per thread"

    schema: ClassVar[tuple[str, ...]] = (
        "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, body TEXT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS by_channel ON posts (json_extract(body, '$.channel'))",
        "CREATE INDEX IF NOT EXISTS by_author ON posts (json_extract(body, '$.author'))",
    )
    insert_sql = "INSERT INTO posts (body) VALUES (?)"
    select_sql = "SELECT id, body FROM posts"

    def row_of(self, fields: Fields) -> Row:
        return (_encode(fields),)

    def document_of(self, row: Row) -> Fields:
        document: Fields = _decode(row[1])
        document["_id"] = row[0]
        return document

    def latest(self, channel: str, count: int) -> list[Fields]:
        return self.select(
            "WHERE json_extract(body, '$.channel') = ? ORDER BY id DESC LIMIT ?", (channel, count)
        )

    def by_author(self, author: str) -> list[Fields]:
        return self.select("WHERE json_extract(body, '$.author') = ? ORDER BY id", (author,))

    def patch(self, key: Key, changes: Fields) -> None:
        self.connection.execute(
            "UPDATE posts SET body = json_patch(body, ?) WHERE id = ?", (_encode(changes), key)
        )
