"""Which HTTP action or webhook answers a request: an exact path first, then the longest prefix."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from headwater.errors import DeclarationError
from headwater.functions.declaration import Function

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""What can be declared; HEAD is answered by GET."""

RESERVED: Final = "/_"
"""Paths that begin so are the database's own: files, and what is to come."""


class Place(NamedTuple):
    """Where something is found.

    Attributes:
        path: From the first slash on.
        is_prefix: Whether it stands for everything below, too.
        methods: In capitals.
    """

    path: str
    is_prefix: bool
    methods: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As messages name it."""
        return f"{self.path}*" if self.is_prefix else self.path


class Route:
    """Something of the application that answers requests.

    Attributes:
        place: Where it is found.
        path: Path of its function, such as ``shop:checkout``.
        module: Dotted name of the module that declares it.
        published: The function that it stands for among those of its module, None if it is not
            found by its path.
    """

    def __init__(
        self,
        place: Place,
        path: str,
        module: str,
        published: Function[..., Any] | None = None,
    ) -> None:
        self.place: Place = place
        self.path: str = path
        self.module: str = module
        self.published: Function[..., Any] | None = published

    def __repr__(self) -> str:
        place = self.place
        return f"<{type(self).__name__} {self.path} at {' '.join(place.methods)} {place.shown}>"


class Found(NamedTuple):
    """What a look-up gave.

    Attributes:
        route: Answers the request; None if nothing does.
        allowed: If nothing does, the methods that are answered there.
    """

    route: Route | None
    allowed: tuple[str, ...] = ()


class RouteTable:
    """The routes of an application. O(slashes of the path) for a look-up, however many there are.

    Attributes:
        routes: All of them.

    Raises:
        DeclarationError: Two of them answer the same requests.
    """

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._prefixes: dict[str, dict[str, Route]] = {}
        self.routes: tuple[Route, ...] = tuple(routes)
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        place = route.place
        by_method = (self._prefixes if place.is_prefix else self._exact).setdefault(place.path, {})
        for method in place.methods:
            other = by_method.setdefault(method, route)
            if other is not route:
                raise DeclarationError(
                    f"{method} {place.shown} is answered by {other.path} and by {route.path}; "
                    "give one of them another path or method"
                )

    def find(self, method: str, path: str) -> Found:
        """What answers a request: at its path, or else at the longest prefix that has the method.

        Args:
            method: In capitals; HEAD is GET.
            path: Decoded, from the first slash on.
        """
        wanted = "GET" if method == "HEAD" else method
        allowed: dict[str, None] = {}
        for by_method in self._candidates(path):
            route = by_method.get(wanted)
            if route is not None:
                return Found(route)
            allowed.update(dict.fromkeys(by_method))
        if "GET" in allowed:
            allowed["HEAD"] = None
        return Found(None, tuple(allowed))

    def _candidates(self, path: str) -> Iterable[dict[str, Route]]:
        exact = self._exact.get(path)
        if exact is not None:
            yield exact
        end = len(path)
        while (end := path.rfind("/", 0, end)) >= 0:
            found = self._prefixes.get(path[: end + 1])
            if found is not None:
                yield found


def place_of(
    declared: str, path: str | None, prefix: str | None, methods: Sequence[str] = ("GET",)
) -> Place:
    """Where a declaration puts something.

    Args:
        declared: The decorator, for messages.
        path: Of an exact route.
        prefix: Or of everything below a slash.
        methods: In capitals.

    Raises:
        DeclarationError: It can be no place.
    """
    if (path is None) == (prefix is None):
        raise DeclarationError(f"@{declared}: expected a path, or prefix=")
    where = path if path is not None else prefix
    if not isinstance(where, str) or not where.startswith("/") or _has_no_path(where):
        raise DeclarationError(
            f"@{declared}: {where!r} is no path: expected one that begins with a slash, as it is "
            "after decoding, without a query or fragment"
        )
    if where.startswith(RESERVED):
        raise DeclarationError(
            f"@{declared}: paths that begin with {RESERVED!r} are the database's own, got {where!r}"
        )
    if prefix is not None and not prefix.endswith("/"):
        raise DeclarationError(f"@{declared}: a prefix ends with a slash, got {prefix!r}")
    return Place(where, prefix is not None, _methods(declared, methods))


def _has_no_path(where: str) -> bool:
    return any(character in where for character in "?#") or not where.isprintable()


def _methods(declared: str, methods: Sequence[str]) -> tuple[str, ...]:
    given: object = methods
    if isinstance(given, str) or not methods:
        raise DeclarationError(
            f"@{declared}: methods={methods!r}: expected a list, as in ['GET', 'POST']"
        )
    for method in methods:
        if method not in METHODS:
            hint = "; it is answered by GET" if method == "HEAD" else ""
            raise DeclarationError(
                f"@{declared}: methods has {method!r}, expected some of {', '.join(METHODS)}{hint}"
            )
    return tuple(dict.fromkeys(methods))
