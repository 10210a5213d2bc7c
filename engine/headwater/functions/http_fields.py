"""Headers and query parameters: names with one or several values, in the order of the request."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Final, TypeAlias, cast

from headwater.errors import ArgumentError

GivenFields: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Fields as a caller writes them: a dict, or pairs where a name may come several times."""

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110, section 5.6.2."""
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
"""What a field's value may hold, as Latin-1: RFC 9110, section 5.5."""


class _Fields(Mapping[str, str]):
    """A read-only mapping to the first value of each name; `get_all` has the others."""

    __slots__ = ("_pairs",)

    def __init__(self, fields: GivenFields = ()) -> None:
        self._pairs: tuple[tuple[str, str], ...] = tuple(
            (self._folded(name), value) for name, value in _pairs_of(fields)
        )

    @staticmethod
    def _folded(name: str) -> str:
        return name

    def __getitem__(self, name: str) -> str:
        for value in self.get_all(name):
            return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self._pairs})

    def get_all(self, name: str) -> list[str]:
        """Every value of a name, in order; empty if there is none."""
        folded = self._folded(name)
        return [value for known, value in self._pairs if known == folded]

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every name with a value, in order; a name that has several comes several times."""
        return self._pairs


def _pairs_of(fields: GivenFields) -> Iterable[tuple[str, str]]:
    if isinstance(fields, _Fields):
        return fields.pairs()
    if isinstance(fields, Mapping):
        return cast("Mapping[str, str]", fields).items()
    return fields


class Headers(_Fields):
    """The headers of a request or response. Names are the same in upper and lower case.

    A mapping from each name, in lower case, to its first value; values are Latin-1, as they came.
    """

    __slots__ = ()
    _shown: ClassVar[frozenset[str]] = frozenset({"accept", "content-length", "content-type"})

    @staticmethod
    def _folded(name: str) -> str:
        return name.lower()

    def __repr__(self) -> str:
        # Others hold tokens, cookies and signatures, and this is what ends up in logs.
        shown = [f"{n}: {v}" if n in self._shown else n for n, v in self._pairs]
        return f"<headers {', '.join(shown)}>"


class QueryParameters(_Fields):
    """What follows the question mark of an address, decoded.

    A mapping from each name to its first value.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<query parameters {', '.join(self)}>"


def response_headers(fields: GivenFields) -> Headers:
    """The headers of a response, checked, so that nothing that came with a request can add one.

    Raises:
        ArgumentError: A name or value cannot be sent.
    """
    headers = Headers(fields)
    for name, value in headers.pairs():
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ArgumentError(
                f"hw.Response(headers=...): {name[:100]!r}: {value[:100]!r} cannot be sent: a name "
                "is letters, digits and dashes, and a value has no line breaks and only the "
                "characters of Latin-1"
            )
        if name in _OF_THE_SERVER:
            raise ArgumentError(
                f"hw.Response(headers=...): {name!r} is set by the server; leave it out"
            )
    return headers


_OF_THE_SERVER: Final = frozenset(
    {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)


def read_cookies(fields: Iterable[str]) -> dict[str, str]:
    """The cookies in headers ``Cookie``, by name; of several with one name the first."""
    found: dict[str, str] = {}
    for field in fields:
        for pair in field.split(";"):
            name, is_there, value = pair.strip().partition("=")
            if is_there and name:
                found.setdefault(name, value)
    return found
