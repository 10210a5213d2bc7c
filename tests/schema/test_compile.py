"""The compiled checkers say what the slow walk says, and the walk says where and why.

Method: validators are drawn, then values that fit, values that may, and values broken in one place.
"""

from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.schema.validator_strategies import (
    NUMBERS,
    TABLES,
    fitting,
    validators,
    values,
)

from headwater.schema import v
from headwater.schema.compile import compile_checker
from headwater.schema.explain import (
    TableNumbers,
    ValidationError,
    Walk,
    find_mismatch,
    fits_scalar,
    join,
)
from headwater.schema.validators import (
    AnyValidator,
    Check,
    Length,
    ListValidator,
    ObjectValidator,
    Pattern,
    Range,
    Validator,
)
from headwater_indexes.ids import encode_id, mint
from headwater_indexes.values import Int64, check_value

CHANNEL = mint(NUMBERS["channels"], 1.7e12, 5)
MESSAGE = mint(NUMBERS["messages"], 1.7e12, 5)


def refusal(validator: Validator, value: Any, **options: Any) -> ValidationError | None:
    """What the compiled checker raises, None if it passes."""
    try:
        compile_checker(validator, TABLES, **options)(value)
    except ValidationError as wrong:
        return wrong
    return None


def refused(validator: Validator, value: Any, **options: Any) -> ValidationError:
    wrong = refusal(validator, value, **options)
    assert wrong is not None, f"{value!r} passed {validator!r}"
    return wrong


# Laws -------------------------------------------------------------------------------------------


@given(st.data())
def test_a_value_made_for_a_validator_passes(data: st.DataObject) -> None:
    validator = data.draw(validators)
    value = data.draw(fitting(validator))
    assert refusal(validator, value) is None
    check_value(value)


@given(st.data())
def test_compiled_checkers_agree_with_the_slow_walk(data: st.DataObject) -> None:
    validator = data.draw(validators)
    other = data.draw(validators)
    value = data.draw(values | fitting(other) | strange)
    wrong = find_mismatch(validator, value, walk=Walk(TABLES))
    got = refusal(validator, value)
    assert (wrong is None) == (got is None)
    if wrong is not None and got is not None:
        assert str(wrong) == str(got)


@given(st.data())
def test_a_value_broken_in_one_place_is_refused_there(data: st.DataObject) -> None:
    validator = data.draw(validators)
    value = data.draw(fitting(validator))
    places = list(places_of(value, ""))
    path, broken = data.draw(st.sampled_from(places))
    assert refused(validator, broken).path == path


@given(st.data())
def test_what_passes_can_be_stored(data: st.DataObject) -> None:
    validator = data.draw(validators)
    value = data.draw(values | strange | st.lists(strange, max_size=2))
    if refusal(validator, value) is None:
        check_value(value)


@given(st.data())
def test_a_misspelt_field_is_named_with_the_one_that_is_missing(data: st.DataObject) -> None:
    fields = data.draw(
        st.dictionaries(st.sampled_from(["channel", "author", "body"]), validators, min_size=1)
    )
    validator = v.object(fields)
    value = data.draw(fitting(validator))
    name = data.draw(st.sampled_from(sorted(fields)))
    value[name + "s"] = value.pop(name)
    problem = refused(validator, value).problem
    assert problem == f"unknown field '{name}s' - did you mean '{name}'? (and '{name}' is missing)"


class Color(StrEnum):
    RED = "a"


class Level(IntEnum):
    LOW = 1


strange: st.SearchStrategy[Any] = st.sampled_from(
    [
        Color.RED,
        Level.LOW,
        OrderedDict(a=1),
        "\ud800",
        2**63,
        -(2**63) - 1,
        Int64(2**63),
        {1, 2},
        (1,),
        object,
        [2**64],
        {"": 1},
        {"$x": 1},
        {3: 1},
        {"a": {"\udfff": 1}},
        bytearray(b"x"),
        True,
        1,
        1.0,
        0,
        CHANNEL,
        MESSAGE,
        CHANNEL + "x",
        CHANNEL[:-1] + "\ud800",
        encode_id(7, bytes(16)),
        encode_id(777777, bytes(16)),
    ]
)


def places_of(value: Any, path: str) -> Any:
    """Each path in a value, with the value in which a set, which is no value, stands there."""
    yield path, {1}
    if isinstance(value, list):
        for at, item in enumerate(value):
            for inner, broken in places_of(item, f"{path}[{at}]"):
                yield inner, [*value[:at], broken, *value[at + 1 :]]
    elif isinstance(value, dict):
        for key, item in value.items():
            for inner, broken in places_of(item, join(path, key)):
                yield inner, {**value, key: broken}


# Pinned examples --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("validator", "value", "message"),
    [
        (v.string(), 1, "expected str, got 1 (int)"),
        (v.integer(), True, "expected int, got True"),
        (v.integer(), 1.0, "expected int, got 1.0 (float)"),
        (v.number(), "x", "expected float, got 'x' (str)"),
        (v.boolean(), 1, "expected bool, got 1 (int)"),
        (v.null(), 0, "expected None, got 0 (int)"),
        (v.bytes(), "x", "expected bytes, got 'x' (str)"),
        (v.int64(), 5, "expected hw.Int64, got 5 (int); write hw.Int64(5)"),
        (v.int64(), 1.5, "expected hw.Int64, got 1.5 (float)"),
        (v.literal("text", "image"), "sound", "expected 'text' or 'image', got 'sound' (str)"),
        (v.literal(1), True, "expected 1, got True"),
        (v.literal(True), 1, "expected True, got 1 (int)"),
        (v.nullable(v.integer()), "x", "expected int or None, got 'x' (str)"),
        (v.list(v.integer()), [1, "x"], "[1]: expected int, got 'x' (str)"),
        (v.record(v.string(), v.integer()), {"a b": "x"}, "['a b']: expected int, got 'x' (str)"),
        (v.record(v.string(), v.integer()), 3, "expected dict of int, got 3 (int)"),
        (v.object({"a": v.string()}), [], "expected {a}, got [] (list)"),
        (v.object({"a": v.string()}), {}, "missing field 'a'"),
        (v.object({"a": v.string(), "b": v.any()}), {}, "missing field 'a', 'b'"),
        (v.object({"a": v.optional(v.any())}), {"x": 1}, "unknown field 'x' (known: a)"),
        (v.object({}), {"x": 1}, "unknown field 'x' (it takes no fields)"),
        (v.object({"a": v.string()}), {"a": "x", 3: 1}, "unknown field 3 (known: a)"),
        (
            v.object({"city": v.string(), "street": v.string()}),
            {"x": 1},
            "unknown field 'x' (known: city, street) (and 'city', 'street' are missing)",
        ),
        (v.union(), 1, "expected nothing, got 1 (int)"),
        (v.id("channels"), 3, "expected an id of table 'channels', got 3 (int)"),
        (
            v.id("channels"),
            "general",
            "expected an id of table 'channels', got 'general' (str), which is no id",
        ),
        (
            v.id("channels"),
            MESSAGE,
            f"expected an id of table 'channels', got an id of table 'messages' ('{MESSAGE}')",
        ),
        (
            v.refined(v.integer(), Range(ge=0, lt=10)),
            10,
            "expected int (>= 0 and < 10), got 10 (int)",
        ),
        (v.refined(v.string(), Length(1)), "", "expected str (length >= 1), got '' (str)"),
        (v.refined(v.string(), Length(0, 1)), "ab", "expected str (length <= 1), got 'ab' (str)"),
        (v.refined(v.string(), Length(2, 3)), "a", "expected str (length 2 to 3), got 'a' (str)"),
        (v.refined(v.string(), Pattern("a+")), "b", "expected str (matching 'a+'), got 'b' (str)"),
        (
            v.refined(v.string(), Check(str.islower, "lower case")),
            "B",
            "expected str (accepted by lower case), got 'B' (str)",
        ),
    ],
)
def test_messages_say_where_and_what(validator: Validator, value: Any, message: str) -> None:
    assert str(refused(validator, value)) == message


def test_an_id_of_a_table_that_no_one_knows_is_named_as_such() -> None:
    wrong = refused(v.id("channels"), encode_id(777, bytes(16)))
    assert "an id of a table that this database does not have" in wrong.got


def test_an_id_with_a_foreign_character_is_no_id() -> None:
    assert "which is no id" in str(refused(v.id("channels"), CHANNEL[:-1] + "é"))


def test_ids_of_any_length_are_recognized() -> None:
    numbers = TableNumbers({"small": 7, "large": 777_777}.get, lambda _: None)
    for name, number in (("small", 7), ("large", 777_777)):
        check = compile_checker(v.id(name), numbers)
        for _ in range(2):  # the second time from the beginnings that are known
            check(encode_id(number, bytes(16)))


def test_a_table_is_looked_up_when_its_first_id_is_checked() -> None:
    known: dict[str, int] = {}
    check = compile_checker(v.id("late"), TableNumbers(known.get, lambda _: None))
    with pytest.raises(ValidationError):
        check(CHANNEL)
    known["late"] = NUMBERS["channels"]
    check(CHANNEL)
    check(CHANNEL)


def test_text_that_utf8_cannot_hold_is_refused_wherever_it_is() -> None:
    assert "lone surrogate" in str(refused(v.string(), "\ud800"))
    assert refused(v.list(v.any()), ["a", ["\ud800"]]).path == "[1][0]"
    assert "lone surrogate" in str(refused(v.record(v.string(), v.any()), {"\ud800": 1}))


def test_text_that_utf8_cannot_hold_fits_no_member_of_a_union() -> None:
    person = v.object({"name": v.string(), "nick": v.optional(v.string())})
    for validator in (
        v.union(v.string(), v.integer()),
        v.union(v.literal("a"), v.string(), v.any()),
        v.union(v.null(), v.string(), v.list(v.string())),
    ):
        assert "lone surrogate" in str(refused(validator, "\ud800"))
        compile_checker(validator)("smörgås")
    people = v.list(v.union(person, v.null()))
    compile_checker(people)([None, {"name": "Zoë"}, {"name": "Al", "nick": "é"}])
    assert refused(people, [None, {"name": "Al", "nick": "\ud800"}]).path == "[1].nick"


def test_an_object_or_nothing_is_told_from_what_is_neither() -> None:
    validator = v.union(v.object({"a": v.string()}), v.null(), v.literal("end"))
    for good in ({"a": "b"}, None, "end"):
        assert refusal(validator, good) is None
        assert refusal(v.object({"in": validator}), {"in": good}) is None
    for wrong in (1, "start", {"b": None}, {"a": "b", "b": None}, {"a": 1}, []):
        assert refusal(validator, wrong) is not None
        assert refusal(v.object({"in": validator}), {"in": wrong}) is not None


def test_types_may_be_nested_more_deeply_than_python_indents() -> None:
    validator: Validator = v.null()
    value: Any = None
    for _ in range(110):
        validator, value = v.nullable(v.object({"a": validator})), {"a": value}
    assert refusal(validator, value) is None


def test_what_is_no_value_is_explained_at_its_place() -> None:
    wrong = refused(v.object({"tags": v.list(v.string())}), {"tags": {"a"}})
    assert str(wrong).startswith("tags: expected list of str; a set cannot be stored; store sorted")


def test_keys_of_a_record_have_a_type_of_their_own() -> None:
    validator = v.record(v.id("users"), v.integer())
    assert "key 'x' (str): expected an id of table 'users'" in str(refused(validator, {"x": 1}))


def test_of_a_union_the_member_that_was_meant_is_explained() -> None:
    text = v.object({"kind": v.literal("text"), "body": v.string()})
    image = v.object({"kind": v.literal("image"), "url": v.string()})
    wrong = refused(v.union(text, image), {"kind": "image", "url": 3})
    assert str(wrong) == "url: expected str, got 3 (int)"
    assert refused(v.nullable(v.list(v.string())), [3]).path == "[0]"
    assert refused(v.nullable(v.record(v.string(), v.string())), {"a": 3}).path == "a"
    assert "id of table 'messages'" in str(refused(v.nullable(v.id("channels")), MESSAGE))
    positive = v.refined(v.integer(), Range(gt=0))
    assert "(> 0)" in str(refused(v.nullable(positive), 0))


def test_nan_is_outside_of_every_range() -> None:
    assert refusal(v.refined(v.number(), Range(ge=0)), float("nan")) is not None


def test_values_of_any_type_are_nested_only_so_deep() -> None:
    validator = v.object({"a": v.list(v.any())})
    assert refusal(validator, {"a": [[[]]]}, nesting=4) is None
    assert "nested more deeply" in str(refused(validator, {"a": [[[]]]}, nesting=3))


def test_types_may_be_nested_more_deeply_than_python_blocks() -> None:
    validator: Validator = v.integer()
    value: Any = 1
    for _ in range(25):
        validator, value = v.list(validator), [value]
    assert refusal(validator, value) is None
    for _ in range(25):
        validator, value = v.record(v.string(), validator), {"a": value}
    assert refusal(validator, value) is None


def test_names_of_the_outermost_object_are_called_as_asked() -> None:
    wrong = refused(v.object({"channel": v.any()}), {"chanel": 1}, noun="argument")
    assert (
        str(wrong)
        == "unknown argument 'chanel' - did you mean 'channel'? (and 'channel' is missing)"
    )


def test_open_objects_take_other_fields_that_are_values() -> None:
    validator = v.object({"a": v.integer()}, closed=False)
    assert refusal(validator, {"a": 1, "b": [None]}) is None
    assert refused(validator, {"a": 1, "b": {1}}).path == "b"
    assert refusal(validator, {"a": 1, "$b": 1}) is not None
    assert str(refused(validator, {"b": 1})) == "missing field 'a'"


def test_paths_quote_what_is_no_identifier() -> None:
    assert join("a", "b") == "a.b"
    assert join("", "b") == "b"
    assert join("a", "b c") == "a['b c']"
    assert join("", 3) == "[3]"


def test_a_long_value_is_cut_in_messages() -> None:
    wrong = refused(v.integer(), "x" * 1000)
    assert len(wrong.got) < 80
    assert len(refused(v.integer(), [["abc" * 30] * 9] * 9).got) < 80


def test_a_checker_that_disagrees_with_the_walk_says_so() -> None:
    answers = iter([False, True])
    validator = v.refined(v.integer(), Check(lambda _: next(answers), "fickle"))
    with pytest.raises(AssertionError, match="which fits"):
        compile_checker(validator)(1)


def test_only_scalars_are_checked_as_scalars() -> None:
    with pytest.raises(AssertionError, match="no scalar"):
        fits_scalar(ListValidator(AnyValidator()), [])


def test_without_tables_no_id_fits() -> None:
    with pytest.raises(ValidationError, match="does not have"):
        compile_checker(v.id("channels"))(CHANNEL)


def test_an_object_validator_compares_by_its_fields() -> None:
    one = v.object({"a": v.string(), "b": v.any()})
    assert one == v.object({"b": v.any(), "a": v.string()})
    assert hash(one) == hash(v.object({"b": v.any(), "a": v.string()}))
    assert one != ObjectValidator(one.fields, is_closed=False)


def test_the_slow_walk_goes_through_every_kind_that_fits() -> None:
    record = v.record(v.string(), v.integer())
    assert find_mismatch(record, {"a": 1, "b": 2}) is None
    assert find_mismatch(v.list(record), [{}, {"a": 1}]) is None
    assert find_mismatch(v.object({"a": v.any()}, closed=False), {"a": 1, "b": [1]}) is None
    assert find_mismatch(v.refined(v.string(), Length(1), Pattern("a")), "a") is None
