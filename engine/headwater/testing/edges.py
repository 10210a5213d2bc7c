"""Hypothesis strategies for everything that can be stored, with a liking for the edges.

Each mixes a small pool, in which the same values come up again, with the whole domain, and names
what is adversarial: ints around the powers of two where a float cannot hold them, both zeros, NaN,
texts outside of the first plane, of control characters, and of very great length.
"""

from functools import cache
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headwater_indexes.values import INT_MAX, INT_MIN, NESTING_DEFAULT, Int64

LENGTHS: Final = (100, 441, 512, 4000)
"""Of long texts, bytes and lists: round ones, and those around which keys of indexes are cut."""

_POWERS: Final = [2**power for power in (0, 8, 31, 32, 52, 53, 54, 55, 60, 62, 63)]

SPECIAL_FLOATS: Final = (
    *(0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 5e-324, -5e-324, 1e308, 1.7976931348623157e308),
    *(float("inf"), float("-inf"), float("nan"), 2.0**53, 2.0**63, -(2.0**63), 2.0**64),
)

SPECIAL_TEXTS: Final = (
    *("", "a", "b", "ab", " ", "0", "-1", "\0", "a\0", "a\0b", "\1", "\1\1", "\1\2"),
    *("\n", "a\n", " a", "null", "$a", "_id", "A", "é", "e\u0301", "ß", "İ", "\u0661"),
    *("\u200b", "\u2028", "\u202e", "\ufeff", "\ud7ff", "\uffff", "\U00010000", "\U0001f600"),
)

CHARACTERS: Final[SearchStrategy[str]] = st.characters(codec="utf-8")
"""All that UTF-8 can hold: without lone surrogates."""

_ADVERSARIAL: Final = [
    *("\0", "\1", "\2", "a", "b", "\x7f", "é", "\ud7ff", "\uffff", "\U00010000"),
]
_SMALL: Final = 8


@st.composite
def integers_near_powers(draw: st.DrawFn) -> int:
    """Signed 64 bit ints at most 3 away from a power of two."""
    sign = draw(st.sampled_from([1, -1]))
    number: int = sign * draw(st.sampled_from(_POWERS)) + draw(st.integers(-3, 3))
    return min(max(number, INT_MIN), INT_MAX)


@cache
def integers() -> SearchStrategy[int]:
    """Signed 64 bit ints."""
    return st.integers(-3, 3) | integers_near_powers() | st.integers(INT_MIN, INT_MAX)


@cache
def floats() -> SearchStrategy[float]:
    """All floats: NaN, both zeros, the infinities, and those beside ints that they cannot hold."""
    return st.sampled_from(SPECIAL_FLOATS) | integers_near_powers().map(float) | st.floats()


@cache
def numbers() -> SearchStrategy[float]:
    """Floats, ints and `headwater.Int64`."""
    return integers() | floats() | integers().map(Int64)


@cache
def texts() -> SearchStrategy[str]:
    """Short ones, without lone surrogates. Many share beginnings, and hold what keys escape."""
    return (
        st.sampled_from(SPECIAL_TEXTS)
        | st.text(st.sampled_from(_ADVERSARIAL), max_size=6)
        | st.text(CHARACTERS, max_size=_SMALL)
    )


@cache
def binaries() -> SearchStrategy[bytes]:
    """Short ones."""
    return st.lists(st.sampled_from([0, 1, 2, 97, 254, 255]), max_size=6).map(bytes) | st.binary(
        max_size=_SMALL
    )


@cache
def scalars() -> SearchStrategy[Any]:
    """Values without others inside."""
    return st.none() | st.booleans() | numbers() | texts() | binaries()


@cache
def member_names() -> SearchStrategy[str]:
    """Keys of dicts inside a document."""
    names = ["a", "b", "c d", "é", "\0", "\1x", "_x", "\U00010000"]
    return st.sampled_from(names) | texts().filter(_is_name)


def _is_name(text: str) -> bool:
    return text != "" and not text.startswith("$")


@cache
def field_names() -> SearchStrategy[str]:
    """Names of the fields of a document."""
    return st.sampled_from(["a", "b", "c"]) | member_names().filter(
        lambda name: not name.startswith("_")
    )


@cache
def any_values(nesting: int = NESTING_DEFAULT, max_leaves: int = 8) -> SearchStrategy[Any]:
    """Everything that can be stored.

    Args:
        nesting: Levels of lists and dicts; all of them are used now and then.
        max_leaves: Scalars inside one value, about.
    """
    if nesting <= 0:
        return scalars()
    shallow = st.recursive(
        scalars(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(member_names(), inner, max_size=3)
        ),
        max_leaves=max_leaves,
    ).filter(lambda value: depth_of(value) <= nesting)
    return shallow | st.builds(nested, scalars(), st.just(nesting), st.booleans())


def nested(value: Any, levels: int, is_dict: bool) -> Any:  # noqa: FBT001 - drawn, in order
    """A value inside so many lists or dicts."""
    for _ in range(levels):
        value = {"a": value} if is_dict else [value]
    return value


def depth_of(value: Any) -> int:
    """Levels of lists and dicts."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] - of Any
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)  # pyright: ignore[reportUnknownArgumentType]
    return 0


def repeated_texts(lengths: list[int]) -> SearchStrategy[str]:
    """Texts of exactly these lengths, of few choices however long they are."""
    characters = st.sampled_from(["a", "é", "\U0001f600", "\0", " "])
    return st.builds(_text, characters, st.sampled_from(lengths), st.sampled_from(["", "b"]))


def _text(character: str, length: int, ending: str) -> str:
    return (character * length + ending)[-length:] if length else ""


def repeated_bytes(lengths: list[int]) -> SearchStrategy[bytes]:
    """Bytes of exactly these lengths."""
    return st.builds(_bytes, st.sampled_from([b"\0", b"a", b"\xff"]), st.sampled_from(lengths))


def _bytes(byte: bytes, length: int) -> bytes:
    return byte * length
