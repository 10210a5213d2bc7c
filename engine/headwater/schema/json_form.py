"""Validators as JSON, in the shape that Convex gives them, and back.

The catalog stores this form, and clients generate their types from it. Convex's kinds keep their
names (``number`` is a float, ``bigint`` an `Int64`); ``integer``, ``refined`` and ``closed`` are
ours.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from headwater.schema.validators import (
    AnyValidator,
    BooleanValidator,
    BytesValidator,
    Check,
    Field,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    Length,
    ListValidator,
    LiteralValidator,
    LiteralValue,
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

_NAME_OF_KIND: Final[dict[type, str]] = {
    AnyValidator: "any",
    NullValidator: "null",
    BooleanValidator: "boolean",
    IntegerValidator: "integer",
    Int64Validator: "bigint",
    FloatValidator: "number",
    StringValidator: "string",
    BytesValidator: "bytes",
}
_SIMPLE_BY_NAME: Final[dict[str, Validator]] = {
    name: kind() for kind, name in _NAME_OF_KIND.items()
}


def to_json(validator: Validator) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    """The JSON form: dicts, lists, strings, numbers, booleans and None only."""
    match validator:
        case LiteralValidator(value):
            return {"type": "literal", "value": _literal_to_json(value)}
        case IdValidator(table):
            return {"type": "id", "tableName": table}
        case ListValidator(items):
            return {"type": "array", "value": to_json(items)}
        case RecordValidator(values, keys):
            inner = {"fieldType": to_json(values), "optional": False}
            return {"type": "record", "keys": to_json(keys), "values": inner}
        case ObjectValidator():
            return _object_to_json(validator)
        case UnionValidator(members):
            return {"type": "union", "value": [to_json(member) for member in members]}
        case RefinedValidator(base, refinements):
            listed = [_refinement_to_json(refinement) for refinement in refinements]
            return {"type": "refined", "value": to_json(base), "refinements": listed}
        case _:
            return {"type": _NAME_OF_KIND[type(validator)]}


def _object_to_json(validator: ObjectValidator) -> dict[str, Any]:
    fields = {
        name: {"fieldType": to_json(field.validator), "optional": field.is_optional}
        for name, field in validator.fields.items()
    }
    form: dict[str, Any] = {"type": "object", "value": fields}
    if not validator.is_closed:
        form["closed"] = False
    return form


def _literal_to_json(value: LiteralValue) -> Any:
    return {"$bytes": b64encode(value).decode("ascii")} if isinstance(value, bytes) else value


def _refinement_to_json(refinement: Refinement) -> dict[str, Any]:
    match refinement:
        case Range(ge=ge, gt=gt, le=le, lt=lt):
            bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
            return {"type": "range"} | {
                k: bound for k, bound in bounds.items() if bound is not None
            }
        case Length(least, most):
            return {"type": "length", "min": least, "max": most}
        case Pattern(regex):
            return {"type": "pattern", "regex": regex}
        case _:
            return {"type": "check", "name": refinement.name}


def from_json(form: Mapping[str, Any]) -> Validator:  # noqa: PLR0911 - one for each kind
    """The validator that `to_json` wrote. A check comes back by name and accepts everything.

    Raises:
        ValueError: The form has a type that this version does not know.
    """
    match form:
        case {"type": "literal", "value": value}:
            return LiteralValidator(_literal_from_json(value))
        case {"type": "id", "tableName": table}:
            return IdValidator(table)
        case {"type": "array", "value": items}:
            return ListValidator(from_json(items))
        case {"type": "record", "keys": keys, "values": {"fieldType": values}}:
            return RecordValidator(from_json(values), from_json(keys))
        case {"type": "object", "value": fields}:
            return ObjectValidator(_fields_from_json(fields), form.get("closed", True))
        case {"type": "union", "value": members}:
            return UnionValidator(tuple(from_json(member) for member in members))
        case {"type": "refined", "value": base, "refinements": listed}:
            return RefinedValidator(from_json(base), tuple(map(_refinement_from_json, listed)))
        case {"type": name} if name in _SIMPLE_BY_NAME:
            return _SIMPLE_BY_NAME[name]
        case _:
            raise ValueError(f"no validator in JSON form that this version knows: {form!r}")


def _fields_from_json(fields: Mapping[str, Any]) -> dict[str, Field]:
    return {
        name: Field(from_json(field["fieldType"]), field["optional"])
        for name, field in fields.items()
    }


def _literal_from_json(value: Any) -> LiteralValue:
    match value:
        case {"$bytes": str(encoded)}:
            return b64decode(encoded)
        case str() | int() | None:
            return value
        case _:
            raise ValueError(f"no literal in JSON form that this version knows: {value!r}")


def _refinement_from_json(form: Mapping[str, Any]) -> Refinement:
    match form:
        case {"type": "range", **bounds}:
            return Range(**bounds)
        case {"type": "length", "min": least, "max": most}:
            return Length(least, most)
        case {"type": "pattern", "regex": regex}:
            return Pattern(regex)
        case {"type": "check", "name": name}:
            return Check(None, name)
        case _:
            raise ValueError(f"no refinement in JSON form that this version knows: {form!r}")
