"""How functions are called by name: ``module:function``, published in camelCase.

``messages:createChannel`` is the published name of ``create_channel`` in ``messages.py``; the
Python spelling is accepted too. ``admin/users:list`` is ``list_`` (one trailing underscore is
dropped) in a package, and ``presence`` alone is the function ``default`` of ``presence.py``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from headwater.errors import DeclarationError, FunctionNotFoundError
from headwater.schema.explain import nearest

DEFAULT_NAME: Final = "default"
"""The function that a module's path alone means."""

_SUFFIXES: Final = (".py", ".js", ".ts")


def published_name(name: str) -> str:
    """The name of a function to the outside: ``create_channel`` as ``createChannel``.

    Leading underscores stay; one trailing underscore, as in ``list_``, is dropped.
    """
    body = name.lstrip("_")
    leading = name[: len(name) - len(body)]
    body = body.removesuffix("_")
    return leading + re.sub(r"_+([^_])", lambda match: match[1].upper(), body)


def module_path(module: str, package: str | None = None) -> str:
    """The path of a module by its dotted name.

    Args:
        module: Dotted name, as in ``sys.modules``.
        package: Dotted name of the package whose modules are opened, if it is one: paths start
            below it.

    Returns:
        ``chat`` for ``shop.chat``, and ``admin/users`` for ``shop.admin.users`` below ``shop``.
    """
    if package is not None and module.startswith(f"{package}."):
        return module.removeprefix(f"{package}.").replace(".", "/")
    last = module.rpartition(".")[2]
    return "main" if last == "__main__" else last


def function_path(module: str, name: str) -> str:
    """The published path of a function: module path, colon, published name."""
    return f"{module}:{published_name(name)}"


def handler_path(handler: Callable[..., Any]) -> str:
    """The path of a function before an application is opened, as messages call it."""
    return function_path(module_path(handler.__module__ or "__main__"), handler.__name__)


def split_path(path: str) -> tuple[str, str]:
    """Module path and function name of a path as somebody wrote it.

    ``chat.py:send``, ``/chat:send`` and ``admin.users:list`` are understood; a path without a colon
    is the default function of a module.
    """
    module, colon, name = path.strip().rpartition(":")
    if not colon:
        module, name = name, DEFAULT_NAME
    module = module.lstrip("/")
    for suffix in _SUFFIXES:
        module = module.removesuffix(suffix)
    return module.replace(".", "/"), name or DEFAULT_NAME


class PathTable:
    """All published paths of an application, and every spelling that leads to one.

    Args:
        functions: Pairs of a module path and the Python name of a function in it.

    Raises:
        DeclarationError: Two functions have a spelling in common.
    """

    __slots__ = ("_paths",)

    def __init__(self, functions: Iterable[tuple[str, str]]) -> None:
        paths: dict[str, str] = {}
        owners: dict[str, str] = {}
        for module, name in functions:
            path = function_path(module, name)
            for spelling in (path, f"{module}:{name}"):
                owner = owners.setdefault(spelling, name)
                if owner != name:
                    raise _clash(module, owner, name, spelling)
                paths[spelling] = path
        self._paths: Mapping[str, str] = MappingProxyType(paths)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._paths.values()))

    def __len__(self) -> int:
        return len(set(self._paths.values()))

    def find(self, path: str) -> str:
        """The published path that somebody meant.

        Raises:
            FunctionNotFoundError: There is none; the nearest one is named.
        """
        found = self.get(path)
        if found is None:
            raise FunctionNotFoundError(self._not_found(path))
        return found

    def get(self, path: str) -> str | None:
        """The published path that somebody meant, None if there is none."""
        return self._paths.get(path) or self._paths.get(":".join(split_path(path)))

    def _not_found(self, path: str) -> str:
        close = nearest(":".join(split_path(path)), self._paths)
        if close is not None:
            return f"no function {path!r}; did you mean {self._paths[close]!r}?"
        if not self._paths:
            return f"no function {path!r}; no module that was opened has any"
        listed = sorted(self)
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        return f"no function {path!r}; there are {', '.join(listed[:5])}{more}"


def _clash(module: str, one: str, other: str, spelling: str) -> DeclarationError:
    return DeclarationError(
        f"{module}: {one!r} and {other!r} are both called {spelling!r} from outside; "
        f"rename one of them"
    )
