"""Goal: documents take little more room than their bytes, where they come in order.

Method: batches of new and of changed documents in two tables; LMDB's own count of pages.
"""

from contextlib import closing

from tests.tables.histories import open_store, transact

from headwater.storage.format import Database
from headwater.tables.verify import verify
from headwater.transactions.deployment import DeclaredTable, deploy

BATCHES = 12
BATCH = 100


def test_pages_of_the_newest_table_are_full() -> None:
    with closing(open_store()) as store:
        deploy(store, [DeclaredTable("notes", None), DeclaredTable("tasks", None)])
        ids: list[str] = []

        def write(writer) -> None:
            ids.extend(writer.insert("tasks", {"a": "x" * 300}) for _ in range(BATCH))
            for id_text in ids[:3]:
                writer.patch(id_text, {"a": "y" * 300})
            writer.insert("notes", {"a": "z"})

        for _ in range(BATCHES):
            transact(store, write)
        with store.environment.read() as reader:
            entries = reader.scan(Database.DOCUMENTS, b"", None)
            stored = sum(len(key) + len(value) for key, value in entries)
            fill = stored / reader.page_bytes(Database.DOCUMENTS)
        with closing(store.snapshot()) as snapshot:
            assert verify(snapshot) == []
    assert fill > 0.9
