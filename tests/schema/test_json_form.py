"""The JSON form is JSON, loses nothing, and has Convex's shape."""

import json

import pytest
from hypothesis import given
from tests.schema.validator_strategies import validators

from headwater.schema import v
from headwater.schema.json_form import from_json, to_json
from headwater.schema.validators import Check, Length, LiteralValidator, Pattern, Range, Validator


@given(validators)
def test_a_validator_comes_back_from_json_as_it_was(validator: Validator) -> None:
    form = json.loads(json.dumps(to_json(validator)))
    assert from_json(form) == validator
    assert to_json(from_json(form)) == form


def test_objects_have_the_shape_that_convex_gives_them() -> None:
    validator = v.object({"name": v.string(), "age": v.optional(v.number()), "by": v.id("users")})
    assert to_json(validator) == {
        "type": "object",
        "value": {
            "name": {"fieldType": {"type": "string"}, "optional": False},
            "age": {"fieldType": {"type": "number"}, "optional": True},
            "by": {"fieldType": {"type": "id", "tableName": "users"}, "optional": False},
        },
    }
    assert to_json(v.record(v.string(), v.int64())) == {
        "type": "record",
        "keys": {"type": "string"},
        "values": {"fieldType": {"type": "bigint"}, "optional": False},
    }


def test_refinements_come_back() -> None:
    even = Check(lambda number: number % 2 == 0, "even")
    for refinements in ([Range(ge=0, lt=5)], [Length(1, None)], [Pattern("a+")], [Length(0, 9)]):
        base = v.number() if isinstance(refinements[0], Range) else v.string()
        validator = v.refined(base, *refinements)
        assert from_json(to_json(validator)) == validator
    back = from_json(to_json(v.refined(v.integer(), even)))
    assert back == v.refined(v.integer(), even)


def test_a_check_that_was_read_back_accepts_everything() -> None:
    assert Check(None, "even").accepts(3)


@pytest.mark.parametrize(
    "form",
    [
        {"type": "colour"},
        {},
        {"type": "literal", "value": [1]},
        {"type": "refined", "value": {"type": "string"}, "refinements": [{"type": "colour"}]},
    ],
)
def test_a_form_of_a_later_version_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="that this version knows"):
        from_json(form)


def test_literals_differ_by_type() -> None:
    assert LiteralValidator(1) != LiteralValidator(True)
    assert LiteralValidator("a") != LiteralValidator(b"a")
    assert len({LiteralValidator(1), LiteralValidator(True), LiteralValidator(0)}) == 3
