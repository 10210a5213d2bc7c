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
    ObjectValidator,
    Pattern,
    Range,
    RecordValidator,
    RefinedValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from headwater_indexes.ids import mint
from headwater_indexes.values import Int64

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


_SIMPLE: dict[type, SearchStrategy[Any]] = {
    AnyValidator: values,
    NullValidator: st.none(),
    BooleanValidator: st.booleans(),
    IntegerValidator: integers | integers.map(Int64),
    Int64Validator: integers.map(Int64),
    FloatValidator: floats | integers,
    StringValidator: texts,
    BytesValidator: st.binary(max_size=3),
}


def fitting(validator: Validator) -> SearchStrategy[Any]:
    """Values that fit."""
    match validator:
        case LiteralValidator(value):
            return st.just(value)
        case IdValidator(table):
            return ids_of(table)
        case ListValidator(items):
            return st.lists(fitting(items), max_size=3)
        case RecordValidator(inner, StringValidator()):
            return st.dictionaries(keys, fitting(inner), max_size=3)
        case RecordValidator(inner, key):
            return st.dictionaries(fitting(key), fitting(inner), max_size=3)
        case ObjectValidator():
            return _objects(validator)
        case UnionValidator(members):
            return st.one_of(*(fitting(member) for member in members))
        case RefinedValidator(base, refinements):
            close = fitting(base)
            if isinstance(base, StringValidator):
                close = st.text("abc", min_size=1, max_size=3)
            elif isinstance(base, IntegerValidator | FloatValidator):
                close = st.integers(0, 2)
            elif isinstance(base, ListValidator):
                close = st.lists(integers, min_size=1, max_size=2)
            return close.filter(lambda value: all(r.accepts(value) for r in refinements))
        case _:
            return _SIMPLE[type(validator)]


def _objects(validator: ObjectValidator) -> SearchStrategy[dict[str, Any]]:
    required = {n: fitting(f.validator) for n, f in validator.fields.items() if not f.is_optional}
    optional = {n: fitting(f.validator) for n, f in validator.fields.items() if f.is_optional}
    named = st.fixed_dictionaries(required, optional=optional)
    if validator.is_closed:
        return named
    others = keys.filter(lambda key: key not in validator.fields)
    return st.builds(
        lambda more, known: {**more, **known}, st.dictionaries(others, values, max_size=2), named
    )
