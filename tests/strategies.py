"""Hypothesis strategies for values, documents and keys: few and all, plain and adversarial.

Each strategy mixes a small pool, in which collisions are common, with the whole domain, in which
extremes are. What is adversarial is named: numbers around the powers of two where a float64 loses
ints, texts of bytes that keys escape, and texts that differ only where a physical key is cut.
"""

from typing import Any

from hypothesis import strategies as st

from headwater_indexes.values import INT_MAX, INT_MIN, MISSING, Int64

_POWERS = [2**power for power in (0, 8, 31, 32, 52, 53, 54, 55, 60, 62, 63)]


@st.composite
def _ints_near_powers(draw: st.DrawFn) -> int:
    sign = draw(st.sampled_from([1, -1]))
    number = sign * draw(st.sampled_from(_POWERS)) + draw(st.integers(-3, 3))
    return min(max(number, INT_MIN), INT_MAX)


def integers() -> st.SearchStrategy[int]:
    """Signed 64-bit ints."""
    return st.integers(-3, 3) | _ints_near_powers() | st.integers(INT_MIN, INT_MAX)


def floats() -> st.SearchStrategy[float]:
    """All floats: NaN, both zeros, the infinities, and those beside ints that they cannot hold."""
    special = [0.0, -0.0, 0.5, 1.0, 1.5, 5e-324, -5e-324, 1e308, float("inf"), float("-inf")]
    return (
        st.sampled_from([*special, float("nan"), 2.0**63, -(2.0**63), 2.0**64])
        | _ints_near_powers().map(float)
        | st.floats()
    )


def numbers() -> st.SearchStrategy[float]:
    return integers() | floats() | integers().map(Int64)


def texts() -> st.SearchStrategy[str]:
    """Without lone surrogates. Many share beginnings and hold what keys escape."""
    alphabet = ["\0", "\1", "\2", "a", "b", "\x7f", "é", "\ud7ff", "\uffff", "\U00010000"]
    return (
        st.sampled_from(["", "a", "b", "ab", "a\0", "a\0b", "\0", "\1", "\1\1", "\1\2"])
        | st.text(st.sampled_from(alphabet), max_size=6)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    )


def binaries() -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from([0, 1, 2, 97, 254, 255]), max_size=6).map(bytes) | st.binary(
        max_size=8
    )


def scalars() -> st.SearchStrategy[Any]:
    return st.none() | st.booleans() | numbers() | texts() | binaries()


def member_names() -> st.SearchStrategy[str]:
    """Keys of dicts inside a document."""
    return st.sampled_from(
        ["a", "b", "c d", "é", "\0", "\1x", "_x", "\U00010000"]
    ) | texts().filter(lambda name: name != "" and not name.startswith("$"))


def field_names() -> st.SearchStrategy[str]:
    """Names of the fields of a document."""
    return st.sampled_from(["a", "b", "c"]) | member_names().filter(
        lambda name: not name.startswith("_")
    )


def values(max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Everything that can be stored."""
    return st.recursive(
        scalars(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(member_names(), inner, max_size=3)
        ),
        max_leaves=max_leaves,
    )


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
