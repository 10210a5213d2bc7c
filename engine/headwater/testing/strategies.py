"""Hypothesis strategies made from a schema: documents, ids, and arguments of functions.

What they draw is deterministic for Hypothesis' own seed, and shrinks to small examples.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast, overload

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater.database import Database
from headwater.errors import UsageError
from headwater.functions.arguments import read_contract
from headwater.functions.declaration import Function
from headwater.schema.annotations import declared_table_name, document_validator
from headwater.schema.explain import name_problem
from headwater.schema.json_form import from_json
from headwater.schema.tables import AnyDocument, Id, Table, is_document_type, is_table
from headwater.schema.validators import ObjectValidator, describe
from headwater.testing import edges
from headwater.testing.fitting import Chosen, objects
from headwater.testing.misfitting import refused_by, with_member, wrong_objects
from headwater.testing.world import World, absent_ids, known_ids, world_of

E = TypeVar("E", bound=AnyDocument)

_OPEN = ObjectValidator({}, is_closed=False)


def values() -> SearchStrategy[Any]:
    """Everything that a field can hold: all kinds, with a liking for the edges of each."""
    return edges.any_values()


# Ids --------------------------------------------------------------------------------------------


@overload
def ids(table: type[Table[E]], db: Database) -> SearchStrategy[Id[E]]: ...
@overload
def ids(table: str, db: Database) -> SearchStrategy[Id[Any]]: ...
def ids(table: Any, db: Database) -> Any:
    """Ids of documents that are in the table when one is drawn: the oldest and the newest 64.

    Raises:
        UsageError: On drawing: there is none.
    """
    return _ids_or_words(_name_of(table), db)


@st.composite
def _ids_or_words(draw: st.DrawFn, table: str, db: Database) -> str:
    known = known_ids(table, db)
    if not known:
        raise UsageError(
            f"ids({table!r}): there is no document in the table when one is asked for; insert some "
            "first, or draw ids_of_nobody()"
        )
    return draw(st.sampled_from(known))


@overload
def ids_of_nobody(table: type[Table[E]], db: Database) -> SearchStrategy[Id[E]]: ...
@overload
def ids_of_nobody(table: str, db: Database) -> SearchStrategy[Id[Any]]: ...
def ids_of_nobody(table: Any, db: Database) -> Any:
    """Right ids of the table that no document has when one is drawn.

    Raises:
        UsageError: On drawing: the database has no such table.
    """
    return absent_ids(_name_of(table), db)


def _name_of(table: Any) -> str:
    return table if isinstance(table, str) else table.table_name


# Documents --------------------------------------------------------------------------------------


@overload
def documents(
    table: type[Table[E]],
    db: Database | None = None,
    *,
    using: Chosen | None = None,
    dangling_ids: bool = True,
) -> SearchStrategy[E]: ...
@overload
def documents(
    table: type[E],
    db: Database | None = None,
    *,
    using: Chosen | None = None,
    dangling_ids: bool = True,
) -> SearchStrategy[E]: ...
@overload
def documents(
    table: str | ObjectValidator,
    db: Database | None = None,
    *,
    using: Chosen | None = None,
    dangling_ids: bool = True,
) -> SearchStrategy[dict[str, Any]]: ...
def documents(
    table: Any,
    db: Database | None = None,
    *,
    using: Chosen | None = None,
    dangling_ids: bool = True,
) -> Any:
    """Documents that the table takes, as given to ``insert``: without ``_id`` and creation time.

    Args:
        table: A table by class, or by name with ``db``; a document type; a validator of objects.
        db: Whose ids and stored types are used; needed where a document holds ids.
        using: Strategies for some fields, where those of the validators draw too widely.
        dangling_ids: Whether ids may be, one in eight, of documents that do not exist. Without,
            an example is given up where there is none.

    Raises:
        UsageError: It holds ids and no database is given, or nothing can fit. On drawing: a
            predicate has accepted none of the values.
    """
    where = f"documents({_shown(table)})"
    world = world_of(db, where=where, dangling_ids=dangling_ids)
    return _objects(_document_type(table, db, where), world, using, where)


def invalid_documents(
    table: type[Table[Any]] | type[AnyDocument] | str | ObjectValidator,
    db: Database | None = None,
    *,
    using: Chosen | None = None,
) -> SearchStrategy[dict[str, Any]]:
    """Documents that ``insert`` refuses: one field is wrong, or missing, or unknown.

    Args:
        table: As in `documents`.
        db: As in `documents`.
        using: Strategies for the right values of some fields.

    Raises:
        UsageError: As in `documents`.
    """
    where = f"invalid_documents({_shown(table)})"
    world = world_of(db, where=where)
    return _wrong_objects(_document_type(table, db, where), world, using, where)


def _document_type(table: Any, db: Database | None, where: str) -> ObjectValidator:
    if isinstance(table, ObjectValidator):
        return table
    if isinstance(table, str):
        return _type_by_name(table, db, where)
    document_type = table.document_type if is_table(table) else table
    if not is_document_type(document_type):
        raise UsageError(
            f"{where}: expected a table, a document type or a validator of objects, got {table!r}"
        )
    if is_table(table) and db is not None and db.application.tables.get(table.table_name) is table:
        return db.application.documents[table.table_name]
    return document_validator(document_type, where=where)


def _type_by_name(name: str, db: Database | None, where: str) -> ObjectValidator:
    if db is None:
        raise UsageError(f"{where}: a table is known by its name to a database only; give db=")
    declared = db.application.documents.get(name)
    if declared is not None:
        return declared
    with db.snapshot() as snapshot:
        rows = [row for row in snapshot.query("_tables").collect() if row["name"] == name]
    schema = rows[0]["schema"] if rows else None
    return _OPEN if schema is None else cast("ObjectValidator", from_json(schema))


# Arguments --------------------------------------------------------------------------------------


def arguments(
    function: Function[..., Any],
    db: Database | None = None,
    *,
    using: Chosen | None = None,
    dangling_ids: bool = True,
) -> SearchStrategy[dict[str, Any]]:
    """Arguments by name that a query or mutation takes; those with a default come and go.

    Args:
        function: Declared with ``@hw.query`` or ``@hw.mutation``.
        db: Whose ids are used; needed where an argument holds ids.
        using: Strategies for some arguments.
        dangling_ids: As in `documents`.

    Raises:
        UsageError: As in `documents`.
    """
    where = f"arguments({function.name})"
    world = world_of(db, where=where, dangling_ids=dangling_ids, outer_levels=1)
    return _objects(_arguments_type(function, db), world, using, where)


def invalid_arguments(
    function: Function[..., Any],
    db: Database | None = None,
    *,
    using: Chosen | None = None,
) -> SearchStrategy[dict[str, Any]]:
    """Arguments that the function refuses: one is wrong, or missing, or unknown.

    Args:
        function: Declared with ``@hw.query`` or ``@hw.mutation``.
        db: As in `arguments`.
        using: Strategies for the right values of some arguments.

    Raises:
        UsageError: As in `documents`.
    """
    where = f"invalid_arguments({function.name})"
    return _wrong_objects(
        _arguments_type(function, db), world_of(db, where=where, outer_levels=1), using, where
    )


def _arguments_type(function: Function[..., Any], db: Database | None) -> ObjectValidator:
    path = None if db is None else db.application.path_of(function)
    if db is None or path is None:
        return read_contract(function, function.path, declared_table_name).arguments
    return db.application.contracts[path].arguments


class _Source:
    """A strategy that messages show as it was asked for; its parts would fill pages.

    No dataclass: Hypothesis shows the fields of those, whatever their repr.
    """

    def __init__(self, said: str, strategy: SearchStrategy[dict[str, Any]]) -> None:
        self.said = said
        self.strategy = strategy

    def __repr__(self) -> str:
        return self.said


@st.composite
def drawn(draw: st.DrawFn, source: _Source) -> dict[str, Any]:
    """What a strategy draws."""
    return draw(source.strategy)


# Both -------------------------------------------------------------------------------------------


def _objects(
    validator: ObjectValidator, world: World, using: Chosen | None, where: str
) -> SearchStrategy[dict[str, Any]]:
    _check_names(validator, using, where)
    found = objects(validator, world, using)
    if found.is_empty:
        raise UsageError(f"{where}: nothing fits {_unfit(validator, world)}; mend its type")
    return drawn(_Source(where, found))


def _wrong_objects(
    validator: ObjectValidator, world: World, using: Chosen | None, where: str
) -> SearchStrategy[dict[str, Any]]:
    _objects(validator, world, using, where)
    found = wrong_objects(validator, world, using).filter(refused_by(validator, world))
    if not validator.is_closed:
        found |= _reserved(validator, world, using)
    return drawn(_Source(where, found))


def _reserved(
    validator: ObjectValidator, world: World, using: Chosen | None
) -> SearchStrategy[dict[str, Any]]:
    """With a field whose name, or value, no document can have."""
    wrong = st.sampled_from([("_hidden", 1), ("", 1), ("$a", 1), ("a", (1, 2)), ("a", {"$b": 1})])
    return st.builds(with_member, objects(validator, world, using), wrong)


def _check_names(validator: ObjectValidator, using: Mapping[str, Any] | None, where: str) -> None:
    if using and validator.is_closed:
        known = validator.fields
        problem = name_problem(using.keys(), known=known, required=(), noun="field")
        if problem:
            raise UsageError(f"{where}: using=: {problem}")


def _unfit(validator: ObjectValidator, world: World) -> str:
    for name, field in validator.fields.items():
        alone = ObjectValidator({name: field})
        if objects(alone, world).is_empty:
            return f"{name!r}, {describe(field.validator)}"
    return describe(validator)


def _shown(table: Any) -> str:
    return repr(table) if isinstance(table, str | ObjectValidator) else table.__name__
