"""What is drawn from a schema is taken by it, or refused by it, at the edges too."""

import math
from typing import Annotated, Any

import pytest
from hypothesis import Phase, find, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from tests.laws.model import is_same
from tests.schema.validator_strategies import TABLES, WORLD, validators
from tests.testing import shop

import headwater as hw
from headwater import testing, v
from headwater.schema.explain import Walk, find_mismatch, is_storable
from headwater.testing.fitting import fitting
from headwater.testing.misfitting import misfitting

TABLE = st.sampled_from([shop.Customers, shop.Orders])
FEW = settings(max_examples=50, database=None)
ANY = settings(max_examples=2000, database=None, derandomize=True, phases=[Phase.generate])
SMALLEST = settings(ANY, max_examples=500, phases=[Phase.generate, Phase.shrink])
FUNCTION = st.sampled_from([shop.create, shop.orders_of, shop.count])


@pytest.fixture
def db():
    with testing.database(shop) as opened:
        opened.mutate(shop.create, name="Ada")
        yield opened


def fresh():
    return testing.database(shop)


# Every validator --------------------------------------------------------------------------------


@given(st.data(), validators)
def test_what_is_drawn_for_a_validator_fits_it(data, validator):
    value = data.draw(fitting(validator, WORLD))
    assert find_mismatch(validator, value, walk=Walk(TABLES)) is None


@given(st.data(), validators)
def test_what_is_drawn_beside_a_validator_does_not_fit_it(data, validator):
    wrong = misfitting(validator, WORLD)
    if not wrong.is_empty:
        value = data.draw(wrong)
        assert find_mismatch(validator, value, walk=Walk(TABLES)) is not None


# Documents --------------------------------------------------------------------------------------


@given(st.data(), TABLE)
def test_a_drawn_document_is_inserted_and_read_back_equal(data, table):
    with fresh() as db:
        data.draw(st.just(db.mutate(shop.create, name="Ada")))
        document = data.draw(testing.documents(table, db))
        read = db.get(db.transact(lambda tx: tx.insert(table, document)))
        assert is_same({k: x for k, x in read.items() if k[0] != "_"}, document)
        assert db.verify() == []


@given(st.data(), TABLE)
def test_an_invalid_document_is_refused_and_leaves_no_trace(data, table):
    with fresh() as db:
        document = data.draw(testing.invalid_documents(table, db))
        before = db.ts
        with pytest.raises((hw.DocumentInvalidError, hw.ValueNotStorableError)):
            db.transact(lambda tx: tx.insert(table, document))
        with db.snapshot() as snapshot:
            assert snapshot.query(table).collect() == []
        assert db.ts == before


@given(st.data(), st.sampled_from(["customers", shop.Customer, shop.Customers]))
def test_a_table_is_known_by_name_by_class_and_by_document_type(data, table):
    with fresh() as db:
        document = data.draw(testing.documents(table, db))
        assert db.transact(lambda tx: tx.insert(shop.Customers, document))


@given(st.data())
def test_a_table_that_nobody_declares_takes_all_documents_but_the_invalid_ones(data):
    with testing.database() as db:
        db.transact(lambda tx: tx.insert("notes", {}))
        document = data.draw(testing.documents("notes", db))
        assert db.transact(lambda tx: tx.insert("notes", document))
        wrong = data.draw(testing.invalid_documents("notes", db))
        with pytest.raises((hw.DocumentInvalidError, hw.ValueNotStorableError)):
            db.transact(lambda tx: tx.insert("notes", wrong))


@given(st.data())
def test_a_stored_type_counts_where_no_module_declares_the_table(data):
    with testing.database() as db:
        validator = v.object({"a": v.integer(), "b": v.optional(v.string())})
        document = data.draw(testing.documents(validator, db))
        assert type(document["a"]) is int
        assert document.keys() <= {"a", "b"}


@given(st.data())
def test_any_value_is_stored(data):
    with testing.database() as db:
        value = data.draw(testing.values())
        written = db.transact(lambda tx: tx.insert("notes", {"value": value}))
        assert is_same(db.get(written)["value"], value)


@given(st.data())
def test_nothing_is_nested_deeper_than_the_database_allows(data):
    with testing.database(limits=hw.Limits(nesting=3)) as db:
        db.transact(lambda tx: tx.insert("notes", {}))
        document = data.draw(testing.documents("notes", db))
        assert db.transact(lambda tx: tx.insert("notes", document))
        wrong = data.draw(testing.invalid_documents(v.object({"x": v.any()}), db))
        assert wrong.keys() != {"x"} or not is_storable(wrong["x"], nesting=2)


# Ids --------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 3))
def test_ids_are_of_documents_that_exist_and_those_of_nobody_are_not(data, count):
    with fresh() as db:
        known = {db.mutate(shop.create, name="Ada") for _ in range(count)}
        assert data.draw(testing.ids(shop.Customers, db)) in known
        absent = data.draw(testing.ids_of_nobody("customers", db))
        assert db.get(absent) is None
        assert db.query(shop.orders_of, absent, {"numItems": 1, "cursor": None}) == 0


@given(st.data())
def test_without_dangling_ids_every_id_is_that_of_a_document(data):
    with fresh() as db:
        known = db.mutate(shop.create, name="Ada")
        order = data.draw(testing.documents(shop.Orders, db, dangling_ids=False))
        assert {order["customer"], *order["by_customer"]} == {known}
        given_arguments = data.draw(testing.arguments(shop.orders_of, db, dangling_ids=False))
        assert given_arguments["customer"] == known


def test_dangling_ids_are_found_as_well(db):
    orders = testing.arguments(shop.orders_of, db)
    assert find(orders, lambda drawn: db.get(drawn["customer"]) is None, settings=ANY)
    assert find(orders, lambda drawn: db.get(drawn["customer"]) is not None, settings=ANY)


# Arguments --------------------------------------------------------------------------------------


@given(st.data(), FUNCTION)
def test_drawn_arguments_are_taken(data, function):
    with fresh() as db:
        drawn = data.draw(testing.arguments(function, db))
        (db.mutate if function.kind == "mutation" else db.query)(function, **drawn)


@given(st.data(), FUNCTION)
def test_invalid_arguments_are_refused(data, function):
    with fresh() as db:
        drawn = data.draw(testing.invalid_arguments(function, db))
        with pytest.raises(hw.ArgumentError):
            (db.mutate if function.kind == "mutation" else db.query)(function, **drawn)


def test_arguments_without_ids_need_no_database():
    assert find(testing.arguments(shop.create), lambda drawn: "city" in drawn, settings=ANY)
    assert find(testing.arguments(shop.create), lambda drawn: "city" not in drawn, settings=ANY)


# Edges ------------------------------------------------------------------------------------------

EDGES = {
    "an empty text": (v.string(), lambda x: x == ""),
    "a long text": (v.string(), lambda x: len(x) > 511),
    "an astral text": (v.string(), lambda x: any(ord(character) > 0xFFFF for character in x)),
    "a text that ends in a line break": (v.string(), lambda x: x.endswith("\n")),
    "NaN": (v.number(), lambda x: math.isnan(x)),
    "negative zero": (v.number(), lambda x: math.copysign(1, x) == -1 and x == 0),
    "infinity": (v.number(), math.isinf),
    "an int for a float": (v.number(), lambda x: type(x) is int),
    "the greatest int": (v.integer(), lambda x: x == 2**63 - 1),
    "an int that no float holds": (v.integer(), lambda x: int(float(x)) != x),
    "a long list": (v.list(v.integer()), lambda x: len(x) > 100),
    "an empty list": (v.list(v.integer()), lambda x: x == []),
    "long bytes": (v.bytes(), lambda x: len(x) > 511),
    "the lower bound": (v.refined(v.integer(), hw.Range(ge=-12_345, lt=70_000)), (-12_345).__eq__),
    "the upper bound": (v.refined(v.integer(), hw.Range(gt=5, lt=70_000)), (69_999).__eq__),
    "the float at a bound": (v.refined(v.number(), hw.Range(gt=0.3)), (0.30000000000000004).__eq__),
    "the greatest length": (v.refined(v.string(), hw.Length(0, 300)), lambda x: len(x) == 300),
    "the least length": (v.refined(v.string(), hw.Length(70)), lambda x: len(x) == 70),
    "a digit that is not ASCII": (v.refined(v.string(), hw.Pattern(r"\d")), lambda x: x > "9"),
    "the deepest value": (v.any(), lambda x: depth(x) == 63),
}


def depth(value: Any) -> int:
    found = 0
    while isinstance(value, list) and value:
        value, found = value[0], found + 1
    return found


@pytest.mark.parametrize(("validator", "is_edge"), EDGES.values(), ids=EDGES.keys())
def test_edges_are_drawn(validator, is_edge):
    drawn = testing.documents(v.object({"x": validator}))
    assert find(drawn, lambda document: bool(is_edge(document["x"])), settings=ANY)


def test_long_lists_in_long_lists_are_not_drawn():
    numbers = testing.documents(v.object({"x": v.list(v.list(v.list(v.integer())))}))
    with pytest.raises(NoSuchExample):
        find(numbers, lambda document: parts(document["x"]) > 100_000, settings=FEW)


def parts(value: Any) -> int:
    return 1 + sum(map(parts, value)) if isinstance(value, list) else 1


BEYOND = {
    "just below": (v.refined(v.integer(), hw.Range(ge=10)), lambda x: x == 9),
    "just above": (v.refined(v.number(), hw.Range(lt=10.0)), lambda x: x == 10.0),
    "NaN": (v.refined(v.number(), hw.Range(ge=10)), lambda x: isinstance(x, float) and x != x),
    "one too many": (v.refined(v.string(), hw.Length(0, 80)), lambda x: len(x) == 81),
    "too few": (v.refined(v.list(v.null()), hw.Length(1)), lambda x: x == []),
    "a line break after a match": (v.refined(v.string(), hw.Pattern("a+")), lambda x: x == "a\n"),
    "a bool for an int": (v.integer(), lambda x: x is True),
    "an int of 65 bits": (v.integer(), lambda x: type(x) is int),
    "a lone surrogate": (v.string(), lambda x: isinstance(x, str)),
    "another case": (v.literal("gold"), lambda x: isinstance(x, str) and x.startswith("GOLD")),
    "a float for a literal": (v.literal(1), lambda x: type(x) is float and x == 1.0),
    "what a predicate refuses": (v.refined(v.integer(), hw.Check(shop.is_even)), lambda x: x == 3),
}


@pytest.mark.parametrize(("validator", "is_edge"), BEYOND.values(), ids=BEYOND.keys())
def test_what_is_just_wrong_is_drawn(validator, is_edge):
    drawn = testing.invalid_documents(v.object({"x": validator}))

    def is_found(document: dict[str, Any]) -> bool:
        try:
            return "x" in document and len(document) == 1 and bool(is_edge(document["x"]))
        except TypeError:
            return False

    assert find(drawn, is_found, settings=ANY)


# Small, repeatable, with words ------------------------------------------------------------------


def test_examples_shrink_to_small_ones(db):
    customers = testing.documents(shop.Customers, db)
    smallest = find(customers, lambda customer: len(customer["tags"]) == 3, settings=SMALLEST)
    assert smallest["tags"] == ["", "", ""]
    assert smallest["notes"] == {}
    assert len(smallest["name"]) == 1
    assert smallest.keys() == {"name", "address", "tags", "notes", "invited_by"}


def drawn_with(number: int, db: hw.Database) -> list[str]:
    found: list[str] = []

    @seed(number)
    @settings(max_examples=30, database=None, phases=[Phase.generate])
    @given(testing.documents(shop.Orders, db), testing.invalid_documents(shop.Customers, db))
    def collect(order, wrong):
        found.append(repr((order, wrong)))

    collect()
    return found


def test_the_same_seed_draws_the_same():
    runs = []
    for number in (1, 1, 2):
        with fresh() as db:
            db.mutate(shop.create, name="Ada")
            runs.append(drawn_with(number, db))
    assert runs[0] == runs[1] != runs[2]


def test_using_replaces_the_strategies_of_fields(db):
    drawn = testing.documents(shop.Customers, db, using={"name": st.just("Bob")})
    with pytest.raises(NoSuchExample):
        find(drawn, lambda customer: customer["name"] != "Bob", settings=FEW)
    least = testing.arguments(shop.create, using={"city": st.just("York")})
    assert find(least, lambda arguments: "city" in arguments, settings=ANY)["city"] == "York"


REFUSED = {
    "ids without a database": (
        lambda: testing.documents(shop.Orders),
        r"documents\(Orders\): draws ids of table 'customers', .* give the database",
    ),
    "a name without a database": (
        lambda: testing.documents("orders"),
        r"documents\('orders'\): .*; give db=",
    ),
    "no table": (
        lambda: testing.documents(int),
        r"documents\(int\): expected a table, .*, got <class 'int'>",
    ),
    "an unknown field": (
        lambda: testing.arguments(shop.create, using={"nam": st.none()}),
        r"arguments\(create\): using=: unknown field 'nam' - did you mean 'name'\?",
    ),
    "bounds that cross": (
        lambda: testing.documents(v.object({"x": v.refined(v.integer(), hw.Range(gt=3, lt=4))})),
        r"nothing fits 'x', int \(> 3 and < 4\)",
    ),
    "lengths that cross": (
        lambda: testing.documents(v.object({"x": v.refined(v.string(), hw.Length(3, 2))})),
        r"nothing fits 'x', str",
    ),
    "nothing at all": (
        lambda: testing.invalid_documents(v.object({"x": v.union()})),
        r"invalid_documents\(.*\): nothing fits 'x', nothing",
    ),
}


@pytest.mark.parametrize(("use", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_drawn_is_said(use, said):
    with pytest.raises(hw.UsageError, match=said):
        use()


def is_never(value: object) -> bool:
    return False


LOST = {
    "a predicate that accepts nothing": (
        lambda db: testing.documents(
            v.object({"x": v.refined(v.string(), hw.Check(is_never, "is_prime"))})
        ),
        r"str \(accepted by is_prime\): none of the values .* yourself with using=",
    ),
    "ids of an empty table": (
        lambda db: testing.ids(shop.Orders, db),
        r"ids\('orders'\): there is no document in the table",
    ),
    "ids of no table": (
        lambda db: testing.ids_of_nobody("prices", db),
        r"ids of table 'prices': the database has no such table, it has customers, orders",
    ),
}


@pytest.mark.parametrize(("strategy", "said"), LOST.values(), ids=LOST.keys())
def test_a_search_that_finds_nothing_ends_with_words(db, strategy, said):
    @settings(database=None)
    @given(strategy(db))
    def search(drawn):
        raise AssertionError(drawn)

    with pytest.raises(hw.UsageError, match=said):
        search()


def test_a_strategy_is_shown_as_it_was_asked_for(db):
    assert repr(testing.documents(shop.Orders, db)) == "drawn(documents(Orders))"
    assert repr(testing.invalid_arguments(shop.count)) == "drawn(invalid_arguments(count))"


def test_a_rare_value_is_searched_for():
    validator = v.refined(v.integer(), hw.Check(shop.is_even), hw.Range(ge=0, le=1))
    with pytest.raises(NoSuchExample):
        find(
            testing.documents(v.object({"x": validator})),
            lambda drawn: drawn["x"] != 0,
            settings=FEW,
        )


def test_a_refined_annotation_means_what_it_says():
    class Half(hw.Document["Half"]):
        share: Annotated[float, hw.Range(ge=0, le=0.5)]

    with pytest.raises(NoSuchExample):
        find(testing.documents(Half), lambda half: not 0 <= half["share"] <= 0.5, settings=FEW)
