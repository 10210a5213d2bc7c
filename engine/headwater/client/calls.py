"""Calls of functions that another process runs: by the function itself, or by its path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, cast

from headwater.errors import ArgumentError, FunctionKindError, UsageError
from headwater.functions.arguments import read_wire_names
from headwater.functions.declaration import BoundQuery, Function
from headwater.functions.kinds import A_KIND, Kind
from headwater.functions.modules import Application, collect
from headwater.server.sync_messages import write_message
from headwater.server.wire_values import to_wire
from headwater_indexes.errors import NotStorableError
from headwater_indexes.values import check_value

NESTING_MAX: Final = 500
"""Levels of lists and dicts that a value may have here; the server has a limit of its own."""
_VERBS: Final[dict[Kind, str]] = {"query": "query", "mutation": "mutate", "action": "act"}


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """A call on its way to the server.

    Attributes:
        kind: Of the function.
        path: Published path of the function.
        arguments: As they are sent.
    """

    kind: Kind
    path: str
    arguments: Any = field(hash=False)

    @property
    def key(self) -> tuple[str, str]:
        """What makes a query distinct."""
        return self.path, write_message(self.arguments)


class RemoteFunctions:
    """The functions that a server has, as far as this process has their modules.

    Args:
        modules: Those that the server has opened, or some of them; None for no more than the
            functions themselves say.

    Raises:
        DeclarationError: The modules cannot be opened.
    """

    def __init__(self, modules: Iterable[ModuleType | str] | None) -> None:
        self._application: Application = collect(modules or ())
        self._wire_names: dict[Function[..., Any], dict[str, str]] = {}

    def call(
        self, kind: Kind, function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> RemoteCall:
        """A call of a function object. Names are checked here, types by the server.

        Raises:
            FunctionKindError: The function is of another kind, or none.
            ArgumentError: Names are unknown, missing or given twice, or something is no value.
        """
        if not isinstance(function, Function):
            raise FunctionKindError(
                f"expected a function declared with @hw.{kind}, got {function!r}; a path is called "
                "with call()"
            )
        known = cast("Function[..., Any]", function)
        if known.kind != kind:
            raise FunctionKindError(
                f"{known.path} is {A_KIND[known.kind]}, expected {A_KIND[kind]}; use "
                f"{_VERBS[known.kind]}({known.name}, ...)"
            )
        known.arrange(args, kwargs)
        return self._of(known, known.signature.by_name(args, kwargs))

    def bound(self, query: BoundQuery[Any]) -> RemoteCall:
        """A call of a query that was bound to its arguments. Raises what `call` raises."""
        return self._of(query.query, query.arguments)

    def by_path(
        self, path: str, arguments: Mapping[str, Any] | None, kind: Kind | None
    ) -> RemoteCall:
        """A call by path, with the names that are used outside.

        Raises:
            UsageError: Nobody knows the kind of the function here.
            ArgumentError: Something is no value.
        """
        if kind is None:
            functions = self._application.functions
            if path not in functions:
                raise UsageError(
                    f"call({path!r}): whether it is a query, a mutation or an action is not known "
                    "here; say so, as in call(..., kind='query'), or connect with the modules of "
                    "the application"
                )
            kind = functions[path].kind
        return RemoteCall(kind, path, _written(path, arguments or {}))

    def _of(self, function: Function[..., Any], arguments: Mapping[str, Any]) -> RemoteCall:
        path = self._application.path_of(function) or function.path
        names = self._wire_names.get(function)
        if names is None:
            names = self._wire_names[function] = read_wire_names(function, path)
        named = {names[name]: value for name, value in arguments.items()}
        return RemoteCall(function.kind, path, _written(path, named))


def _written(path: str, arguments: Mapping[str, Any]) -> Any:
    try:
        check_value(dict(arguments), nesting=NESTING_MAX)
    except NotStorableError as error:
        raise ArgumentError(f"{path}: {error}", function=path) from None
    return to_wire(dict(arguments), "exact")
