"""From a validator to a Hypothesis strategy for the values that fit it."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater.schema.annotations import validator_of
from headwater.schema.explain import is_key
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
    describe,
)
from headwater.testing import edges
from headwater.testing.ranges import floats_in, integers_in
from headwater.testing.world import World, searched
from headwater.transactions.pagination import PaginationOptions
from headwater_indexes.values import Int64

_SMALL: Final = 3
_SHORT: Final = 8
_PATIENT_LENGTH: Final = 50
"""Up to this length each item is drawn by itself."""

_PAGES: Final = validator_of(PaginationOptions, where="PaginationOptions")

Chosen = Mapping[str, SearchStrategy[Any]]
"""Strategies that are used in place of those of the validators, by field."""


def fitting(validator: Validator, world: World) -> SearchStrategy[Any]:  # noqa: PLR0911 - one for each kind
    """Values that fit. Empty (``is_empty``) if it is clear that there are none."""
    match validator:
        case LiteralValidator(value):
            return st.just(value)
        case IdValidator(table):
            return world.ids(table)
        case ListValidator(items):
            return lists_of(items, Length(), world)
        case RecordValidator():
            return _records(validator, Length(), world)
        case ObjectValidator():
            return objects(validator, world)
        case UnionValidator(members):
            return st.one_of(*(fitting(member, world) for member in members))
        case RefinedValidator(base, refinements):
            return _refined(base, refinements, world)
        case AnyValidator():
            return edges.any_values(world.nesting)
        case _:
            return _simple(validator, world)


def _simple(validator: Validator, world: World) -> SearchStrategy[Any]:  # noqa: PLR0911 - as above
    match validator:
        case NullValidator():
            return st.none()
        case BooleanValidator():
            return st.booleans()
        case IntegerValidator():
            return edges.integers()
        case Int64Validator():
            return edges.integers().map(Int64)
        case FloatValidator():
            return edges.floats() | edges.integers()
        case StringValidator():
            return texts_of(Length(), world)
        case BytesValidator():
            return binaries_of(Length(), world)
        case _:
            raise AssertionError(f"{validator!r} is not simple")


# Of a length ------------------------------------------------------------------------------------


def texts_of(length: Length, world: World) -> SearchStrategy[str]:
    """Texts of a length within bounds."""
    lengths = world.lengths(length.min, length.max)
    if not lengths:
        return st.nothing()
    special = [text for text in edges.SPECIAL_TEXTS if length.accepts(text)]
    long = edges.repeated_texts(lengths)
    if length.min > _PATIENT_LENGTH:
        return long
    most = _shortest(length, _SHORT)
    return st.one_of(
        *([st.sampled_from(special)] if special else []),
        st.text(edges.CHARACTERS, min_size=length.min, max_size=most),
        long,
    )


def binaries_of(length: Length, world: World) -> SearchStrategy[bytes]:
    """Bytes of a length within bounds."""
    lengths = world.lengths(length.min, length.max)
    if not lengths:
        return st.nothing()
    long = edges.repeated_bytes(lengths)
    if length.min > _PATIENT_LENGTH:
        return long
    return st.binary(min_size=length.min, max_size=_shortest(length, _SHORT)) | long


def lists_of(items: Validator, length: Length, world: World) -> SearchStrategy[list[Any]]:
    """Lists of a length within bounds; a long one has the same item many times."""
    if world.nesting <= 0:
        return st.nothing()
    lengths = world.lengths(length.min, length.max)
    item = fitting(items, world.repeated())
    if item.is_empty or not lengths:
        return st.just([]) if lengths and length.min == 0 else st.nothing()
    long = st.builds(_repeat, fitting(items, world.crowded()), st.sampled_from(lengths))
    if length.min > _PATIENT_LENGTH:
        return long
    return st.lists(item, min_size=length.min, max_size=_shortest(length, _SMALL)) | long


def _repeat(item: Any, count: int) -> list[Any]:
    return [deepcopy(item) for _ in range(count)]


def _records(
    validator: RecordValidator, length: Length, world: World
) -> SearchStrategy[dict[str, Any]]:
    if world.nesting <= 0:
        return st.nothing()
    inner = world.repeated()
    keys = edges.member_names()
    if validator.keys != StringValidator():
        keys = fitting(validator.keys, inner).filter(is_key)
    values = fitting(validator.values, inner)
    most = _shortest(length, _SMALL)
    if most < length.min:
        return st.nothing()
    if keys.is_empty or values.is_empty:
        return st.builds(_no_members) if length.min == 0 else st.nothing()
    return st.dictionaries(keys, values, min_size=length.min, max_size=most)


def _no_members() -> dict[str, Any]:
    return {}


def _shortest(length: Length, more: int) -> int:
    """The greatest length that is still short."""
    short = length.min + more
    return short if length.max is None else min(short, length.max)


# Objects ----------------------------------------------------------------------------------------


def objects(
    validator: ObjectValidator, world: World, chosen: Chosen | None = None
) -> SearchStrategy[dict[str, Any]]:
    """Dicts with the fields of an object. Optional ones come and go; an open one has others.

    Args:
        validator: The object.
        world: What else is known.
        chosen: Strategies for some fields, in place of what their validators mean.
    """
    if validator == _PAGES:
        return _pages()
    if world.nesting <= 0:
        return st.nothing()
    required: dict[str, SearchStrategy[Any]] = {}
    optional: dict[str, SearchStrategy[Any]] = {}
    inner = world.inner()
    for name, field in validator.fields.items():
        strategy = chosen[name] if chosen and name in chosen else fitting(field.validator, inner)
        if not field.is_optional:
            required[name] = strategy
        elif not strategy.is_empty:
            optional[name] = strategy
    known = st.fixed_dictionaries(required, optional=optional)
    if validator.is_closed:
        return known
    names = edges.field_names().filter(lambda name: name not in validator.fields)
    values = edges.any_values(inner.nesting, max_leaves=4)
    others = st.dictionaries(names, values, max_size=_SMALL)
    return st.builds(_merged, others, known)


def _merged(others: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return others | known


def _pages() -> SearchStrategy[dict[str, Any]]:
    """Options of a first page: a cursor is right for one query only, and for no other."""
    return st.fixed_dictionaries({"numItems": st.integers(1, 100), "cursor": st.none()})


# Refinements ------------------------------------------------------------------------------------


def _refined(
    base: Validator, refinements: Sequence[Refinement], world: World
) -> SearchStrategy[Any]:
    candidates = _candidates(base, refinements, world)
    if candidates.is_empty:
        return candidates

    def accepts(value: Any) -> bool:
        return all(refinement.accepts(value) for refinement in refinements)

    said = ", ".join(map(str, refinements))
    complaint = (
        f"{describe(base)} ({said}): none of the values that were drawn is so; draw it "
        "yourself with using="
    )
    return searched(candidates, accepts, complaint)


def _candidates(  # noqa: PLR0911 - as above
    base: Validator, refinements: Sequence[Refinement], world: World
) -> SearchStrategy[Any]:
    """Values of the base that are likely to be accepted by all refinements."""
    ranges = [found for found in refinements if isinstance(found, Range)]
    patterns = [found for found in refinements if isinstance(found, Pattern)]
    length = common_length(refinements)
    match base:
        case IntegerValidator() if ranges:
            return integers_in(ranges)
        case Int64Validator() if ranges:
            return integers_in(ranges).map(Int64)
        case FloatValidator() if ranges:
            return floats_in(ranges)
        case StringValidator() if patterns:
            return st.from_regex(patterns[0].regex, fullmatch=True, alphabet=edges.CHARACTERS)
        case StringValidator():
            return texts_of(length, world)
        case BytesValidator():
            return binaries_of(length, world)
        case ListValidator(items):
            return lists_of(items, length, world)
        case RecordValidator():
            return _records(base, length, world)
        case _:
            return fitting(base, world)


def common_length(refinements: Sequence[Refinement]) -> Length:
    """The bounds of all lengths together."""
    lengths = [found for found in refinements if isinstance(found, Length)]
    most = [length.max for length in lengths if length.max is not None]
    return Length(max((length.min for length in lengths), default=0), min(most, default=None))
