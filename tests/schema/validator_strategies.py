"""Validators, values that fit them, and values that may."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater.schema import v
from headwater.schema.explain import TableNumbers
from headwater.schema.validators import (
    INT64_MAX,
    INT64_MIN,
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
    Pattern,
    Range,
    RecordValidator,
    StringValidator,
    Validator,
)
from headwater.testing.fitting import fitting as strategy_of
from headwater.testing.world import World
from headwater_indexes.ids import mint

NUMBERS = {"channels": 10_001, "messages": 10_002, "users": 20_000}
TABLES = TableNumbers(NUMBERS.get, {number: name for name, number in NUMBERS.items()}.get)

names = st.sampled_from(["a", "b", "name", "sent_at", "two words", "é"])
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
keys = texts.filter(lambda key: key != "" and not key.startswith("$"))
integers = st.integers(INT64_MIN, INT64_MAX) | st.integers(-3, 3)
floats = st.floats() | st.sampled_from([0.0, 1.0, 1.5])

SCALARS: list[Validator] = [
    AnyValidator(),
    NullValidator(),
    BooleanValidator(),
    IntegerValidator(),
    Int64Validator(),
    FloatValidator(),
    StringValidator(),
    BytesValidator(),
]
literals = st.sampled_from(["a", "", "é", 0, 1, -1, True, False, b"", b"x"]).map(LiteralValidator)
refined = st.sampled_from(
    [
        v.refined(v.integer(), Range(ge=0, lt=10)),
        v.refined(v.number(), Range(gt=-1.5, le=2.5)),
        v.refined(v.string(), Length(1, 3)),
        v.refined(v.bytes(), Length(0, 2)),
        v.refined(v.string(), Pattern("[a-c]*")),
        v.refined(v.list(v.integer()), Length(1)),
    ]
)
scalars = st.sampled_from(SCALARS) | literals | st.sampled_from([*NUMBERS]).map(IdValidator)


def _fields(inner: SearchStrategy[Validator]) -> SearchStrategy[Validator]:
    fields = st.dictionaries(names, inner | inner.map(v.Optional), max_size=4)
    return st.builds(lambda found, closed: v.object(found, closed=closed), fields, st.booleans())


validators: SearchStrategy[Validator] = st.recursive(
    scalars | refined,
    lambda inner: st.one_of(
        inner.map(ListValidator),
        st.builds(RecordValidator, inner, st.sampled_from([v.string(), v.id("users")])),
        _fields(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda members: v.union(*members)),
    ),
    max_leaves=6,
)

values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | integers | floats | texts | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def ids_of(table: str) -> SearchStrategy[str]:
    """Ids of one table."""
    bits = st.integers(0, 2**68 - 1)
    return st.builds(mint, st.just(NUMBERS[table]), st.floats(0, 2**47), bits)


WORLD = World(ids_of, TABLES, lambda: list(NUMBERS))


def fitting(validator: Validator) -> SearchStrategy[Any]:
    """Values that fit."""
    return strategy_of(validator, WORLD)
