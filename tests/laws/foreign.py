"""Tables with foreign ids, and documents that bring ids and creation times along."""

from hashlib import blake2b
from typing import Any

import headwater as hw
from headwater.storage.codec import pack
from headwater.storage.commit_log import Origin
from headwater.tables.catalog import TableInfo
from headwater.transactions import revival
from headwater.transactions.commit_request import CommitRequest
from headwater.transactions.index_building import clear_dropped
from headwater.transactions.system_tables import set_foreign_ids
from headwater.transactions.transaction import Transaction
from headwater_indexes.ids import encode_id


def make_foreign(db: hw.Database, table: str) -> None:
    """Let a table take foreign ids, and clear what its old indexes leave behind."""

    def run(transaction: Transaction) -> TableInfo:
        return set_foreign_ids(transaction, transaction.tables[table])

    request = CommitRequest(Origin(function="_import"), run=run)
    db._store.committer.submit(request)
    request.wait()
    clear_dropped(db._store)


def foreign_id(db: hw.Database, table: str, number: int) -> str:
    """An id that says nothing about when its document was created."""
    internal = blake2b(str(number).encode(), digest_size=16).digest()
    return encode_id(db._store.catalog.by_name[table].number, internal)


def adopt(
    tx: hw.Writer, table: str, id_text: str, creation_time: float, fields: dict[str, Any]
) -> None:
    """Insert a document as an importer does."""
    transaction = tx._transaction
    info = transaction.tables[table]
    revival.adopt(transaction, info, id_text, creation_time, fields, pack(fields))
