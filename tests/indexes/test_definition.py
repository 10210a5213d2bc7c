"""Which key a document has in an index, and that a range holds the documents it names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import components, documents

from headwater_indexes import keys
from headwater_indexes.definition import UNBOUNDED, IndexDefinition, range_bounds
from headwater_indexes.errors import DefinitionError, NotStorableError, RangeError
from headwater_indexes.values import MISSING, compare

ID = "j57032yfwnm010009adcb1katyxgjeyp"
BY_AB = IndexDefinition("by_ab", ("a", "b.c"))
FEW = st.sampled_from([MISSING, None, 0, 1, 2.5, "", "a", "a\0", "b", [1]])


def _fields(a: Any, c: Any) -> dict[str, Any]:
    fields = {} if a is MISSING else {"a": a}
    return fields if c is MISSING else {**fields, "b": {"c": c}}


@given(components(), components())
def test_a_key_is_the_fields_and_the_id(a: Any, c: Any) -> None:
    key = BY_AB.key_of(_fields(a, c), ID)
    assert key == keys.encode([a, c]) + ID.encode()
    assert BY_AB.encode_prefix([a]) == keys.encode([a])


@given(documents())
def test_every_document_is_in_every_index(fields: dict[str, Any]) -> None:
    low, high, _ = range_bounds(BY_AB)
    assert low <= BY_AB.key_of(fields, ID) < high


@given(
    st.tuples(FEW, FEW) | st.tuples(components(), components()),
    st.lists(FEW, max_size=1),
    st.sampled_from([("gt", 1, 2), ("gte", 0, 2), (None, -2, 2)]),
    st.sampled_from([("lt", -2, -1), ("lte", -2, 0), (None, -2, 2)]),
    FEW | components(),
    FEW | components(),
)
def test_a_range_holds_the_keys_within_its_bounds(
    row: tuple[Any, Any],
    equal: list[Any],
    lower: tuple[str | None, int, int],
    upper: tuple[str | None, int, int],
    low_value: Any,
    high_value: Any,
) -> None:
    bounds = {
        name: value
        for (name, _, _), value in ((lower, low_value), (upper, high_value))
        if name is not None
    }
    low, high, prefix_length = range_bounds(BY_AB, equal, **bounds)
    value = row[len(equal)]
    expected = (
        all(compare(a, b) == 0 for a, b in zip(row, equal, strict=False))
        and (lower[0] is None or lower[1] <= compare(value, low_value) <= lower[2])
        and (upper[0] is None or upper[1] <= compare(value, high_value) <= upper[2])
    )
    key = BY_AB.key_of(_fields(*row), ID)
    assert (low <= key < high) == expected
    assert low <= high
    assert low[:prefix_length] == keys.encode(equal)


@given(FEW, FEW)
def test_all_fields_may_be_equal(a: Any, c: Any) -> None:
    low, high, prefix_length = range_bounds(BY_AB, [a, c])
    assert low <= BY_AB.key_of(_fields(a, c), ID) < high
    assert prefix_length == len(low)


def test_none_and_missing_are_bounds_like_others() -> None:
    absent = BY_AB.key_of({}, ID)
    null = BY_AB.key_of({"a": None}, ID)
    low, high, _ = range_bounds(BY_AB, gt=MISSING, lte=None)
    assert not low <= absent < high
    assert low <= null < high
    assert repr(UNBOUNDED) == "UNBOUNDED"


def test_creation_time_is_implied_at_the_end() -> None:
    definition = IndexDefinition("by_a", ("a", "_creationTime"))
    assert definition.fields == ("a",)
    assert definition == IndexDefinition("by_a", ("a",))
    assert hash(definition) == hash(IndexDefinition("by_a", ("a",)))
    assert definition != IndexDefinition("by_a", ("a",), unique=True)
    assert str(definition) == "index 'by_a' on 'a'"


def test_fields_may_have_any_name_that_documents_may_have() -> None:
    definition = IndexDefinition("by_names", ("IMDB Rating", "é.ü", "a._b", '"'))
    fields = {"IMDB Rating": 1, "é": {"ü": 2}, "a": {"_b": 3}, '"': 4}
    assert definition.key_of(fields, "x") == keys.encode([1, 2, 3, 4]) + b"x"


@pytest.mark.parametrize("name", ["", "_x", "1x", "a-b", "a b", "é", "x" * 65, "a\n"])
def test_a_name_is_an_identifier(name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot name an index"):
        IndexDefinition(name, ("a",))


@pytest.mark.parametrize("name", ["by_id", "by_creation_time"])
def test_names_of_orders_that_every_table_has_are_reserved(name: str) -> None:
    with pytest.raises(DefinitionError, match="reserved"):
        IndexDefinition(name, ("a",))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ((), "has 0 fields"),
        (("_creationTime",), "has 0 fields"),
        (tuple(f"f{number}" for number in range(17)), "has 17 fields"),
        (("a", "b", "a"), "'a' twice"),
        (("_creationTime", "a"), "can only come last"),
        (("_id",), "last tie-break"),
        (("_a",), "starts with '_' or"),
        (("a.$b",), "starts with '_' or"),
        (("",), "empty name"),
        (("a..b",), "empty name"),
        (("a.",), "empty name"),
        (("x" * 1025,), "1025 characters"),
    ],
)
def test_fields_that_cannot_be_indexed_are_refused(fields: tuple[str, ...], reason: str) -> None:
    with pytest.raises(DefinitionError, match=reason):
        IndexDefinition("by_x", fields)


def test_sixteen_fields_are_fine() -> None:
    assert len(IndexDefinition("by_x", tuple(f"f{n}" for n in range(16))).fields) == 16


def test_bounds_that_no_range_can_have_are_refused() -> None:
    with pytest.raises(RangeError, match="3 values to compare with, and 2 fields; 3 has no field"):
        range_bounds(BY_AB, [1, 2, 3])
    with pytest.raises(RangeError, match="gt=5 has no field left to compare with, as all 2"):
        range_bounds(BY_AB, [1, 2], gt=5)
    with pytest.raises(RangeError, match="lte=None has no field left"):
        range_bounds(BY_AB, [1, 2], lte=None)
    with pytest.raises(RangeError, match="two lower bounds, gt=1 and gte=2"):
        range_bounds(BY_AB, gt=1, gte=2)
    with pytest.raises(RangeError, match="two upper bounds, lt=1 and lte=2"):
        range_bounds(BY_AB, lt=1, lte=2)


def test_a_bound_that_is_no_value_is_refused_by_the_name_of_its_field() -> None:
    nested: Any = 1
    for _ in range(70):
        nested = [nested]
    for value in ((), nested, "\ud800", [set()]):
        with pytest.raises(NotStorableError, match=r"^b\.c"):
            range_bounds(BY_AB, [1], gte=value)
        with pytest.raises(NotStorableError, match=r"^a"):
            range_bounds(BY_AB, [value])
