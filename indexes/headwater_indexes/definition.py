"""What an index is, which key a document has in it, and which keys a range of it holds."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, final

from headwater_indexes.errors import DefinitionError, RangeError
from headwater_indexes.intervals import KEYS_END
from headwater_indexes.keys import compile_entry_encoder, encode_value, prefix_end
from headwater_indexes.values import MISSING, Missing, Value, check_value

FIELDS_MAX: Final = 16
NAME_LENGTH_MAX: Final = 64
FIELD_LENGTH_MAX: Final = 1024
BY_ID: Final = "by_id"
BY_CREATION_TIME: Final = "by_creation_time"
RESERVED_NAMES: Final = frozenset({BY_ID, BY_CREATION_TIME})
CREATION_TIME: Final = "_creationTime"

_REDUNDANT: Final = {
    CREATION_TIME: "can only come last, where it is implied; drop it",
    "_id": "is in every index as the last tie-break; drop it",
}

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


@final
class Unbounded:
    """The type of ``UNBOUNDED``: no bound, as ``None`` and ``MISSING`` are values to compare to."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNBOUNDED"


UNBOUNDED: Final = Unbounded()


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """An index of one table: its entries sort by the fields, then by the document's id.

    Ids sort by creation time, so ties are broken by ``_creationTime``, then by ``_id``.

    Attributes:
        name: Identifier in ASCII, up to 64 characters, not starting with ``_``.
        fields: 1 to 16 field names, dotted for fields of dicts. ``_creationTime`` may come last;
            it is implied, and dropped here.
        unique: Whether no two documents may have equal fields.
        roots: Names of the fields of the document that the keys are made from.

    Raises:
        DefinitionError: Any of that is not so.
    """

    name: str
    fields: tuple[str, ...]
    unique: bool = False
    roots: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _entry_key: Callable[[Mapping[str, Any], str], bytes] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_name(self.name)
        fields = tuple(self.fields)
        if fields[-1:] == (CREATION_TIME,):
            fields = fields[:-1]
        _check_fields(self.name, fields)
        paths = [name.split(".") for name in fields]
        # The class is frozen; what is derived from its fields is set around that.
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "roots", tuple(path[0] for path in paths))
        object.__setattr__(self, "_entry_key", compile_entry_encoder(paths))

    def key_of(self, fields: Mapping[str, Any], id: str) -> bytes:
        """The logical key of a document's entry: its encoded fields, then the id. About 0.7 us.

        Raises:
            NotStorableError: A field holds what is no value.
        """
        return self._entry_key(fields, id)

    def encode_prefix(self, values: Sequence[Value | Missing]) -> bytes:
        """The encoded values of the first fields.

        Raises:
            RangeError: There are more values than fields.
            NotStorableError: One of them is no value.
        """
        if len(values) > len(self.fields):
            raise RangeError(
                f"{self}: {len(values)} values to compare with, and {len(self.fields)} fields; "
                f"{values[len(self.fields)]!r} has no field"
            )
        return b"".join(map(_encode_bound, self.fields, values))

    def __str__(self) -> str:
        return f"index {self.name!r} on {', '.join(map(repr, self.fields))}"


def _creation_order() -> IndexDefinition:
    """The definition that no application can make: its name and its field are reserved."""
    definition = object.__new__(IndexDefinition)
    encoder = compile_entry_encoder([[CREATION_TIME]])
    fields = (CREATION_TIME,)
    facts = {"name": BY_CREATION_TIME, "fields": fields, "unique": False, "roots": fields}
    for name, fact in {**facts, "_entry_key": encoder}.items():
        object.__setattr__(definition, name, fact)
    return definition


CREATION_ORDER: Final = _creation_order()
"""The order of creation as an index with entries, for a table whose ids are in another order."""


def range_bounds(
    definition: IndexDefinition,
    equal: Sequence[Value | Missing] = (),
    *,
    gt: Value | Missing | Unbounded = UNBOUNDED,
    gte: Value | Missing | Unbounded = UNBOUNDED,
    lt: Value | Missing | Unbounded = UNBOUNDED,
    lte: Value | Missing | Unbounded = UNBOUNDED,
) -> tuple[bytes, bytes, int]:
    """The keys of an index whose first fields have these values and whose next is in bounds.

    Args:
        definition: The index.
        equal: Values of the first fields; `MISSING` for a field that is not there.
        gt: The next field is above this.
        gte: The next field is this or above.
        lt: The next field is below this.
        lte: The next field is this or below.

    Returns:
        ``low`` (inclusive), ``high`` (exclusive) and the length of the prefix that both share.
        ``low == high`` if no value is within the bounds.

    Raises:
        RangeError: There are more values than fields, or two bounds on one side.
        NotStorableError: One of the values is no value.
    """
    prefix = definition.encode_prefix(equal)
    low, high = prefix, prefix_end(prefix)
    if gte is not UNBOUNDED:
        low = prefix + _encode_next(definition, len(equal), "gte", gte)
    if gt is not UNBOUNDED:
        _refuse_second(definition, ("gt", gt), ("gte", gte))
        low = prefix_end(prefix + _encode_next(definition, len(equal), "gt", gt))
    if lt is not UNBOUNDED:
        high = prefix + _encode_next(definition, len(equal), "lt", lt)
    if lte is not UNBOUNDED:
        _refuse_second(definition, ("lt", lt), ("lte", lte))
        high = prefix_end(prefix + _encode_next(definition, len(equal), "lte", lte))
    return low, max(low, high), len(prefix)


assert prefix_end(b"") == KEYS_END, "a range without bounds is the whole space"


def _refuse_second(
    definition: IndexDefinition, first: tuple[str, Value], second: tuple[str, Value]
) -> None:
    if first[1] is not UNBOUNDED and second[1] is not UNBOUNDED:
        side = "lower" if first[0] == "gt" else "upper"
        raise RangeError(
            f"{definition}: two {side} bounds, {first[0]}={first[1]!r} and "
            f"{second[0]}={second[1]!r}; give one of them"
        )


def _encode_next(definition: IndexDefinition, position: int, name: str, value: Value) -> bytes:
    if position == len(definition.fields):
        raise RangeError(
            f"{definition}: {name}={value!r} has no field left to compare with, as all "
            f"{position} have an equal value; ties are in order of creation"
        )
    return _encode_bound(definition.fields[position], value)


def _encode_bound(name: str, value: Value | Missing) -> bytes:
    if not (type(value) is str and value.isascii()) and value is not MISSING:
        # The encoder recurses; this refuses what is nested too deeply for it, and names the field.
        check_value(value, path=name)
    return encode_value(value)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX:
        raise DefinitionError(
            f"{name!r} cannot name an index; expected 1 to {NAME_LENGTH_MAX} of A-Z, a-z, 0-9 "
            f"and _, beginning with a letter"
        )
    if name in RESERVED_NAMES:
        raise DefinitionError(
            f"the index name {name!r} is reserved; every table is in that order without an index"
        )


def _check_fields(name: str, fields: tuple[str, ...]) -> None:
    if not 0 < len(fields) <= FIELDS_MAX:
        raise DefinitionError(
            f"index {name!r} has {len(fields)} fields (not counting _creationTime at the end); "
            f"expected 1 to {FIELDS_MAX}"
        )
    for position, path in enumerate(fields):
        if path in fields[:position]:
            raise DefinitionError(f"index {name!r} has the field {path!r} twice; drop one of them")
        problem = _field_problem(path)
        if problem is not None:
            raise DefinitionError(f"index {name!r}: the field {path!r} {problem}")


def _field_problem(path: str) -> str | None:
    steps = path.split(".")
    if path in _REDUNDANT:
        return _REDUNDANT[path]
    if len(path) > FIELD_LENGTH_MAX:
        return f"has {len(path)} characters; expected up to {FIELD_LENGTH_MAX}"
    if not all(steps):
        return "has an empty name; expected names with single dots between them"
    if path.startswith("_") or any(step.startswith("$") for step in steps):
        return "has a name that starts with '_' or '$', and no field of a document does"
    return None
