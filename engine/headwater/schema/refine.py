"""Refinements of a validator: which there are in an annotation, and what they can be put on."""

from collections.abc import Sequence
from typing import Any, Final

from headwater.schema.validators import (
    BytesValidator,
    Check,
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
    describe,
    union_of,
)

_BOUNDS: Final = ("ge", "gt", "le", "lt")
_LENGTHS: Final = ("min_length", "max_length")

_TAKEN_BY: Final[dict[type, tuple[type, ...]]] = {
    Range: (IntegerValidator, FloatValidator, Int64Validator),
    Length: (StringValidator, BytesValidator, ListValidator, RecordValidator, ObjectValidator),
    Pattern: (StringValidator, IdValidator),
}


def is_refinement(extra: Any) -> bool:
    """Whether something inside ``Annotated[...]`` restricts the value.

    That is one of ours, or anything with the attributes that ``annotated-types`` has: ``ge``,
    ``gt``, ``le``, ``lt``, ``min_length``, ``max_length``.
    """
    if isinstance(extra, Range | Length | Pattern | Check):
        return True
    return any(hasattr(extra, name) for name in _BOUNDS + _LENGTHS)


def refinements_of(extra: Any) -> Sequence[Refinement]:
    """The refinements that something inside ``Annotated[...]`` stands for."""
    if isinstance(extra, Range | Length | Pattern | Check):
        return [extra]
    found: list[Refinement] = []
    bounds = {name: getattr(extra, name, None) for name in _BOUNDS}
    if any(bound is not None for bound in bounds.values()):
        found.append(Range(**bounds))
    least, most = (getattr(extra, name, None) for name in _LENGTHS)
    if least or most is not None:
        found.append(Length(least or 0, most))
    return found


def refine(base: Validator, *refinements: Refinement) -> Validator:
    """The validator with refinements added; in a union they go to the members that take them.

    Raises:
        ValueError: No value of the base can be restricted so.
    """
    for refinement in refinements:
        base = _refine(base, refinement)
    return base


def _refine(base: Validator, refinement: Refinement) -> Validator:
    if isinstance(base, UnionValidator) and any(_takes(m, refinement) for m in base.members):
        return union_of(*(_refine_member(member, refinement) for member in base.members))
    if not _takes(base, refinement):
        raise ValueError(f"{describe(base)} cannot be restricted to {refinement}")
    if isinstance(base, RefinedValidator):
        return RefinedValidator(base.base, (*base.refinements, refinement))
    return RefinedValidator(base, (refinement,))


def _refine_member(member: Validator, refinement: Refinement) -> Validator:
    return _refine(member, refinement) if _takes(member, refinement) else member


def _takes(base: Validator, refinement: Refinement) -> bool:
    inner = base.base if isinstance(base, RefinedValidator) else base
    if isinstance(refinement, Check):
        return not isinstance(inner, NullValidator | LiteralValidator | UnionValidator)
    return isinstance(inner, _TAKEN_BY[type(refinement)])
