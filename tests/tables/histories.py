"""Random histories: what callers do to a store, beside a model of dicts that does the same."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from tests.strategies import long_texts, scalars

from headwater.limits import Limits
from headwater.storage.commit_log import Origin
from headwater.storage.environment import Environment
from headwater.storage.format import Database
from headwater.transactions.deployment import DeclaredTable, deploy
from headwater.transactions.index_building import build_indexes
from headwater.transactions.store import Store
from headwater.transactions.writer import Writer
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.values import MISSING

T = TypeVar("T")

SMALL_STEPS = Limits(backfill_documents=3)

INDEXES = [
    IndexDefinition("by_a", ("a",)),
    IndexDefinition("by_b_a", ("b", "a")),
    IndexDefinition("by_c", ("c.d",)),
]
TABLES = [DeclaredTable("notes", None, INDEXES), DeclaredTable("tasks", None, INDEXES[:1])]


class HandClock:
    """Time that stands still unless it is moved; seeds count up."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000_000_000_000
        self.seconds = 0.0
        self.seeds = 0

    def now_ns(self) -> int:
        return self.ns

    def monotonic(self) -> float:
        return self.seconds

    def seed(self) -> int:
        self.seeds += 1
        return self.seeds


def open_store(path: Path | None = None, *, limits: Limits = SMALL_STEPS) -> Store:
    clock = HandClock()
    environment = Environment.open(path, durability="none", clock=clock)
    return Store(environment, limits=limits, clock=clock)


def transact(store: Store, function: Callable[[Writer], T], name: str = "test") -> T:
    with closing(store.snapshot()) as snapshot:
        transaction = store.begin(snapshot)
        result = function(store.writer(transaction))
        store.commit(transaction, Origin(function=name))
        return result


def contents(environment: Environment, *databases: Database) -> dict[Database, list[Any]]:
    """Every key and value."""
    with environment.read() as reader:
        return {
            database: list(reader.scan(database, b"", None)) for database in databases or Database
        }


# Histories --------------------------------------------------------------------------------------


class Act(NamedTuple):
    """One write: ``which`` picks a document among those that there are."""

    verb: str
    table: str
    which: int
    fields: dict[str, Any]


def field_values() -> st.SearchStrategy[Any]:
    """Few values, all values, and values too long for a key."""
    return st.integers(0, 2) | scalars() | long_texts()


def documents() -> st.SearchStrategy[dict[str, Any]]:
    nested = st.dictionaries(st.sampled_from(["d", "e"]), field_values(), max_size=2)
    return st.fixed_dictionaries(
        {}, optional={"a": field_values(), "b": field_values(), "c": nested | field_values()}
    )


def acts() -> st.SearchStrategy[Act]:
    verbs = st.sampled_from(["insert", "insert", "insert", "patch", "replace", "delete"])
    tables = st.sampled_from(["notes", "notes", "tasks"])
    return st.builds(Act, verbs, tables, st.integers(0, 50), documents())


def histories(max_size: int = 12) -> st.SearchStrategy[list[list[Act]]]:
    """Transactions, each a list of writes."""
    return st.lists(st.lists(acts(), min_size=1, max_size=4), max_size=max_size)


class Model:
    """The documents as dicts, and every version that they ever had.

    Attributes:
        documents: Fields by table and id.
        versions: What each committed transaction left of the documents that it wrote.
    """

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, dict[str, Any]]] = {"notes": {}, "tasks": {}}
        self.versions: dict[str, list[dict[str, Any] | None]] = {}

    def play(self, store: Store, history: list[list[Act]]) -> "Model":
        for transaction in history:
            self.commit(store, transaction)
        return self

    def commit(self, store: Store, transaction: list[Act]) -> None:
        def run(writer: Writer) -> set[str]:
            return {id_text for act in transaction for id_text in self._act(writer, act)}

        for id_text in transact(store, run):
            newest = next((t[id_text] for t in self.documents.values() if id_text in t), None)
            versions = self.versions.setdefault(id_text, [])
            before = versions[-1] if versions else None
            if repr(newest) != repr(before):
                versions.append(None if newest is None else dict(newest))

    def _act(self, writer: Writer, act: Act) -> list[str]:
        table = self.documents[act.table]
        if act.verb == "insert" or not table:
            id_text = str(writer.insert(act.table, act.fields))
            table[id_text] = dict(act.fields)
            return [id_text]
        id_text = sorted(table)[act.which % len(table)]
        target: Any = id_text
        if act.verb == "delete":
            writer.delete(target)
            del table[id_text]
        elif act.verb == "replace":
            writer.replace(target, act.fields)
            table[id_text] = dict(act.fields)
        else:
            self._patch(writer, target, table[id_text], act)
        return [id_text]

    @staticmethod
    def _patch(writer: Writer, target: Any, fields: dict[str, Any], act: Act) -> None:
        changes = {**act.fields, "b": MISSING} if act.which % 2 else act.fields
        writer.patch(target, changes)
        for name, value in changes.items():
            if value is MISSING:
                fields.pop(name, None)
            else:
                fields[name] = value


def store_after(history: list[list[Act]], path: Path | None = None) -> tuple[Store, Model]:
    """A store with the tables and indexes above, and what the history makes of it."""
    store = open_store(path)
    deploy(store, TABLES)
    return store, Model().play(store, history)


def deploy_and_build(store: Store, *tables: DeclaredTable) -> None:
    deploy(store, tables)
    build_indexes(store)
