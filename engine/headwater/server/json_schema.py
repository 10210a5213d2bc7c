"""Validators as JSON Schema, for what is sent over HTTP.

Arguments are in the encoded format, results in the clean one (`headwater.server.wire_values`), so
that a type has two schemas where the formats differ. What JSON Schema cannot say stands in a
description.

Source: JSON Schema, draft 2020-12, as OpenAPI 3.1 has it.
"""

from typing import Any, Final, Literal, TypeAlias

from headwater.schema.validators import (
    AnyValidator,
    BooleanValidator,
    BytesValidator,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    Length,
    ListValidator,
    LiteralValidator,
    NullValidator,
    ObjectValidator,
    Pattern,
    Range,
    RecordValidator,
    RefinedValidator,
    Refinement,
    StringValidator,
    UnionValidator,
    Validator,
)
from headwater.server.wire_values import to_wire

Side: TypeAlias = Literal["argument", "result"]
Schema: TypeAlias = dict[str, Any]

_EXACT_FLOAT: Final = 2**53
_BASE64: Final[Schema] = {"type": "string", "contentEncoding": "base64"}
_INT64: Final[Schema] = {"type": "string", "pattern": "^-?[0-9]+$"}
_SPECIAL: Final[Schema] = {"enum": ["NaN", "Infinity", "-Infinity"]}


def _escaped(name: str) -> Schema:
    return {
        "type": "object",
        "properties": {name: _BASE64},
        "required": [name],
        "additionalProperties": False,
    }


_SCALARS: Final[dict[type, dict[Side, Schema]]] = {
    AnyValidator: {"argument": {}, "result": {}},
    NullValidator: {"argument": {"type": "null"}, "result": {"type": "null"}},
    BooleanValidator: {"argument": {"type": "boolean"}, "result": {"type": "boolean"}},
    IntegerValidator: {
        "argument": {"type": "integer", "minimum": -_EXACT_FLOAT, "maximum": _EXACT_FLOAT},
        "result": {"anyOf": [{"type": "integer"}, _INT64]},
    },
    Int64Validator: {"argument": _escaped("$integer"), "result": _INT64},
    FloatValidator: {
        "argument": {"type": "number"},
        "result": {"anyOf": [{"type": "number"}, _INT64, _SPECIAL]},
    },
    StringValidator: {"argument": {"type": "string"}, "result": {"type": "string"}},
    BytesValidator: {"argument": _escaped("$bytes"), "result": _BASE64},
}
_LENGTHS: Final[dict[type, tuple[str, str]]] = {
    StringValidator: ("minLength", "maxLength"),
    ListValidator: ("minItems", "maxItems"),
    RecordValidator: ("minProperties", "maxProperties"),
    ObjectValidator: ("minProperties", "maxProperties"),
}
_RANGE_NAMES: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}


def schema_of(validator: Validator, side: Side) -> Schema:  # noqa: PLR0911 - one for each kind
    """The schema of what is sent for a validator. O(its size)."""
    match validator:
        case LiteralValidator(value):
            return {"const": to_wire(value, "encoded" if side == "argument" else "clean")}
        case IdValidator(table):
            return {"type": "string", "description": f"The id of a document of table {table!r}."}
        case ListValidator(items):
            return {"type": "array", "items": schema_of(items, side)}
        case RecordValidator(values):
            return {"type": "object", "additionalProperties": schema_of(values, side)}
        case ObjectValidator():
            return object_schema(validator, side)
        case UnionValidator(members):
            return {"anyOf": [schema_of(member, side) for member in members]} if members else _NONE
        case RefinedValidator(base, refinements):
            return _refined(base, refinements, side)
        case _:
            return dict(_SCALARS[type(validator)][side])


_NONE: Final[Schema] = {"not": {}}


def object_schema(validator: ObjectValidator, side: Side) -> Schema:
    """The schema of an object with named fields."""
    fields = validator.fields
    schema: Schema = {
        "type": "object",
        "properties": {name: schema_of(field.validator, side) for name, field in fields.items()},
        "additionalProperties": not validator.is_closed,
    }
    required = [name for name, field in fields.items() if not field.is_optional]
    return schema | {"required": required} if required else schema


def _refined(base: Validator, refinements: tuple[Refinement, ...], side: Side) -> Schema:
    schema = schema_of(base, side)
    if side == "result":
        return schema  # it was checked; the strings that stand for numbers have other lengths
    said: list[str] = []
    for refinement in refinements:
        words = _constraint(base, refinement)
        schema |= words
        if not words:
            said.append(str(refinement))
    return schema | {"description": "; ".join(said)} if said else schema


def _constraint(base: Validator, refinement: Refinement) -> Schema:
    """What a refinement says in the words of JSON Schema; nothing if it has none."""
    match refinement:
        case Range():
            bounds = {name: getattr(refinement, name) for name in _RANGE_NAMES}
            return {_RANGE_NAMES[name]: b for name, b in bounds.items() if b is not None}
        case Length(least, most) if type(base) in _LENGTHS:
            low, high = _LENGTHS[type(base)]
            return {low: least} if most is None else {low: least, high: most}
        case Pattern(regex) if not regex.count("\\") and not regex.count("(?"):
            # Only what the expressions of Python and of JavaScript have in common.
            return {"pattern": f"^(?:{regex})$"}
        case _:
            return {}
