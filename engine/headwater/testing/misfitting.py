"""From a validator to a Hypothesis strategy for values that it refuses: one thing is wrong."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater.schema.explain import Walk, find_mismatch
from headwater.schema.validators import (
    BytesValidator,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    Length,
    ListValidator,
    LiteralValidator,
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
from headwater.testing import edges
from headwater.testing.fitting import (
    Chosen,
    binaries_of,
    common_length,
    fitting,
    lists_of,
    objects,
    texts_of,
)
from headwater.testing.ranges import outside
from headwater.testing.world import World
from headwater_indexes.values import INT_MAX, INT_MIN, Int64

_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, Int64(1), 0.5, 1.0, float("nan")),
    *("", "a", "1", "null", b"", b"a", [], [None], ["a"], {}, {"a": 1}),
)
"""One or two of each kind: most validators refuse most of them."""

_UNSTORABLE: Final[tuple[Any, ...]] = (
    *(INT_MAX + 1, INT_MIN - 1, "\ud800", (1, 2), frozenset({1}), 1j, Decimal(1)),
    *(datetime(2024, 1, 1, tzinfo=UTC), bytearray(b"a"), range(2)),
    *({"$a": 1}, {"": 1}, {1: 1}, {"a": [frozenset({1})]}, [(1, 2)], {"\ud800": 1}),
)
"""What no table stores."""

_TRIES: Final = 5


def misfitting(validator: Validator, world: World) -> SearchStrategy[Any]:
    """Values that are refused. Never empty, unless a part of the validator fits nothing at all."""
    close: SearchStrategy[Any]
    match validator:
        case ObjectValidator():
            close = wrong_objects(validator, world)
        case ListValidator(items):
            close = _wrong_lists(validator, items, world)
        case RecordValidator():
            close = _wrong_records(validator, world)
        case UnionValidator(members):
            close = st.one_of(*(misfitting(member, world) for member in members))
        case RefinedValidator():
            close = _wrong_refined(validator, world)
        case LiteralValidator(value):
            close = st.sampled_from(_near_literals(value))
        case IdValidator(table):
            close = _wrong_ids(table, world)
        case _:
            close = st.nothing()
    others = st.sampled_from(_VALUES) | st.sampled_from(_UNSTORABLE)
    # Deeper than what fits; another kind of value where none is nested.
    deep = st.builds(edges.nested, st.none(), st.just(world.nesting + 1), st.booleans())
    return (close | others.map(deepcopy) | deep).filter(refused_by(validator, world))


def refused_by(validator: Validator, world: World) -> Callable[[Any], bool]:
    """Whether a value does not fit."""
    walk = Walk(world.tables, world.nesting)
    return lambda value: find_mismatch(validator, value, walk=walk) is not None


# Objects ----------------------------------------------------------------------------------------


def wrong_objects(
    validator: ObjectValidator, world: World, chosen: Chosen | None = None
) -> SearchStrategy[dict[str, Any]]:
    """Dicts of which one field is wrong, or missing, or unknown."""
    fields = validator.fields
    right = objects(validator, world, chosen)
    inner = world.inner()
    wrong = {name: misfitting(field.validator, inner) for name, field in fields.items()}
    ways: list[tuple[str, str]] = [
        ("wrong", name) for name, found in wrong.items() if not found.is_empty
    ]
    ways += [("missing", name) for name, field in fields.items() if not field.is_optional]
    if validator.is_closed:
        ways += [("unknown", name) for name in _unknown_names(list(fields))]
    if not ways:
        return st.nothing()

    return st.nothing() if right.is_empty else _one_field_wrong(right, wrong, ways)


@st.composite
def _one_field_wrong(
    draw: st.DrawFn,
    right: SearchStrategy[dict[str, Any]],
    wrong: Mapping[str, SearchStrategy[Any]],
    ways: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    found = dict(draw(right))
    way, name = draw(st.sampled_from(ways))
    if way == "wrong":
        found[name] = draw(wrong[name])
    elif way == "missing":
        del found[name]
    else:
        found[name] = draw(edges.scalars())
    return found


def _unknown_names(known: Sequence[str]) -> list[str]:
    """Names that are not there: a new one, and misspelt ones."""
    misspelt = [found for name in known for found in (name + "s", name.title(), name[:-1])]
    return [name for name in dict.fromkeys(("unknown", *misspelt)) if name and name not in known]


# Lists and dicts --------------------------------------------------------------------------------


def _wrong_lists(
    validator: ListValidator, items: Validator, world: World
) -> SearchStrategy[list[Any]]:
    right, wrong = fitting(validator, world), misfitting(items, world.repeated())
    if wrong.is_empty or right.is_empty:
        return st.nothing()

    return _one_item_wrong(right, wrong)


@st.composite
def _one_item_wrong(
    draw: st.DrawFn, right: SearchStrategy[list[Any]], wrong: SearchStrategy[Any]
) -> list[Any]:
    found = list(draw(right))
    position = draw(st.integers(0, len(found)))
    return [*found[:position], draw(wrong), *found[position + 1 :]]


def _wrong_records(validator: RecordValidator, world: World) -> SearchStrategy[dict[Any, Any]]:
    right, inner = fitting(validator, world), world.repeated()
    values = fitting(validator.values, inner)
    keys = edges.member_names()
    if validator.keys != StringValidator():
        keys = fitting(validator.keys, inner)
    bad_keys = misfitting(validator.keys, inner).filter(_is_hashable)
    bad_keys |= st.sampled_from(["", "$", "$a", "\ud800", 1, None, b"a"])
    pairs = st.tuples(keys, misfitting(validator.values, inner)) | st.tuples(bad_keys, values)
    if right.is_empty or pairs.is_empty:
        return st.nothing()
    return st.builds(with_member, right, pairs)


def with_member(members: dict[Any, Any], pair: tuple[Any, Any]) -> dict[Any, Any]:
    """A dict with one more member, or with another value of one."""
    return {**members, pair[0]: pair[1]}


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


# Scalars ----------------------------------------------------------------------------------------


def _near_literals(value: Any) -> list[Any]:
    """What looks like a literal and is another value."""
    match value:
        case bool():
            return [not value, int(value), str(value)]
        case int():
            return [value + 1, value - 1, float(value), str(value), bool(value)]
        case str():
            return [value + " ", value.swapcase() + "x", value[:-1], value.encode(), [value]]
        case bytes():
            return [value + b"\0", value[:-1], value.decode("latin-1")]
        case _:
            return [False, 0, ""]


def _wrong_ids(table: str, world: World) -> SearchStrategy[Any]:
    """Damaged ids, and those of other tables."""
    damaged = world.ids(table).flatmap(
        lambda text: st.sampled_from([text[:-1], text + "0", "u" + text[1:], text.upper()])
    )
    return _ids_of_others(table, world) | damaged


@st.composite
def _ids_of_others(draw: st.DrawFn, table: str, world: World) -> str:
    others = [name for name in world.names() if name != table]
    return draw(world.ids(draw(st.sampled_from(others)))) if others else ""


# Refinements ------------------------------------------------------------------------------------


def _wrong_refined(validator: RefinedValidator, world: World) -> SearchStrategy[Any]:
    base_misfits = misfitting(validator.base, world)
    candidates = st.one_of(*_beyond(validator, world), fitting(validator.base, world))
    if candidates.is_empty or base_misfits.is_empty:
        return base_misfits

    return _unaccepted(candidates, validator.refinements, base_misfits)


@st.composite
def _unaccepted(
    draw: st.DrawFn,
    candidates: SearchStrategy[Any],
    refinements: Sequence[Refinement],
    others: SearchStrategy[Any],
) -> Any:
    """Candidates that a refinement refuses; a few in vain, and it is one of the others."""
    for _ in range(_TRIES):
        value = draw(candidates)
        if not all(refinement.accepts(value) for refinement in refinements):
            return value
    return draw(others)


def _beyond(validator: RefinedValidator, world: World) -> list[SearchStrategy[Any]]:
    """Values of the base that are just outside of its refinements."""
    found: list[SearchStrategy[Any]] = []
    refinements = validator.refinements
    ranges = [refinement for refinement in refinements if isinstance(refinement, Range)]
    numbers = _numbers_outside(validator.base, ranges) if ranges else []
    if numbers:
        found.append(st.sampled_from(numbers))
    if any(isinstance(refinement, Length) for refinement in refinements):
        found += _of_wrong_lengths(validator.base, common_length(refinements), world)
    for refinement in refinements:
        if isinstance(refinement, Pattern) and isinstance(validator.base, StringValidator):
            right = st.from_regex(refinement.regex, fullmatch=True, alphabet=edges.CHARACTERS)
            found.append(right.flatmap(lambda text: st.sampled_from([text + "\n", " " + text])))
    return found


def _numbers_outside(base: Validator, ranges: Sequence[Range]) -> list[Any]:
    numbers = outside(ranges)
    match base:
        case IntegerValidator():
            return [n for n in numbers if isinstance(n, int) and INT_MIN <= n <= INT_MAX]
        case Int64Validator():
            return [Int64(n) for n in _numbers_outside(IntegerValidator(), ranges)]
        case FloatValidator():
            return [n for n in numbers if type(n) is float or INT_MIN <= n <= INT_MAX]
        case _:
            return []


def _of_wrong_lengths(base: Validator, length: Length, world: World) -> list[SearchStrategy[Any]]:
    """One too short and one too long, of the kinds that can be made so."""
    wrong = [Length(0, length.min - 1)] if length.min else []
    if length.max is not None and length.max < world.room:
        wrong.append(Length(length.max + 1, length.max + 1))
    match base:
        case StringValidator():
            return [texts_of(each, world) for each in wrong]
        case BytesValidator():
            return [binaries_of(each, world) for each in wrong]
        case ListValidator(items):
            return [lists_of(items, each, world) for each in wrong]
        case _:
            return []
