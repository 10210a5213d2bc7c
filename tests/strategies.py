"""Hypothesis strategies for values, documents and keys: those of users, and what only keys need.

Each mixes a small pool, in which collisions are common, with the whole domain, in which extremes
are: texts that differ only where a physical key is cut, and fields that are not there.
"""

from typing import Any

from hypothesis import strategies as st

from headwater.testing.edges import (
    any_values,
    binaries,
    field_names,
    floats,
    integers,
    member_names,
    numbers,
    scalars,
    texts,
)
from headwater_indexes.values import MISSING

__all__ = [
    "binaries",
    "components",
    "documents",
    "field_names",
    "floats",
    "integers",
    "long_texts",
    "member_names",
    "numbers",
    "scalars",
    "texts",
    "values",
]

values = any_values


def components() -> st.SearchStrategy[Any]:
    """What an index may find in a field: a value, or nothing."""
    return values() | st.just(MISSING)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """The fields of a document, as a user writes them."""
    return st.dictionaries(field_names(), values(max_leaves=4), max_size=4)


@st.composite
def long_texts(draw: st.DrawFn, around: int = 440) -> str:
    """Texts of about that length, most of which differ only near their end."""
    filler = draw(st.sampled_from(["x", "x", "x", "é", "\0"]))
    length = draw(st.integers(around - 40, around + 60)) // len(filler.encode())
    ending = draw(st.text(st.sampled_from(["\0", "\1", "a", "b", "x", "é"]), max_size=4))
    return filler * length + ending
