"""Validators as types of TypeScript: what a client of Convex's sends and gets.

An ``int`` and a ``float`` are numbers of JavaScript, an `Int64` is a ``bigint``, bytes are an
``ArrayBuffer``. A refinement, such as a length, is no matter of types. A whole document is called
by its table, a page by the type that the package ``convex`` has for it.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from headwater.schema.annotations import validator_of
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
    NullValidator,
    ObjectValidator,
    RecordValidator,
    RefinedValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from headwater.transactions.pagination import PaginationOptions, PaginationResult

Documents: TypeAlias = Mapping[str, ObjectValidator]
"""The type of each table's documents, without the system fields."""

WIDTH: Final = 100
INDENT: Final = "  "
NO_ARGUMENTS: Final = "Record<string, never>"

_EXACT_INTEGER: Final = 2**53
_SIMPLE: Final[dict[type, str]] = {
    AnyValidator: "any",
    NullValidator: "null",
    BooleanValidator: "boolean",
    IntegerValidator: "number",
    Int64Validator: "bigint",
    FloatValidator: "number",
    StringValidator: "string",
    BytesValidator: "ArrayBuffer",
}
_PAGE_OPTIONS: Final = validator_of(PaginationOptions, where="PaginationOptions")
_PAGE: Final = validator_of(PaginationResult[Any], where="PaginationResult")


def type_of(  # noqa: PLR0911 - one for each kind
    validator: Validator, documents: Documents, indent: str = ""
) -> str:
    """The type of the values that fit.

    Args:
        validator: What fits.
        documents: Of the application.
        indent: Of the line that it begins on.
    """
    match validator:
        case RefinedValidator(base):
            return type_of(base, documents, indent)
        case IdValidator(table):
            return f"Id<{literal(table)}>"
        case LiteralValidator(value):
            return _literal_type(value)
        case ListValidator(items):
            return f"Array<{type_of(items, documents, indent)}>"
        case RecordValidator():
            return _record(validator, documents, indent)
        case ObjectValidator():
            return _object(validator, documents, indent)
        case UnionValidator(members):
            texts = [type_of(member, documents, indent) for member in members]
            return " | ".join(dict.fromkeys(texts)) or "never"
        case _:
            return _SIMPLE[type(validator)]


def document_type(table: str, validator: ObjectValidator, documents: Documents) -> str:
    """All fields of a table's documents, the system fields first."""
    return _braced({**_system_fields(table), **validator.fields}, documents, INDENT, [])


def property_name(name: str) -> str:
    """A name as a property is written."""
    return name if name.isascii() and name.isidentifier() else literal(name)


def literal(text: str) -> str:
    """A string as TypeScript writes it."""
    return json.dumps(text)


def _literal_type(value: Any) -> str:
    if isinstance(value, bytes):
        return _SIMPLE[BytesValidator]
    if type(value) is int and abs(value) >= _EXACT_INTEGER:
        return _SIMPLE[IntegerValidator]  # JavaScript has no such number
    return json.dumps(value)


def _record(record: RecordValidator, documents: Documents, indent: str) -> str:
    values = type_of(record.values, documents, indent)
    keys = type_of(record.keys, documents, indent)
    if _has_literals(record.keys):  # none of which has to be there
        return f"Partial<Record<{keys}, {values}>>"
    return f"Record<{keys}, {values}>"


def _has_literals(keys: Validator) -> bool:
    match keys:
        case LiteralValidator():
            return True
        case RefinedValidator(base):
            return _has_literals(base)
        case UnionValidator(members):
            return any(map(_has_literals, members))
        case _:
            return False


def _object(found: ObjectValidator, documents: Documents, indent: str) -> str:
    known = _known(found, documents, indent)
    if known is not None:
        return known
    others = [] if found.is_closed else ["[name: string]: any"]
    if not found.fields and not others:
        return NO_ARGUMENTS
    return _braced(found.fields, documents, indent, others)


def _known(found: ObjectValidator, documents: Documents, indent: str) -> str | None:
    """What it is called, if it has a name."""
    if found == _PAGE_OPTIONS:
        return "PaginationOptions"
    page = found.fields.get("page")
    if page is not None and isinstance(page.validator, ListValidator):
        items = page.validator.items
        of_any = {**found.fields, "page": Field(ListValidator(AnyValidator()))}
        if ObjectValidator(of_any) == _PAGE and not page.is_optional:
            return f"PaginationResult<{type_of(items, documents, indent)}>"
    id = found.fields.get("_id")
    if id is not None and isinstance(id.validator, IdValidator):
        table = id.validator.table
        document = documents.get(table)
        if document is not None and document.is_closed == found.is_closed:
            whole = {**document.fields, **_system_fields(table)}
            return f"Doc<{literal(table)}>" if whole == found.fields else None
    return None


def _system_fields(table: str) -> dict[str, Field]:
    return {"_id": Field(IdValidator(table)), "_creationTime": Field(FloatValidator())}


def _braced(
    fields: Mapping[str, Field], documents: Documents, indent: str, others: list[str]
) -> str:
    """An object type: on one line if it is short."""
    inner = indent + INDENT
    members = [
        f"{property_name(name)}{'?' if field.is_optional else ''}: "
        f"{type_of(field.validator, documents, inner)}"
        for name, field in fields.items()
    ]
    members += others
    line = f"{{ {'; '.join(members)} }}"
    if "\n" not in line and len(indent) + len(line) <= WIDTH // 2:
        return line
    return "{\n" + "".join(f"{inner}{member};\n" for member in members) + indent + "}"
