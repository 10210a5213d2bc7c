"""Why a Python value cannot be stored, in words: what it is and what to store instead."""

import reprlib
from typing import Any, Final

_ADVICE: Final = {
    "datetime.datetime": "value.timestamp() * 1000, ms since the epoch as a float",
    "datetime.date": "value.isoformat(), which sorts by date",
    "datetime.time": "value.isoformat(), which sorts by time",
    "datetime.timedelta": "value.total_seconds() * 1000, ms as a float",
    "decimal.Decimal": "str(value), or an int of minor units such as cents",
    "fractions.Fraction": "float(value), or [value.numerator, value.denominator]",
    "uuid.UUID": "str(value)",
    "pathlib.PurePath": "str(value)",
    "re.Pattern": "value.pattern",
    "ipaddress._IPAddressBase": "str(value)",
    "enum.Enum": "value.value",
    "builtins.set": "sorted(value) or list(value)",
    "builtins.frozenset": "sorted(value) or list(value)",
    "builtins.tuple": "list(value)",
    "builtins.complex": "[value.real, value.imag]",
    "builtins.bytearray": "bytes(value)",
    "builtins.memoryview": "bytes(value)",
    "builtins.mappingproxy": "dict(value)",
    "builtins.range": "list(value)",
    "builtins.generator": "list(value)",
    "builtins.coroutine": "the result of awaiting it",
    "collections.deque": "list(value)",
    "array.array": "value.tolist() or value.tobytes()",
    "numpy.ndarray": "value.tolist() or value.tobytes()",
    "numpy.generic": "value.item()",
    "pydantic.main.BaseModel": "value.model_dump()",
    "headwater_indexes.values.Missing": "None, or leave the field out",
}
"""What to store instead, by the full name of a class: to know a class is not to import it."""

EMPTY_KEY: Final = "a key is the empty string; give it at least one character"

NESTED_TOO_DEEPLY: Final = (
    "lists and dicts are nested more deeply than the limit 'nesting' allows (is the value inside "
    "itself?); flatten it, store the inner part as a document of its own, or raise the limit"
)


def not_a_value(value: object) -> str:
    """For an object whose class is no value's."""
    kind = type(value)
    name = kind.__qualname__
    if kind.__module__ != "builtins":
        name = f"{kind.__module__}.{name}"
    article = "an" if name[0].lower() in "aeio" else "a"  # a uuid.UUID, though
    return f"{article} {name} cannot be stored; store {_advice(kind)}"


def int_out_of_range(value: int, low: int, high: int) -> str:
    """For an int that 64 bits cannot hold."""
    # repr of a huge int is slow, or refused by the interpreter; its length says enough.
    shown = repr(value) if value.bit_length() < 200 else f"of {value.bit_length()} bits"
    return (
        f"the int {shown} is outside the signed 64-bit range {low} to {high}; "
        f"store str(value), or float(value) if that is exact enough"
    )


def lone_surrogate(text: str, position: int) -> str:
    """For a str that is no Unicode text."""
    return (
        f"the str {reprlib.repr(text)} has a lone surrogate at position {position}, which UTF-8 "
        f"cannot hold; store bytes, or value.encode('utf-8', 'replace').decode()"
    )


def key_not_str(key: object) -> str:
    """For a dict with another key than a str."""
    kind = type(key).__name__
    return f"the key {reprlib.repr(key)} is of type {kind}, and keys are str; use str(key)"


def dollar_key(key: str) -> str:
    """For a dict with a key that the wire format needs."""
    return f"the key {reprlib.repr(key)} starts with '$', which is reserved; rename it"


def reserved_field(name: str) -> str:
    """For a document with a field of the database's own."""
    return (
        f"field names that start with '_' are reserved for the database; rename it, or leave "
        f"{name!r} out of what you write if it came with a document that was read"
    )


def _advice(kind: type[Any]) -> str:
    for base in kind.__mro__:
        # Some standard modules keep their classes in private parts: pathlib._local.PurePath.
        advice = _ADVICE.get(f"{base.__module__.split('._')[0]}.{base.__qualname__}")
        if advice is not None:
            return advice
    if hasattr(kind, "__dataclass_fields__"):
        return "dataclasses.asdict(value)"
    return "None, a bool, int, float, str, bytes, list or dict made from it"
