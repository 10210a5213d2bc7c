"""Values of a foreign format brought to the types that a table declares.

In JavaScript every number is a float, and in JSON a BigInt is an integer: where a table declares an
``int``, a whole float becomes one; where it declares an `Int64`, an integer does. Nothing else is
changed, so a value that does not fit is refused afterwards by the table's own check.
"""

from typing import Any, cast

from headwater.schema.explain import find_mismatch, is_list
from headwater.schema.validators import (
    Int64Validator,
    IntegerValidator,
    ListValidator,
    LiteralValidator,
    ObjectValidator,
    RecordValidator,
    RefinedValidator,
    UnionValidator,
    Validator,
)
from headwater_indexes.values import Int64


def fit(validator: Validator, value: Any) -> Any:
    """The value with its numbers as the validator has them. O(size of the value)."""
    match validator:
        case RefinedValidator():
            return fit(validator.base, value)
        case IntegerValidator():
            return int(value) if type(value) is float and value.is_integer() else value
        case LiteralValidator() if type(value) is float and type(validator.value) is int:
            return validator.value if value == validator.value else value
        case Int64Validator():
            return Int64(value) if type(value) is int and _is_64_bits(value) else value
        case UnionValidator():
            return _fit_member(validator, value)
        case _:
            return _fit_inside(validator, value)


def _fit_inside(validator: Validator, value: Any) -> Any:
    match validator:
        case ListValidator() if is_list(value):
            return [fit(validator.items, item) for item in value]
        case RecordValidator() if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return {name: fit(validator.values, member) for name, member in members}
        case ObjectValidator() if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return {name: _fit_field(validator, name, member) for name, member in members}
        case _:
            return value


def _fit_field(validator: ObjectValidator, name: str, value: Any) -> Any:
    field = validator.fields.get(name)
    return value if field is None else fit(field.validator, value)


def _fit_member(union: UnionValidator, value: Any) -> Any:
    """As the first member that takes it, as it is if it can be."""
    if find_mismatch(union, value) is None:
        return value
    for member in union.members:
        fitted = fit(member, value)
        if find_mismatch(member, fitted) is None:
            return fitted
    return value


def _is_64_bits(value: int) -> bool:
    return -(2**63) <= value < 2**63
