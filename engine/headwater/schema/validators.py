"""The algebra of validators: what a value may be, as immutable data.

A validator says nothing about how it is checked: `headwater.schema.compile` turns one into a fast
function, `headwater.schema.explain` walks one to say what is wrong with a value, and
`headwater.schema.json_form` writes one down. The public constructors are in `headwater.schema.v`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1

LiteralValue: TypeAlias = str | int | bool | bytes | None


class Simple:
    """Base of the validators that say no more than their kind: all of one kind are equal.

    Written by hand, because making a dataclass takes half a millisecond of every import.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class AnyValidator(Simple):
    """Every storable value."""

    __slots__ = ()


class NullValidator(Simple):
    """``None`` only."""

    __slots__ = ()


class BooleanValidator(Simple):
    """``True`` or ``False``; no number is one."""

    __slots__ = ()


class IntegerValidator(Simple):
    """A signed 64 bit ``int``; a ``bool`` is none."""

    __slots__ = ()


class Int64Validator(Simple):
    """A `headwater_indexes.values.Int64`, which reaches clients as a ``BigInt``."""

    __slots__ = ()


class FloatValidator(Simple):
    """A ``float``, or an ``int`` as everywhere in Python; a ``bool`` is none."""

    __slots__ = ()


class StringValidator(Simple):
    """A ``str`` without lone surrogates."""

    __slots__ = ()


class BytesValidator(Simple):
    """A ``bytes``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class LiteralValidator:
    """One exact value: type and value both count, so that ``True`` is not ``1``."""

    value: LiteralValue

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LiteralValidator)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class IdValidator:
    """The id of a document of one table; whether the document exists is not asked."""

    table: str


@dataclass(frozen=True, slots=True)
class ListValidator:
    """A ``list`` whose items all fit."""

    items: "Validator"


@dataclass(frozen=True, slots=True)
class RecordValidator:
    """A ``dict`` with any keys that are strings and fit; all its values fit."""

    values: "Validator"
    keys: "Validator" = field(default_factory=StringValidator)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an object. An optional one may be absent, which is not ``None``."""

    validator: "Validator"
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class ObjectValidator:
    """A ``dict`` with named fields. A closed one, as usual, has no others.

    The order of the fields is kept for messages; it does not count in a comparison.
    """

    fields: Mapping[str, Field]
    is_closed: bool = True

    def __hash__(self) -> int:
        return hash((frozenset(self.fields.items()), self.is_closed))


@dataclass(frozen=True, slots=True)
class UnionValidator:
    """Any of the members; with none of them, nothing fits."""

    members: "tuple[Validator, ...]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnionValidator) and set(self.members) == set(other.members)

    def __hash__(self) -> int:
        return hash(frozenset(self.members))


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bounds of a number: ``ge``/``le`` are inclusive, ``gt``/``lt`` are not. NaN is outside."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    def accepts(self, value: Any) -> bool:
        """Whether a number lies inside."""
        return (
            (self.ge is None or value >= self.ge)
            and (self.gt is None or value > self.gt)
            and (self.le is None or value <= self.le)
            and (self.lt is None or value < self.lt)
        )

    def __str__(self) -> str:
        bounds = ((">=", self.ge), (">", self.gt), ("<=", self.le), ("<", self.lt))
        return " and ".join(f"{sign} {bound!r}" for sign, bound in bounds if bound is not None)


@dataclass(frozen=True, slots=True)
class Length:
    """Bounds, both inclusive, of the length of a string, bytes, list or dict."""

    min: int = 0
    max: int | None = None

    def accepts(self, value: Any) -> bool:
        """Whether the length lies inside."""
        return self.min <= len(value) and (self.max is None or len(value) <= self.max)

    def __str__(self) -> str:
        if self.max is None:
            return f"length >= {self.min}"
        return f"length <= {self.max}" if not self.min else f"length {self.min} to {self.max}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that the whole string matches (`re.fullmatch`)."""

    regex: str

    def __post_init__(self) -> None:
        re.compile(self.regex)

    def accepts(self, value: Any) -> bool:
        """Whether the whole string matches."""
        return re.fullmatch(self.regex, value) is not None

    def __str__(self) -> str:
        return f"matching {self.regex!r}"


@dataclass(frozen=True, slots=True)
class Check:
    """A predicate of the application, compared and stored by its name.

    Args:
        function: Called with a value that already fits the type; returns whether it is accepted.
            None, as read back from a database, accepts everything.
        name: Shown in messages; the function's own name if omitted.
    """

    function: Callable[[Any], object] | None = field(compare=False)
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", getattr(self.function, "__qualname__", "check"))

    def accepts(self, value: Any) -> bool:
        """Whether the predicate holds."""
        return self.function is None or bool(self.function(value))

    def __str__(self) -> str:
        return f"accepted by {self.name}"


Refinement: TypeAlias = Range | Length | Pattern | Check


@dataclass(frozen=True, slots=True)
class RefinedValidator:
    """A value that fits the base, and then each refinement, in this order."""

    base: "Validator"
    refinements: tuple[Refinement, ...]


Validator: TypeAlias = (
    AnyValidator
    | NullValidator
    | BooleanValidator
    | IntegerValidator
    | Int64Validator
    | FloatValidator
    | StringValidator
    | BytesValidator
    | LiteralValidator
    | IdValidator
    | ListValidator
    | RecordValidator
    | ObjectValidator
    | UnionValidator
    | RefinedValidator
)

_SIMPLE_NAMES: Final[Mapping[type, str]] = {
    AnyValidator: "any value",
    NullValidator: "None",
    BooleanValidator: "bool",
    IntegerValidator: "int",
    Int64Validator: "hw.Int64",
    FloatValidator: "float",
    StringValidator: "str",
    BytesValidator: "bytes",
}


def describe(validator: Validator) -> str:  # noqa: PLR0911 - one for each kind
    """A validator in a few words, for messages."""
    match validator:
        case LiteralValidator(value):
            return repr(value)
        case IdValidator(table):
            return f"an id of table {table!r}"
        case ListValidator(items):
            return f"list of {describe(items)}"
        case RecordValidator(values):
            return f"dict of {describe(values)}"
        case ObjectValidator(fields):
            return (
                "{" + ", ".join(f + ("?" if k.is_optional else "") for f, k in fields.items()) + "}"
            )
        case UnionValidator(members):
            return " or ".join(describe(member) for member in members) or "nothing"
        case RefinedValidator(base, refinements):
            return f"{describe(base)} ({', '.join(map(str, refinements))})"
        case _:
            return _SIMPLE_NAMES[type(validator)]


def union_of(*members: Validator) -> Validator:
    """The union, flattened and without duplicates; a single member is itself."""
    flat: dict[Validator, None] = {}
    for member in members:
        inner = member.members if isinstance(member, UnionValidator) else (member,)
        flat.update(dict.fromkeys(inner))
    return next(iter(flat)) if len(flat) == 1 else UnionValidator(tuple(flat))
