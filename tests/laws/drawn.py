"""Hypothesis strategies for programs over few cells, and for their interleaving."""

from typing import Any

from hypothesis import strategies as st

NUMBERS = st.integers(0, 3)
GROUPS = st.integers(0, 1)
COUNTS = st.none() | st.integers(0, 3)
ORDERS = st.sampled_from(["asc", "desc"])
SLOTS = st.integers(0, 3)


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, int]:
    found = {}
    if lower := draw(st.sampled_from(["", "gt", "gte"])):
        found[lower] = draw(NUMBERS)
    if upper := draw(st.sampled_from(["", "lt", "lte"])):
        found[upper] = draw(NUMBERS)
    return found


def reads() -> st.SearchStrategy[list[Any]]:
    return st.one_of(
        st.tuples(st.just("get"), SLOTS),
        st.tuples(st.just("range"), st.just("by_number"), st.just([]), bounds(), ORDERS, COUNTS),
        st.tuples(
            st.just("range"), st.just("by_group"), st.lists(GROUPS, min_size=1, max_size=1),
            bounds(), ORDERS, COUNTS,
        ),
        st.tuples(st.just("walk"), ORDERS, COUNTS),
    ).map(list)  # fmt: skip


def writes() -> st.SearchStrategy[list[Any]]:
    return st.one_of(
        st.tuples(st.just("insert"), GROUPS, NUMBERS),
        st.tuples(st.just("patch"), SLOTS, st.fixed_dictionaries({}, optional={
            "group": GROUPS, "number": NUMBERS, "kept": st.sampled_from(["x", "y"]),
        })),
        st.tuples(st.just("replace"), SLOTS, GROUPS, NUMBERS),
        st.tuples(st.just("delete"), SLOTS),
    ).map(list)  # fmt: skip


def programs() -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(reads() | writes(), min_size=1, max_size=4)


def read_programs() -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(reads(), min_size=1, max_size=3)


def transactions() -> st.SearchStrategy[tuple[str, list[list[Any]]]]:
    """How a program is run, and the program. Most are stepped, because those overlap."""
    return st.one_of(
        st.tuples(st.just("explicit"), programs()),
        st.tuples(st.just("explicit"), programs()),
        st.tuples(st.just("mutate"), programs()),
        st.tuples(st.just("transact"), programs()),
        st.tuples(st.just("snapshot"), read_programs()),
    )


def seeds() -> st.SearchStrategy[list[tuple[int, int]]]:
    """Groups and numbers of the cells at the beginning."""
    return st.lists(st.tuples(GROUPS, NUMBERS), min_size=1, max_size=4)
