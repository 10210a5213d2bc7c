"""What differs between two validators of one table: the stored one and the declared one.

If the new one accepts all that the old one did, stored documents need not be read again.
"""

from collections.abc import Iterator, Mapping

from headwater.schema.explain import find_mismatch
from headwater.schema.validators import (
    AnyValidator,
    BooleanValidator,
    Field,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    Length,
    ListValidator,
    LiteralValidator,
    ObjectValidator,
    Range,
    RecordValidator,
    RefinedValidator,
    Refinement,
    StringValidator,
    UnionValidator,
    Validator,
    describe,
)


def accepts_all(new: Validator, old: Validator) -> bool:
    """Whether ``new`` provably accepts every value that ``old`` accepts.

    False does not prove the contrary: two patterns, or a check against a range, are not compared.
    """
    if isinstance(new, AnyValidator) or new == old:
        return True
    if isinstance(old, UnionValidator):
        return all(accepts_all(new, member) for member in old.members)
    if isinstance(old, LiteralValidator):
        return find_mismatch(new, old.value) is None
    if isinstance(old, BooleanValidator) and isinstance(new, UnionValidator):
        return all(accepts_all(new, LiteralValidator(value)) for value in (False, True))
    if isinstance(new, UnionValidator):
        return any(accepts_all(member, old) for member in new.members)
    return _accepts_kind(new, old)


def _accepts_kind(  # noqa: PLR0911 - one for each kind
    new: Validator, old: Validator
) -> bool:
    """The same for validators that are no union, no literal and not equal."""
    if isinstance(new, RefinedValidator):
        return _accepts_refined(new, old)
    match new, old:
        case _, RefinedValidator(base):
            return accepts_all(new, base)
        case (FloatValidator(), IntegerValidator() | Int64Validator()) | (
            (IntegerValidator(), Int64Validator()) | (StringValidator(), IdValidator())
        ):
            return True
        case ListValidator(new_items), ListValidator(old_items):
            return accepts_all(new_items, old_items)
        case RecordValidator(), RecordValidator():
            return accepts_all(new.keys, old.keys) and accepts_all(new.values, old.values)
        case RecordValidator(), ObjectValidator():
            return _record_accepts(new, old)
        case ObjectValidator(), ObjectValidator():
            return _object_accepts(new, old)
        case _:
            return False


def _accepts_refined(new: RefinedValidator, old: Validator) -> bool:
    known = old.refinements if isinstance(old, RefinedValidator) else ()
    return accepts_all(new.base, old) and all(
        any(_implies(given, wanted) for given in known) for wanted in new.refinements
    )


def _implies(given: Refinement, wanted: Refinement) -> bool:
    match given, wanted:
        case Range(), Range():
            return _range_implies(given, wanted)
        case Length(old_min, old_max), Length(new_min, new_max):
            is_short = new_max is None or (old_max is not None and old_max <= new_max)
            return new_min <= old_min and is_short
        case _:
            return given == wanted


def _range_implies(given: Range, wanted: Range) -> bool:
    """Each wanted bound is met by a bound that was given."""
    return (
        (wanted.ge is None or _at_least(given.ge, wanted.ge) or _at_least(given.gt, wanted.ge))
        and (wanted.gt is None or _above(given.ge, wanted.gt) or _at_least(given.gt, wanted.gt))
        and (wanted.le is None or _at_most(given.le, wanted.le) or _at_most(given.lt, wanted.le))
        and (wanted.lt is None or _below(given.le, wanted.lt) or _at_most(given.lt, wanted.lt))
    )


def _at_least(bound: float | None, wanted: float) -> bool:
    return bound is not None and bound >= wanted


def _above(bound: float | None, wanted: float) -> bool:
    return bound is not None and bound > wanted


def _at_most(bound: float | None, wanted: float) -> bool:
    return bound is not None and bound <= wanted


def _below(bound: float | None, wanted: float) -> bool:
    return bound is not None and bound < wanted


def _record_accepts(new: RecordValidator, old: ObjectValidator) -> bool:
    return old.is_closed and all(
        accepts_all(new.keys, LiteralValidator(name)) and accepts_all(new.values, field.validator)
        for name, field in old.fields.items()
    )


def _object_accepts(new: ObjectValidator, old: ObjectValidator) -> bool:
    if new.is_closed and not (old.is_closed and old.fields.keys() <= new.fields.keys()):
        return False
    # What an open object may have in a field that it does not name: anything, or nothing.
    unnamed = Field(AnyValidator(), is_optional=True)
    for name, field in new.fields.items():
        before = old.fields.get(name, None if old.is_closed else unnamed)
        if before is None:
            if not field.is_optional:
                return False
        elif not _field_accepts(field, before):
            return False
    return True


def _field_accepts(new: Field, old: Field) -> bool:
    may_be_absent = new.is_optional or not old.is_optional
    return may_be_absent and accepts_all(new.validator, old.validator)


def differences(old: Validator, new: Validator) -> list[str]:
    """What has changed, one line each, for people; empty if nothing has."""
    return list(_differences(old, new, ""))


def _differences(old: Validator, new: Validator, path: str) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, ObjectValidator) and isinstance(new, ObjectValidator):
        yield from _field_differences(old.fields, new.fields, f"{path}." if path else "")
        if old.is_closed != new.is_closed:
            allowed = "no longer allowed" if new.is_closed else "allowed now"
            yield f"{_place(path)}other fields are {allowed}"
    elif isinstance(old, ListValidator) and isinstance(new, ListValidator):
        yield from _differences(old.items, new.items, f"{path}[]")
    else:
        yield f"{_place(path)}was {describe(old)}, is {describe(new)}"


def _place(path: str) -> str:
    return f"field {path!r}: " if path else ""


def _field_differences(
    old: Mapping[str, Field], new: Mapping[str, Field], prefix: str
) -> Iterator[str]:
    for name, field in old.items():
        place = f"field {prefix + name!r}"
        if name not in new:
            yield f"{place} is gone"
            continue
        yield from _differences(field.validator, new[name].validator, prefix + name)
        if field.is_optional and not new[name].is_optional:
            yield f"{place} may no longer be absent"
        elif new[name].is_optional and not field.is_optional:
            yield f"{place} may be absent now"
    for name, field in new.items():
        if name not in old:
            kind = "optional" if field.is_optional else "required"
            yield f"field {prefix + name!r} is new and {kind}: {describe(field.validator)}"
