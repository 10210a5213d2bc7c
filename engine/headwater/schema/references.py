"""References: fields whose ids name documents that are there, and what happens when those go."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    TypeAlias,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from headwater.errors import DeclarationError
from headwater.schema.tables import table_of
from headwater.schema.validators import (
    Field,
    IdValidator,
    NullValidator,
    ObjectValidator,
    RefinedValidator,
    UnionValidator,
    Validator,
    describe,
)
from headwater_indexes.definition import NAME_LENGTH_MAX, IndexDefinition

OnDelete: TypeAlias = Literal["cascade", "restrict", "set_missing"]
"""What a reference wants when the document that it names is deleted."""

_ON_DELETE: Final = get_args(OnDelete)


class Reference(NamedTuple):
    """What `references` gives.

    Attributes:
        on_delete: What happens when the document that is named is deleted.
        target: The document type that was given, None if it was not.
    """

    on_delete: OnDelete
    target: type[Any] | None = None


class ReferenceDefinition(NamedTuple):
    """One reference of one table.

    Attributes:
        field: The field with the id.
        table: Name of the table whose documents it names.
        on_delete: What happens when one of those is deleted.
    """

    field: str
    table: str
    on_delete: OnDelete


def references(target: type[Any] | None = None, /, *, on_delete: OnDelete) -> Reference:
    """Have the database keep an id true: ``Annotated[Id[Channel], hw.references(...)]``.

    For a field of a document type that is an ``Id[...]``, an ``Id[...] | None`` or a `NotRequired`
    one of these; its type stays the same. No transaction commits a document that names one that is
    not there, and when the named one is deleted, the same transaction does what is said here.

    Args:
        target: The document type that the id is of, which the id says as well: for the reader.
        on_delete: "cascade": the documents that name it are deleted as well. "restrict": it is not
            deleted while there are any. "set_missing": their field is removed, which therefore has
            to be `NotRequired`.

    Raises:
        DeclarationError: It is none of the three.
    """
    if on_delete not in _ON_DELETE:
        raise DeclarationError(
            f"hw.references(on_delete={on_delete!r}): expected one of "
            f"{', '.join(map(repr, _ON_DELETE))}"
        )
    return Reference(on_delete, target)


# Reading annotations ----------------------------------------------------------------------------


def without_reference(hint: Any) -> Any:
    """The annotation of a field without the reference in it."""
    if get_origin(hint) is not Annotated:
        return hint
    base, *extras = get_args(hint)
    others = [extra for extra in extras if not isinstance(extra, Reference)]
    return Annotated[(base, *others)] if others else base


def definitions_of(
    document_type: Any, validator: ObjectValidator, *, where: str
) -> tuple[ReferenceDefinition, ...]:
    """The references that a document type declares, in the order of its fields.

    Args:
        document_type: The TypedDict.
        validator: Its fields, as they were read.
        where: Starts the message of an error.

    Raises:
        DeclarationError: One of them is on something else than an id, or in a place where it would
            mean nothing.
    """
    found: list[ReferenceDefinition] = []
    for name, hint in get_type_hints(document_type, include_extras=True).items():
        field = validator.fields.get(name)
        if field is None:
            continue  # one of the database's own
        marks = list(_marks(hint))
        if len(marks) > 1:
            raise DeclarationError(f"{where}, field {name!r}: hw.references is given twice")
        found += [_definition(name, field, mark, f"{where}, field {name!r}") for mark in marks]
        _refuse_inside(hint, f"{where}, field {name!r}")
    return tuple(found)


def _marks(hint: Any) -> Iterator[Reference]:
    """References of the field itself."""
    while get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    if get_origin(hint) is Annotated:
        yield from (extra for extra in get_args(hint)[1:] if isinstance(extra, Reference))


def _definition(name: str, field: Field, mark: Reference, where: str) -> ReferenceDefinition:
    table = _table_of(field.validator)
    if table is None:
        raise DeclarationError(
            f"{where}: hw.references is on {describe(field.validator)}; expected the Id of one "
            "document type, or that | None. For several ids, make a table with a document for each"
        )
    if mark.target is not None and _name_of(mark.target) != table:
        raise DeclarationError(
            f"{where}: hw.references({getattr(mark.target, '__name__', mark.target)}, ...) is on "
            f"an Id of table {table!r}; name the same document type, or none"
        )
    if "." in name:
        raise DeclarationError(
            f"{where}: a field with a dot in its name cannot have an index, which a reference needs"
        )
    if mark.on_delete == "set_missing" and not field.is_optional:
        raise DeclarationError(
            f"{where}: on_delete='set_missing' removes the field, which is required; declare it as "
            "NotRequired[Annotated[Id[...], hw.references(on_delete='set_missing')]]"
        )
    return ReferenceDefinition(name, table, mark.on_delete)


def _name_of(target: type[Any]) -> str | None:
    """The name of the table of a document type."""
    table = table_of(target)
    return None if table is None else table.table_name


def _table_of(validator: Validator) -> str | None:
    """The one table whose ids a validator accepts, beside None."""
    members = validator.members if isinstance(validator, UnionValidator) else (validator,)
    bases = [one.base if isinstance(one, RefinedValidator) else one for one in members]
    tables = [one.table for one in bases if isinstance(one, IdValidator)]
    others = [one for one in bases if not isinstance(one, IdValidator | NullValidator)]
    return tables[0] if len(tables) == 1 and not others else None


def _refuse_inside(hint: Any, where: str) -> None:
    """Refuse references of nested objects, which nobody would look after.

    A document inside another one is a copy of it: what it names was looked after where it is.
    """
    for argument in get_args(hint):
        _refuse_inside(argument, where)
    if not is_typeddict(hint) or "_id" in hint.__annotations__:
        return
    for name, inner in get_type_hints(hint, include_extras=True).items():
        if any(_marks(inner)):
            raise DeclarationError(
                f"{where}: {hint.__name__}.{name} has hw.references, and is inside of another "
                "field; expected it on a field of the document itself"
            )
        _refuse_inside(inner, where)


# The indexes that they need ---------------------------------------------------------------------


def indexes_for(
    references: Iterable[ReferenceDefinition], declared: Sequence[IndexDefinition]
) -> list[IndexDefinition]:
    """The indexes that references need and that nobody has declared: ``reference_<field>``.

    An index whose first field is the reference serves.
    """
    made: list[IndexDefinition] = []
    for reference in references:
        known = [*declared, *made]
        if not any(index.fields[0] == reference.field for index in known):
            name = _free_name(reference.field, {index.name for index in known})
            made.append(IndexDefinition(name, (reference.field,)))
    return made


def _free_name(field: str, taken: set[str]) -> str:
    stem = f"reference_{re.sub(r'[^A-Za-z0-9_]', '_', field)}"[: NAME_LENGTH_MAX - 4]
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}_{count}"
    return name


# In the catalog ---------------------------------------------------------------------------------


def to_stored(references: Iterable[ReferenceDefinition]) -> list[dict[str, str]]:
    """References as the catalog keeps them."""
    return [reference._asdict() for reference in references]


def from_stored(stored: Iterable[Mapping[str, Any]]) -> tuple[ReferenceDefinition, ...]:
    """The references that `to_stored` wrote."""
    return tuple(ReferenceDefinition(**reference) for reference in stored)
