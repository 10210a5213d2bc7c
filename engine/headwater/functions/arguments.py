"""What arguments and results a function takes, read from its annotations and compiled.

`read_contract` reads the annotations once, when the module is opened; `CompiledFunction` is the
contract for one database, which numbers its tables in its own way.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, NoReturn, ParamSpec, TypeVar

from headwater.errors import ArgumentError, DeclarationError, ReturnValueError
from headwater.functions.declaration import Arguments, Function
from headwater.functions.kinds import Kind
from headwater.functions.parameters import (
    NO_DEFAULT,
    AnnotationOf,
    Parameter,
    Signature,
    compile_completion,
)
from headwater.schema.annotations import TableNameOf, unresolved, validator_of, wire_name_of
from headwater.schema.compile import compile_checker
from headwater.schema.explain import (
    TableNumbers,
    ValidationError,
    Walk,
    find_mismatch,
    name_problem,
)
from headwater.schema.v import Optional
from headwater.schema.validators import (
    AnyValidator,
    Field,
    IdValidator,
    ListValidator,
    ObjectValidator,
    RecordValidator,
    RefinedValidator,
    UnionValidator,
    Validator,
)
from headwater.transactions.pagination import PaginationOptions
from headwater_indexes.values import NESTING_DEFAULT

P = ParamSpec("P")
R = TypeVar("R")


class Contract(NamedTuple):
    """What a function takes and gives.

    Attributes:
        path: Published path of the function.
        arguments: By parameter; one with a default is an optional field.
        result: Of the value that is returned.
        wire_names: Names in calls from outside, by parameter.
    """

    path: str
    arguments: ObjectValidator
    result: Validator
    wire_names: Mapping[str, str]

    @property
    def wire_arguments(self) -> ObjectValidator:
        """By the names that are used in calls from outside."""
        fields = self.arguments.fields
        return ObjectValidator({self.wire_names[name]: field for name, field in fields.items()})


def read_contract(function: Function[..., Any], path: str, table_name_of: TableNameOf) -> Contract:
    """Reads the annotations of a function.

    Raises:
        DeclarationError: One of them cannot be stored, or a default does not fit.
    """
    signature = function.signature
    hints = _hints(function, path)
    explicit = _explicit_fields(function.options.args, signature, path)
    fields: dict[str, Field] = {}
    for parameter in signature.parameters:
        where = f"{path}: argument {parameter.name!r}"
        validator = explicit.get(parameter.name)
        if validator is None:
            validator = validator_of(
                hints.get(parameter.name, Any), where=where, table_name_of=table_name_of
            )
        _check_default(parameter, validator, where)
        fields[parameter.name] = Field(validator, is_optional=not parameter.is_required)
    result = function.options.returns
    if result is None:
        annotation = hints.get("return", Any)
        result = validator_of(annotation, where=f"{path}: result", table_name_of=table_name_of)
    return Contract(path, ObjectValidator(fields), result, _wire_names(signature, hints, path))


def read_wire_names(function: Function[..., Any], path: str) -> dict[str, str]:
    """Names of the arguments in calls from outside, by parameter.

    Raises:
        DeclarationError: Two arguments have one name, or an annotation cannot be evaluated.
    """
    return _wire_names(function.signature, _hints(function, path), path)


class CompiledFunction(Generic[P, R]):
    """A function ready to be called in one database.

    Attributes:
        function: As declared.
        path: Its published path.
        contract: What it takes and gives.
        handler: The function itself: ``handler(ctx, **arguments)``.
        takes_containers: Whether an argument may be a list or dict, which the function may change.
        check_arguments: Raises ArgumentError unless arguments by parameter, as `Function.arrange`
            gives them, have the right types.
    """

    __slots__ = (
        "_check",
        "_check_result",
        "_check_wire",
        "_complete_wire",
        "contract",
        "function",
        "handler",
        "path",
        "takes_containers",
    )

    def __init__(
        self,
        function: Function[P, R],
        contract: Contract,
        tables: TableNumbers,
        *,
        nesting: int = NESTING_DEFAULT,
    ) -> None:
        self.function: Function[P, R] = function
        self.contract: Contract = contract
        self.path: str = contract.path
        self.handler: Callable[..., Any] = function.handler
        fields = contract.arguments.fields.values()
        self.takes_containers: bool = any(_may_be_container(field.validator) for field in fields)
        # The dict of the arguments is a level of its own, which is not a level of their values.
        self._check = compile_checker(
            contract.arguments, tables, nesting=nesting + 1, noun="argument"
        )
        self._check_wire = self._check
        self._complete_wire = function.signature.complete
        if any(name != wire_name for name, wire_name in contract.wire_names.items()):
            self._check_wire = compile_checker(
                contract.wire_arguments, tables, nesting=nesting + 1, noun="argument"
            )
            self._complete_wire = _wire_completion(function.signature, contract)
        self._check_result = compile_checker(contract.result, tables, nesting=nesting)

    @property
    def kind(self) -> Kind:
        """Of the function."""
        return self.function.kind

    def __repr__(self) -> str:
        return f"<compiled {self.function.kind} {self.path}>"

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by parameter, checked, with defaults.

        Raises:
            ArgumentError: They do not fit.
        """
        given = self.function.signature.by_name(args, kwargs) if args else kwargs
        try:
            self._check(given)
        except ValidationError as wrong:
            self._refuse_arguments(wrong)
        return self.function.signature.complete(given)

    def bind_wire(self, arguments: Any) -> dict[str, Any]:
        """The same for a call by path, with the names that are used outside.

        Raises:
            ArgumentError: They do not fit, or are not a dict at all.
        """
        try:
            self._check_wire(arguments)
        except ValidationError as wrong:
            self._refuse_arguments(wrong)
        return self._complete_wire(arguments)

    def check_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Checks arguments by parameter, as `Function.arrange` gives them.

        Raises:
            ArgumentError: One has a wrong type.
        """
        try:
            self._check(arguments)
        except ValidationError as wrong:
            self._refuse_arguments(wrong)

    def check_result(self, value: Any) -> None:
        """Checks what the function returned.

        Raises:
            ReturnValueError: It does not fit.
        """
        try:
            self._check_result(value)
        except ValidationError as wrong:
            separator = "." if wrong.path and not wrong.path.startswith("[") else ""
            raise ReturnValueError(
                f"{self.path}: result{separator}{wrong.path}: {wrong.problem}",
                function=self.path,
                path=wrong.path,
            ) from None

    def _refuse_arguments(self, wrong: ValidationError) -> NoReturn:
        if wrong.path:
            message = f"{self.path}: argument {wrong.path!r}: {wrong.problem}"
        elif wrong.expected:
            message = f"{self.path}: arguments: {wrong.problem}"
        else:
            message = f"{self.path}: {wrong.problem}"
        raise ArgumentError(message, function=self.path, path=wrong.path) from None


def _wire_completion(
    signature: Signature, contract: Contract
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return compile_completion(
        {contract.wire_names[parameter.name]: parameter for parameter in signature.parameters}
    )


def _may_be_container(validator: Validator) -> bool:
    match validator:
        case UnionValidator(members):
            return any(map(_may_be_container, members))
        case RefinedValidator(base):
            return _may_be_container(base)
        case ListValidator() | RecordValidator() | ObjectValidator() | AnyValidator():
            return True
        case _:
            return False


# Reading ----------------------------------------------------------------------------------------


def _hints(function: Function[..., Any], path: str) -> dict[str, Any]:
    """The annotations, evaluated one by one, so that an error names its parameter.

    That of the context is left alone: it says nothing about values.
    """
    written = {parameter.name: parameter.annotation for parameter in function.signature.parameters}
    written["return"] = function.signature.result
    return {
        name: _evaluate(function, annotation, _where(path, name))
        for name, annotation in written.items()
        if annotation is not NO_DEFAULT
    }


def _where(path: str, name: str) -> str:
    return f"{path}: result" if name == "return" else f"{path}: argument {name!r}"


def _evaluate(function: Function[..., Any], annotation: Any, where: str) -> Any:
    if isinstance(annotation, type):
        return annotation  # which says all of it
    handler = inspect.unwrap(function.handler)
    if isinstance(annotation, AnnotationOf):
        handler, annotation = annotation
    holder = SimpleNamespace(__annotations__={"it": annotation})
    names = handler.__code__.co_freevars
    cells = handler.__closure__ or ()
    # A document type that is local to a function is found if the handler mentions it.
    local = {n: c.cell_contents for n, c in zip(names, cells, strict=True) if _is_filled(c)}
    try:
        hints = typing.get_type_hints(holder, handler.__globals__, local, include_extras=True)
    except NameError as error:
        raise unresolved(where, error) from error
    return hints["it"]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _explicit_fields(
    arguments: Arguments | None, signature: Signature, path: str
) -> dict[str, Validator]:
    if arguments is None:
        return {}
    fields = arguments.fields if isinstance(arguments, ObjectValidator) else arguments
    known = {parameter.name: parameter for parameter in signature.parameters}
    problem = name_problem(fields.keys(), known=known, required=(), noun="parameter")
    if problem:
        raise DeclarationError(f"{path}: args=: {problem}")
    for name, field in fields.items():
        is_optional = isinstance(field, Optional) or (
            isinstance(field, Field) and field.is_optional
        )
        if is_optional and known[name].is_required:
            raise DeclarationError(
                f"{path}: args=: {name!r} is optional there, and the parameter has no default"
            )
    return {name: _inner(field) for name, field in fields.items()}


def _inner(field: Validator | Optional | Field) -> Validator:
    return field.validator if isinstance(field, Optional | Field) else field


def _check_default(parameter: Parameter, validator: Validator, where: str) -> None:
    if parameter.is_required:
        return
    # Which ids are right is known to a database only; a default that is one is taken as it is.
    wrong = find_mismatch(_without_ids(validator), parameter.default, walk=Walk())
    if wrong is not None:
        raise DeclarationError(
            f"{where}: its default {parameter.default!r} does not fit: {wrong.problem}"
        )


def _without_ids(validator: Validator) -> Validator:
    if isinstance(validator, IdValidator):
        return AnyValidator()
    if isinstance(validator, UnionValidator):
        return UnionValidator(tuple(map(_without_ids, validator.members)))
    return validator


def _wire_name(annotation: Any) -> str | None:
    return "paginationOpts" if annotation is PaginationOptions else wire_name_of(annotation)


def _wire_names(signature: Signature, hints: Mapping[str, Any], path: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for parameter in signature.parameters:
        chosen = _wire_name(hints.get(parameter.name)) or parameter.name
        if chosen in names.values():
            raise DeclarationError(f"{path}: two arguments are called {chosen!r} from outside")
        names[parameter.name] = chosen
    return names
