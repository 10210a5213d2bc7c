"""Validators by hand, for what annotations cannot say: ``from headwater import v``.

``v.object({"name": v.string(), "age": v.optional(v.integer())})``. The names are Convex's, the
algebra is that of the annotations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater.errors import DeclarationError
from headwater.schema.refine import refine
from headwater.schema.tables import Table, is_table, table_of
from headwater.schema.validators import (
    AnyValidator,
    BooleanValidator,
    BytesValidator,
    Field,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    ListValidator,
    LiteralValidator,
    LiteralValue,
    NullValidator,
    ObjectValidator,
    RecordValidator,
    Refinement,
    StringValidator,
    UnionValidator,
    Validator,
    union_of,
)


@dataclass(frozen=True, slots=True)
class Optional:
    """A field or argument that may be absent, which is not the same as ``None``."""

    validator: Validator


def any() -> AnyValidator:  # noqa: A001 - the name of the kind
    """Every storable value."""
    return AnyValidator()


def null() -> NullValidator:
    """``None`` only."""
    return NullValidator()


def boolean() -> BooleanValidator:
    """``True`` or ``False``."""
    return BooleanValidator()


def integer() -> IntegerValidator:
    """A signed 64 bit ``int``."""
    return IntegerValidator()


def int64() -> Int64Validator:
    """An ``hw.Int64``: a ``BigInt`` to clients."""
    return Int64Validator()


def number() -> FloatValidator:
    """A ``float`` or ``int``."""
    return FloatValidator()


def float64() -> FloatValidator:
    """A ``float`` or ``int``: another name of `number`."""
    return FloatValidator()


def string() -> StringValidator:
    """A ``str``."""
    return StringValidator()


def bytes() -> BytesValidator:  # noqa: A001 - the name of the kind
    """A ``bytes``."""
    return BytesValidator()


def literal(*values: LiteralValue) -> Validator:
    """One of these exact values."""
    return union_of(
        *(NullValidator() if value is None else LiteralValidator(value) for value in values)
    )


def id(table: str | type[Table[Any]] | type) -> IdValidator:
    """The id of a document of a table, given by name, by its class or by its document type.

    Raises:
        DeclarationError: The class is no table and the document type of none.
    """
    name = table if isinstance(table, str) else _table_name(table)
    return IdValidator(name)


def _table_name(table: Any) -> str:
    owner = table if is_table(table) else table_of(table)
    if owner is None:
        raise DeclarationError(f"v.id: {table!r} is no table and the document type of none")
    return owner.table_name


def list(items: Validator) -> ListValidator:  # noqa: A001 - the name of the kind
    """A ``list`` of items that all fit."""
    return ListValidator(items)


def array(items: Validator) -> ListValidator:
    """A ``list`` of items that all fit: another name of `list`."""
    return ListValidator(items)


def record(keys: Validator, values: Validator) -> RecordValidator:
    """A ``dict`` whose keys and values all fit."""
    return RecordValidator(values, keys)


def object(  # noqa: A001 - the name of the kind
    fields: Mapping[str, Validator | Optional], *, closed: bool = True
) -> ObjectValidator:
    """A ``dict`` with these fields, and no others unless it is open."""
    return ObjectValidator({name: _field(field) for name, field in fields.items()}, closed)


def _field(field: Validator | Optional) -> Field:
    if isinstance(field, Optional):
        return Field(field.validator, is_optional=True)
    return Field(field)


def union(*members: Validator) -> Validator:
    """Any of the members; nothing fits if there are none."""
    return union_of(*members) if members else UnionValidator(())


def optional(validator: Validator) -> Optional:
    """A field of `object`, or an argument, that may be absent."""
    return Optional(validator)


def nullable(validator: Validator) -> Validator:
    """What fits the validator, or ``None``."""
    return union_of(validator, NullValidator())


def refined(base: Validator, *refinements: Refinement) -> Validator:
    """What fits the base and all the refinements.

    Raises:
        ValueError: No value of the base can be restricted so.
    """
    return refine(base, *refinements)
