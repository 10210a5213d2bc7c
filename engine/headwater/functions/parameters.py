"""The parameters of a function as declared, and how a call is arranged by them.

Names only; what an argument may be is the matter of `headwater.functions.arguments`.
"""

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from headwater.errors import ArgumentError, DeclarationError
from headwater.schema.explain import name_problem

NO_DEFAULT: Final = inspect.Parameter.empty
"""Of a parameter that has to be given."""

_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_REFUSED: Final = {
    inspect.Parameter.VAR_POSITIONAL: "takes any number of arguments; declare a list",
    inspect.Parameter.VAR_KEYWORD: "takes any argument; declare each one, or one dict[str, T]",
    inspect.Parameter.POSITIONAL_ONLY: "cannot be given by name; remove the '/'",
}


class Parameter(NamedTuple):
    """One parameter after the context.

    Attributes:
        name: Its name.
        annotation: As written, perhaps a string; `inspect.Parameter.empty` if there is none.
        default: `NO_DEFAULT` if it has to be given.
    """

    name: str
    annotation: Any = NO_DEFAULT
    default: Any = NO_DEFAULT

    @property
    def is_required(self) -> bool:
        """Whether it has to be given."""
        return self.default is NO_DEFAULT


class AnnotationOf(NamedTuple):
    """An annotation that is to be read where another function was written.

    Attributes:
        owner: The function in whose parameters it stands.
        annotation: As written, perhaps a string.
    """

    owner: Callable[..., Any]
    annotation: Any


class Signature(NamedTuple):
    """The parameters of a function after the context.

    Attributes:
        path: Of the function, for messages.
        parameters: In order.
        result: The return annotation as written, `inspect.Signature.empty` if there is none.
        positional: Names of those that may be given by position.
        complete: From arguments by name, whose names are right, to all arguments in order of the
            parameters, defaults included.
    """

    path: str
    parameters: tuple[Parameter, ...]
    result: Any
    positional: tuple[str, ...]
    complete: Callable[[Mapping[str, Any]], dict[str, Any]]

    def arrange(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by parameter, with defaults.

        Raises:
            ArgumentError: Names are unknown, missing or given twice.
        """
        given = self.by_name(args, kwargs) if args else kwargs
        try:
            arguments = self.complete(given)
        except KeyError:
            self.refuse(given)
        for name in given:
            if name not in arguments:
                self.refuse(given)
        return arguments

    def by_name(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """All arguments of a call by name.

        Raises:
            ArgumentError: There are too many by position, or one is given twice.
        """
        if len(args) > len(self.positional):
            raise ArgumentError(
                f"{self.path}: takes {len(self.positional)} arguments by position, got {len(args)}",
                function=self.path,
            )
        given = dict(zip(self.positional, args, strict=False))
        twice = given.keys() & kwargs.keys()
        if twice:
            name = min(twice)
            raise ArgumentError(
                f"{self.path}: argument {name!r} is given twice, by position and by name",
                function=self.path,
                path=name,
            )
        return given | dict(kwargs)

    def refuse(self, given: Mapping[str, Any]) -> NoReturn:
        """Raises for names that are unknown or missing."""
        known = [parameter.name for parameter in self.parameters]
        required = [parameter.name for parameter in self.parameters if parameter.is_required]
        problem = name_problem(given.keys(), known=known, required=required, noun="argument")
        raise ArgumentError(f"{self.path}: {problem}", function=self.path)


def read_signature(handler: Callable[..., Any], path: str) -> Signature:
    """The parameters of a function after its context.

    Raises:
        DeclarationError: It has no context, or a parameter that cannot be given by name.
    """
    signature = inspect.signature(handler)
    declared = list(signature.parameters.values())
    if not declared or declared.pop(0).kind not in _CONTEXT_KINDS:
        raise DeclarationError(
            f"{path}: expected the context as its first parameter, as in "
            f"'def {handler.__name__}(ctx: QueryCtx, ...)'"
        )
    for parameter in declared:
        if parameter.kind in _REFUSED:
            raise DeclarationError(f"{path}: {str(parameter)!r} {_REFUSED[parameter.kind]}")
    parameters = tuple(Parameter(p.name, p.annotation, p.default) for p in declared)
    positional = tuple(p.name for p in declared if p.kind is _BY_NAME[0])
    complete = compile_completion({p.name: p for p in parameters})
    return Signature(path, parameters, signature.return_annotation, positional, complete)


_CONTEXT_KINDS: Final = (
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.POSITIONAL_ONLY,
)


def compile_completion(
    parameters: Mapping[str, Parameter],
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A function from arguments by given name to all arguments by parameter, in order.

    Args:
        parameters: Each parameter by the name under which it is given.

    Returns:
        The function; it raises KeyError if a required one is absent, and ignores unknown ones. A
        default that is a list or dict is copied for each call.
    """
    namespace: dict[str, Any] = {"deepcopy": copy.deepcopy}
    items: list[str] = []
    for position, (given, parameter) in enumerate(parameters.items()):
        if parameter.is_required:
            items.append(f"{parameter.name!r}: given[{given!r}]")
            continue
        default = f"default_{position}"
        namespace[default] = parameter.default
        if isinstance(parameter.default, list | dict):
            default = f"deepcopy({default})"
        taken = f"given[{given!r}] if {given!r} in given else {default}"
        items.append(f"{parameter.name!r}: {taken}")
    # The text is made of a template of ours and of names by repr.
    source = f"def complete(given):\n    return {{{', '.join(items)}}}"
    exec(source, namespace)  # noqa: S102
    complete: Callable[[Mapping[str, Any]], dict[str, Any]] = namespace["complete"]
    return complete
