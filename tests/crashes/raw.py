"""The bytes below the API."""

from headwater.storage.format import Database

PROJECTIONS = (Database.DOCUMENTS, Database.DELETED, Database.INDEXES)


def dump(db) -> dict[str, list[tuple[bytes, bytes]]]:
    """Everything that a rebuild makes anew."""
    with db._store.environment.read() as reader:
        return {database.name: list(reader.scan(database, b"", None)) for database in PROJECTIONS}


def check_sound(db) -> None:
    """Verification finds nothing, and a rebuild changes nothing."""
    assert db.verify() == []
    before = dump(db)
    db.rebuild()
    assert dump(db) == before
    assert db.verify() == []
