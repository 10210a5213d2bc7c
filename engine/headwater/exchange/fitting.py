"""Values of a foreign format brought to the types that a table or a function declares.

In JavaScript every number is a float, and in JSON a BigInt is an integer: where an ``int`` is
declared, a whole float becomes one; where an `Int64` is, an integer does. Nothing else is changed,
so a value that does not fit is refused afterwards by the check of the table or the function.
"""

from typing import Any, Final, NamedTuple, cast

from headwater.schema.explain import Walk, find_mismatch, is_list
from headwater.schema.validators import (
    FloatValidator,
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

_EXACT_FLOAT: Final = 2**53


class Fitting(NamedTuple):
    """How values are fitted.

    Attributes:
        walk: What is known of the database, for unions of ids.
        is_bigint: Whether an `Int64` stands for a BigInt of JavaScript, which becomes a plain
            number where one is declared. Without, it is one that somebody has stored.
    """

    walk: Walk = Walk()
    is_bigint: bool = False


_STORED: Final = Fitting()


def fit(validator: Validator, value: Any, how: Fitting = _STORED) -> Any:  # noqa: PLR0911
    """The value with its numbers as the validator has them. O(size of the value)."""
    match validator:
        case RefinedValidator():
            return fit(validator.base, value, how)
        case IntegerValidator() if type(value) is float and value.is_integer():
            return int(value)
        case IntegerValidator() if how.is_bigint and type(value) is Int64:
            return int(value)
        case FloatValidator() if how.is_bigint and type(value) is Int64:
            return float(value) if abs(value) <= _EXACT_FLOAT else value
        case LiteralValidator() if type(value) is float and type(validator.value) is int:
            return validator.value if value == validator.value else value
        case Int64Validator():
            return Int64(value) if type(value) is int and _is_64_bits(value) else value
        case UnionValidator():
            return _fit_member(validator, value, how)
        case _:
            return _fit_inside(validator, value, how)


def _fit_inside(validator: Validator, value: Any, how: Fitting) -> Any:
    match validator:
        case ListValidator() if is_list(value):
            return [fit(validator.items, item, how) for item in value]
        case RecordValidator() if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return {name: fit(validator.values, member, how) for name, member in members}
        case ObjectValidator() if isinstance(value, dict):
            members = cast("dict[str, Any]", value).items()
            return {name: _fit_field(validator, name, member, how) for name, member in members}
        case _:
            return value


def _fit_field(validator: ObjectValidator, name: str, value: Any, how: Fitting) -> Any:
    field = validator.fields.get(name)
    return value if field is None else fit(field.validator, value, how)


def _fit_member(union: UnionValidator, value: Any, how: Fitting) -> Any:
    """As the first member that takes it, as it is if it can be."""
    is_kept = not how.is_bigint or (type(value) is Int64 and Int64Validator() in union.members)
    if is_kept and _fits(union, value, how):
        return value
    taking = [member for member in union.members if _fits(member, value, how)]
    nearest, depth = value, 0
    for member in taking or union.members:
        fitted = fit(member, value, how)
        wrong = find_mismatch(member, fitted, "", how.walk)
        if wrong is None:
            return fitted
        if len(wrong.path) > depth:  # so that the error is about what is wrong further in
            nearest, depth = fitted, len(wrong.path)
    return nearest


def _fits(validator: Validator, value: Any, how: Fitting) -> bool:
    return find_mismatch(validator, value, "", how.walk) is None


def _is_64_bits(value: int) -> bool:
    return -(2**63) <= value < 2**63
