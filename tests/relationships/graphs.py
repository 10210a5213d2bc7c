"""Tables that refer to each other in every way, and what has to become of them, in words of dicts.

An owner has folders, folders lie in folders, files lie in folders; links lie in a file and hold the
one that they lead to; seals hold an owner, and hang on a file.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Annotated, Any, NotRequired

from tests.tables.histories import open_store

import headwater as hw
from headwater import Document, Id, Index, Table
from headwater.functions.modules import collect
from headwater.limits import Limits
from headwater.schema.compile import LateChecker
from headwater.schema.references import ReferenceDefinition
from headwater.services.service_tables import ServiceTables
from headwater.storage.commit_log import Origin
from headwater.tables.catalog import CASCADES
from headwater.transactions.cascades import advance
from headwater.transactions.declared_table import declared
from headwater.transactions.deployment import deploy
from headwater.transactions.store import Store


class Owner(Document["Owner"]):
    name: str
    manager: NotRequired[Annotated[Id["Owner"], hw.references(on_delete="set_missing")]]


class Owners(Table[Owner]):
    pass


class Folder(Document["Folder"]):
    owner: Annotated[Id[Owner], hw.references(on_delete="cascade")]
    parent: NotRequired[Annotated[Id["Folder"] | None, hw.references(on_delete="cascade")]]


class Folders(Table[Folder]):
    by_parent = Index("parent", "owner")


class File(Document["File"]):
    folder: Annotated[Id[Folder], hw.references(on_delete="cascade")]
    editor: NotRequired[Annotated[Id[Owner], hw.references(on_delete="set_missing")]]


class Files(Table[File]):
    by_folder = Index("folder")


class Link(Document["Link"]):
    source: Annotated[Id[File], hw.references(on_delete="cascade")]
    target: Annotated[Id[File], hw.references(on_delete="restrict")]


class Links(Table[Link]):
    pass


class Seal(Document["Seal"]):
    owner: Annotated[Id[Owner] | None, hw.references(on_delete="restrict")]
    file: NotRequired[Annotated[Id[File], hw.references(on_delete="cascade")]]


class Seals(Table[Seal]):
    pass


APPLICATION = collect([__name__])
TABLES = ("owners", "folders", "files", "links", "seals")
REFERENCES: Mapping[str, tuple[ReferenceDefinition, ...]] = APPLICATION.references
RESTRICTED = {"owners", "folders", "files"}
"""Tables from whose documents a cascade may reach something that is held."""

Documents = dict[str, dict[str, Any]]
"""Fields by id, with the table's name as ``_table``."""


def open_graph(cascade_documents: int = 1000) -> Store:
    """A store with the tables, and nobody who takes the steps of cascades."""
    store = open_store(limits=Limits(cascade_documents=cascade_documents, backfill_documents=3))
    cascades = ServiceTables(store.tables, nesting=64).find(CASCADES)
    assert cascades is not None
    tables = [cascades]
    for name, validator in APPLICATION.documents.items():
        check = LateChecker(validator, store.tables, nesting=64)
        schema = APPLICATION.schemas[name]
        tables.append(declared(APPLICATION.tables[name], schema, REFERENCES[name], check))
        store.rules.declare(name, schema, check.compiled)
    deploy(store, tables)
    return store


def read_all(store: Store) -> Documents:
    """Every document of the application."""
    found: Documents = {}
    with closing(store.snapshot()) as snapshot:
        for name in TABLES:
            bounds = snapshot.catalog.by_name[name].bounds
            for document in snapshot.decode(snapshot.records(*bounds, reverse=False)):
                fields = {key: value for key, value in document.items() if key[0] != "_"}
                found[document["_id"]] = {**fields, "_table": name}
    return found


def cascades_of(store: Store) -> list[dict[str, Any]]:
    """The cascades that are under way."""
    with closing(store.snapshot()) as snapshot:
        bounds = snapshot.catalog.by_name[CASCADES].bounds
        return list(snapshot.decode(snapshot.records(*bounds, reverse=False)))


def take_step(store: Store, cascade: str) -> None:
    """One step of a cascade."""
    with closing(store.snapshot()) as snapshot:
        transaction = store.begin(snapshot)
        advance(transaction, cascade)
        store.commit(transaction, Origin(function="_cascade"))


def take_all_steps(store: Store) -> int:
    """All that is left to do; returns how many steps that took."""
    steps = 0
    while underway := cascades_of(store):
        take_step(store, underway[0]["_id"])
        steps += 1
        assert steps < 10_000, "a cascade that does not end"
    return steps


# The model --------------------------------------------------------------------------------------


def named(fields: Mapping[str, Any], *on_delete: str) -> Iterator[tuple[str, str]]:
    """Fields of a document that refer to another one, and what they name."""
    for reference in REFERENCES[fields["_table"]]:
        target = fields.get(reference.field)
        if target is not None and (not on_delete or reference.on_delete in on_delete):
            yield reference.field, target


def closure(documents: Documents, roots: set[str]) -> set[str]:
    """What is deleted together with documents."""
    found = set(roots)
    while more := {
        id
        for id, fields in documents.items()
        if id not in found and any(target in found for _, target in named(fields, "cascade"))
    }:
        found |= more
    return found


def holders(documents: Documents, deleted: set[str]) -> set[str]:
    """Documents that stay and hold one that is deleted."""
    return {
        id
        for id, fields in documents.items()
        if id not in deleted and any(target in deleted for _, target in named(fields, "restrict"))
    }


def without(documents: Documents, deleted: set[str]) -> Documents:
    """The documents that are left, without the fields that named a deleted one."""
    left: Documents = {}
    for id, fields in documents.items():
        if id not in deleted:
            gone = {name for name, target in named(fields, "set_missing") if target in deleted}
            left[id] = {name: value for name, value in fields.items() if name not in gone}
    return left


def settled(documents: Documents) -> Documents:
    """What is left once every cascade has ended."""
    absent = {target for fields in documents.values() for _, target in named(fields)}
    gone = closure(documents, absent - documents.keys())
    return without(documents, gone)


def is_kept(documents: Documents, id: str) -> bool:
    """Whether a document is there, and nothing that it hangs on is gone."""
    return id in documents and id in settled_ids(documents)


def settled_ids(documents: Documents) -> set[str]:
    absent = {t for fields in documents.values() for _, t in named(fields, "cascade")}
    return documents.keys() - closure(documents, absent - documents.keys())
