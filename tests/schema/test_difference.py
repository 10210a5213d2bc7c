"""A validator that accepts all that another did really does; differences are told in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.validator_strategies import TABLES, fitting, validators

from headwater.schema import v
from headwater.schema.difference import accepts_all, differences
from headwater.schema.explain import Walk, find_mismatch
from headwater.schema.validators import Length, ObjectValidator, Pattern, Range, Validator


def widened(validator: Validator) -> st.SearchStrategy[Validator]:
    """Validators that are often, but not always, wider."""
    options = [v.nullable(validator), v.union(validator, v.string()), v.any(), validator]
    if isinstance(validator, ObjectValidator):
        loose = {name: v.Optional(field.validator) for name, field in validator.fields.items()}
        options += [v.object(loose), v.object({**loose, "new": v.optional(v.any())})]
        options += [v.object(loose, closed=False), v.record(v.string(), v.any())]
    return st.sampled_from(options)


@given(st.data())
def test_what_is_accepted_by_proof_is_accepted_in_fact(data: st.DataObject) -> None:
    old = data.draw(validators)
    new = data.draw(validators | widened(old))
    if accepts_all(new, old):
        value = data.draw(fitting(old))
        assert find_mismatch(new, value, walk=Walk(TABLES)) is None


@given(validators)
def test_every_validator_accepts_what_it_did(validator: Validator) -> None:
    assert accepts_all(validator, validator)
    assert accepts_all(v.any(), validator)
    assert accepts_all(v.nullable(validator), validator)
    assert differences(validator, validator) == []


STRING, INTEGER, NUMBER = v.string(), v.integer(), v.number()
WIDER = [
    (NUMBER, INTEGER),
    (NUMBER, v.int64()),
    (INTEGER, v.int64()),
    (STRING, v.id("users")),
    (STRING, v.literal("a")),
    (v.union(v.literal(True), v.literal(False)), v.boolean()),
    (v.list(NUMBER), v.list(INTEGER)),
    (v.record(STRING, NUMBER), v.record(STRING, INTEGER)),
    (v.record(STRING, NUMBER), v.object({"a": INTEGER})),
    (v.object({"a": v.optional(STRING)}), v.object({"a": STRING})),
    (v.object({"a": v.optional(STRING)}), v.object({})),
    (v.object({"a": STRING}, closed=False), v.object({"a": STRING, "b": STRING})),
    (v.object({"a": v.optional(v.any())}, closed=False), v.object({}, closed=False)),
    (STRING, v.refined(STRING, Length(1))),
    (v.refined(STRING, Length(1, 9)), v.refined(STRING, Length(2, 3))),
    (v.refined(STRING, Length(1)), v.refined(STRING, Length(2, 3))),
    (v.refined(STRING, Pattern("a")), v.refined(STRING, Pattern("a"), Length(1))),
    (v.refined(NUMBER, Range(ge=0)), v.refined(INTEGER, Range(gt=0))),
    (v.refined(NUMBER, Range(gt=0, lt=9)), v.refined(NUMBER, Range(ge=1, le=8))),
    (v.refined(NUMBER, Range(gt=0, lt=9)), v.refined(NUMBER, Range(gt=0, lt=9.0))),
    (v.refined(NUMBER, Range(le=9)), v.refined(NUMBER, Range(lt=9))),
    (v.refined(NUMBER, Range(ge=0, le=9)), v.refined(NUMBER, Range(ge=1, le=8))),
    (v.refined(NUMBER, Range(ge=0)), v.literal(3)),
]
NOT_WIDER = [
    (INTEGER, NUMBER),
    (v.id("users"), STRING),
    (v.id("users"), v.id("channels")),
    (v.literal("a"), STRING),
    (v.literal(True), v.boolean()),
    (STRING, v.nullable(STRING)),
    (v.list(INTEGER), v.list(NUMBER)),
    (v.list(v.any()), v.record(STRING, v.any())),
    (v.record(v.id("users"), NUMBER), v.object({"a": INTEGER})),
    (v.record(STRING, NUMBER), v.object({}, closed=False)),
    (v.object({}), v.record(STRING, v.any())),
    (v.object({"a": STRING}), v.object({"a": v.optional(STRING)})),
    (v.object({"a": STRING}), v.object({})),
    (v.object({}), v.object({"a": STRING})),
    (v.object({"a": STRING}), v.object({"a": INTEGER})),
    (v.object({}), v.object({}, closed=False)),
    (v.object({"a": v.optional(STRING)}, closed=False), v.object({}, closed=False)),
    (v.refined(STRING, Length(1)), STRING),
    (v.refined(STRING, Length(2, 3)), v.refined(STRING, Length(1, 3))),
    (v.refined(STRING, Length(1, 2)), v.refined(STRING, Length(1))),
    (v.refined(STRING, Pattern("a")), v.refined(STRING, Pattern("b"))),
    (v.refined(STRING, Pattern("a")), v.refined(STRING, Length(1))),
    (v.refined(NUMBER, Range(gt=0)), v.refined(NUMBER, Range(ge=0))),
    (v.refined(NUMBER, Range(ge=0)), v.refined(NUMBER, Range(le=0))),
    (v.refined(NUMBER, Range(lt=0)), v.refined(NUMBER, Range(le=0))),
    (v.refined(NUMBER, Range(le=0)), v.refined(NUMBER, Range(ge=0))),
    (v.refined(NUMBER, Range(le=0)), v.refined(STRING, Length(1))),
]


@pytest.mark.parametrize(("new", "old"), WIDER)
def test_a_wider_type_is_recognized(new: Validator, old: Validator) -> None:
    assert accepts_all(new, old)


@pytest.mark.parametrize(("new", "old"), NOT_WIDER)
def test_a_type_that_is_not_wider_is_never_taken_for_one(new: Validator, old: Validator) -> None:
    assert not accepts_all(new, old)


def test_differences_are_told_field_by_field() -> None:
    old = v.object(
        {
            "name": STRING,
            "age": INTEGER,
            "gone": STRING,
            "left": STRING,
            "right": v.optional(STRING),
            "items": v.list(v.object({"a": STRING})),
        }
    )
    new = v.object(
        {
            "name": STRING,
            "age": STRING,
            "left": v.optional(STRING),
            "right": STRING,
            "items": v.list(v.object({"a": INTEGER}, closed=False)),
            "tag": STRING,
            "mark": v.optional(STRING),
        }
    )
    assert differences(old, new) == [
        "field 'age': was int, is str",
        "field 'gone' is gone",
        "field 'left' may be absent now",
        "field 'right' may no longer be absent",
        "field 'items[].a': was str, is int",
        "field 'items[]': other fields are allowed now",
        "field 'tag' is new and required: str",
        "field 'mark' is new and optional: str",
    ]
    assert differences(v.object({}, closed=False), v.object({})) == [
        "other fields are no longer allowed"
    ]
    assert differences(STRING, INTEGER) == ["was str, is int"]
