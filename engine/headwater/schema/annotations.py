"""Annotations of Python as validators.

Reads what `typing.get_type_hints` gives; knows nothing of functions and only the names of tables.
"""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    Required,
    TypeAlias,
    Union,
    cast,
)

from headwater.errors import DeclarationError
from headwater.schema.explain import nearest
from headwater.schema.references import Reference, without_reference
from headwater.schema.refine import is_refinement, refine, refinements_of
from headwater.schema.tables import Id, is_document_type, is_table, table_of
from headwater.schema.validators import (
    AnyValidator,
    BooleanValidator,
    BytesValidator,
    Field,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    ListValidator,
    LiteralValidator,
    NullValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    Validator,
    union_of,
)
from headwater_indexes.values import Int64

TableNameOf: TypeAlias = Callable[[Any], str | None]
"""From a document type (or a table's class) to the name of its table, None if it has none."""


class Wire(NamedTuple):
    """Another name for one argument in calls from outside: ``Annotated[int, Wire("pageSize")]``."""

    name: str


_ALLOWED: Final = (
    "str, int, float, bool, bytes, None, Literal, unions, list[T], dict[str, T], TypedDict, "
    "Id[Document], Any, hw.Int64 and Annotated of these"
)

_SIMPLE: Final[dict[Any, Validator]] = {
    str: StringValidator(),
    int: IntegerValidator(),
    float: FloatValidator(),
    bool: BooleanValidator(),
    bytes: BytesValidator(),
    None: NullValidator(),
    type(None): NullValidator(),
    Any: AnyValidator(),
    Int64: Int64Validator(),
    list: ListValidator(AnyValidator()),
    dict: RecordValidator(AnyValidator()),
}

_ADVICE: Final = {
    "datetime.datetime": "store float, ms since the epoch: value.timestamp() * 1000",
    "datetime.date": "store str: value.isoformat()",
    "datetime.time": "store str: value.isoformat()",
    "datetime.timedelta": "store float, in ms: value.total_seconds() * 1000",
    "decimal.Decimal": "store str, or an int of minor units such as cents",
    "uuid.UUID": "store str: str(value)",
    "pathlib.Path": "store str: str(value)",
    "builtins.set": "declare list[T]",
    "builtins.frozenset": "declare list[T]",
    "builtins.tuple": "declare list[T], or a TypedDict that names the parts",
    "builtins.bytearray": "declare bytes",
    "builtins.complex": "declare a TypedDict with both parts",
    "builtins.object": "declare Any",
}


def declared_table_name(annotated: Any) -> str | None:
    """The name of the table that was last declared for a document type, anywhere."""
    table = annotated if is_table(annotated) else table_of(annotated)
    return None if table is None else table.table_name


def validator_of(
    annotation: Any, *, where: str, table_name_of: TableNameOf = declared_table_name
) -> Validator:
    """The validator that an annotation means.

    Args:
        annotation: As `typing.get_type_hints` with ``include_extras`` gives it.
        where: Starts the message of an error, such as ``chat:send: argument 'when'``.
        table_name_of: Finds the table of ``Id[Document]``.

    Raises:
        DeclarationError: The annotation is none of those that can be stored.
    """
    return _Reader(where, table_name_of, ()).read(annotation)


def document_validator(
    document_type: Any, *, where: str, table_name_of: TableNameOf = declared_table_name
) -> ObjectValidator:
    """The validator of the user's fields of a document type, without the system fields.

    Raises:
        DeclarationError: A field has a name or an annotation that cannot be stored.
    """
    reader = _Reader(where, table_name_of, (document_type,))
    return ObjectValidator(reader.user_fields(document_type))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one annotation. ``inside`` are the TypedDicts that are being read, outermost first."""

    where: str
    table_name_of: TableNameOf
    inside: tuple[Any, ...]

    def error(self, annotation: Any, advice: str) -> DeclarationError:
        return DeclarationError(f"{self.where}: {_name(annotation)} cannot be stored; {advice}")

    def at(self, field: str) -> "_Reader":
        separator = "." if ", field '" in self.where else ", field '"
        where = self.where.removesuffix("'") if separator == "." else self.where
        return _Reader(f"{where}{separator}{field}'", self.table_name_of, self.inside)

    def read(self, annotation: Any) -> Validator:
        own = getattr(annotation, "__headwater_validator__", None)
        if own is not None:
            return cast("Validator", own)
        if isinstance(annotation, typing.Hashable) and annotation in _SIMPLE:
            return _SIMPLE[annotation]
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._read_generic(annotation, origin, typing.get_args(annotation))
        if typing.is_typeddict(annotation):
            return self._read_typed_dict(annotation, annotation, ())
        if isinstance(annotation, typing.NewType):
            return self.read(annotation.__supertype__)
        raise self._refusal(annotation)

    def _read_generic(  # noqa: PLR0911 - one for each kind
        self, annotation: Any, origin: Any, arguments: tuple[Any, ...]
    ) -> Validator:
        if origin is Annotated:
            return self._read_annotated(arguments[0], arguments[1:])
        if origin is Literal:
            return union_of(*(self._literal(annotation, value) for value in arguments))
        if origin in {Union, types.UnionType}:
            return union_of(*(self.read(argument) for argument in arguments))
        if origin in {list, Sequence}:
            return ListValidator(self.read(arguments[0]))
        if origin in {dict, Mapping}:
            return self._read_dict(annotation, arguments)
        if origin is Id:
            return self._read_id(arguments[0])
        if origin in {Required, NotRequired}:
            raise self.error(annotation, "it belongs to a field of a TypedDict only")
        if typing.is_typeddict(origin):
            return self._read_typed_dict(annotation, origin, arguments)
        raise self._refusal(origin)

    def _read_annotated(self, base: Any, extras: tuple[Any, ...]) -> Validator:
        validator = self.read(base)
        for extra in extras:
            if isinstance(extra, Reference):
                raise DeclarationError(
                    f"{self.where}: hw.references belongs to a field of a document type that is an "
                    "Id, as in Annotated[Id[User], hw.references(...)] or, around all of it, "
                    "Annotated[Id[User] | None, hw.references(...)]"
                )
            if is_refinement(extra):
                try:
                    validator = refine(validator, *refinements_of(extra))
                except ValueError as error:
                    raise DeclarationError(f"{self.where}: {error}") from error
        return validator

    def _literal(self, annotation: Any, value: Any) -> LiteralValidator | NullValidator:
        if value is None:
            return NullValidator()
        if type(value) in {str, int, bool, bytes}:
            return LiteralValidator(value)
        raise self.error(annotation, f"write the value of {value!r} itself")

    def _read_dict(self, annotation: Any, arguments: tuple[Any, ...]) -> Validator:
        keys = self.read(arguments[0])
        if not _is_textual(keys):
            raise self.error(annotation, "keys are strings: declare dict[str, T]")
        return RecordValidator(self.read(arguments[1]), keys)

    def _read_id(self, argument: Any) -> Validator:
        name = self.table_name_of(argument)
        if name is None:
            raise DeclarationError(
                f"{self.where}: {_name(argument)} is the document type of no "
                f"table; declare 'class {_name(argument)}s(Table[{_name(argument)}])' in a module "
                f"that is opened"
            )
        return IdValidator(name)

    def _read_typed_dict(
        self, annotation: Any, origin: Any, arguments: tuple[Any, ...]
    ) -> Validator:
        if annotation in self.inside:
            raise DeclarationError(
                f"{self.where}: {_name(annotation)} contains itself, which has no end to check; "
                f"refer to a document by Id[...], or declare Any for the inner part"
            )
        reader = _Reader(self.where, self.table_name_of, (*self.inside, annotation))
        fields = reader.user_fields(origin, arguments)
        if is_document_type(origin):
            fields |= reader.system_fields(origin)
        return ObjectValidator(fields)

    def system_fields(self, document_type: Any) -> dict[str, Field]:
        identifier = self._read_id(document_type)
        return {"_id": Field(identifier), "_creationTime": Field(FloatValidator())}

    def user_fields(self, typed_dict: Any, arguments: tuple[Any, ...] = ()) -> dict[str, Field]:
        is_document = is_document_type(typed_dict)
        # TypeVars by what a generic TypedDict was given for them, as in PaginationResult[Message].
        given = dict(zip(getattr(typed_dict, "__parameters__", ()), arguments, strict=False))
        fields: dict[str, Field] = {}
        for name, hint in self._hints(typed_dict).items():
            if is_document and name in _SYSTEM_FIELDS:
                continue
            self._check_name(name, is_document=is_document)
            is_optional = name in typed_dict.__optional_keys__
            fields[name] = self.at(name).field(_substitute(hint, given), is_optional)
        return fields

    def field(self, hint: Any, is_optional: bool) -> Field:  # noqa: FBT001 - one caller, in order
        while typing.get_origin(hint) in {Required, NotRequired}:
            is_optional = typing.get_origin(hint) is NotRequired
            (hint,) = typing.get_args(hint)
        # What it refers to is read by `headwater.schema.references`; a copy of it does not.
        return Field(self.read(without_reference(hint)), is_optional)

    def _hints(self, typed_dict: Any) -> dict[str, Any]:
        try:
            return typing.get_type_hints(typed_dict, include_extras=True)
        except NameError as error:
            raise unresolved(f"{self.where}: {typed_dict.__name__}", error) from error

    def _check_name(self, name: str, *, is_document: bool) -> None:
        if is_document and name.startswith("_"):
            raise DeclarationError(
                f"{self.where}: field {name!r}: names that start with '_' are the database's own; "
                f"call it something else"
            )
        if not name or name.startswith("$"):
            raise DeclarationError(
                f"{self.where}: field {name!r}: a name is not empty and does not start with '$'"
            )

    def _refusal(self, annotation: Any) -> DeclarationError:
        for base in getattr(annotation, "__mro__", ()):
            advice = _ADVICE.get(f"{base.__module__}.{base.__qualname__}")
            if advice is not None and (base is not object or annotation is object):
                return self.error(annotation, advice)
        if hasattr(annotation, "__dataclass_fields__"):
            return self.error(annotation, "declare a TypedDict with its fields")
        if hasattr(annotation, "__members__"):
            return self.error(annotation, "declare a Literal of its values")
        near = nearest(_name(annotation), ("str", "int", "float", "bool", "bytes", "list", "dict"))
        meant = f"did you mean {near}? " if near else ""
        return self.error(annotation, f"{meant}allowed are {_ALLOWED}")


_SYSTEM_FIELDS: Final = frozenset({"_id", "_creationTime", "__table__"})


def unresolved(where: str, error: NameError) -> DeclarationError:
    """An annotation names something that its module does not have at run time."""
    return DeclarationError(
        f"{where}: {error.name or error!s} is not defined in the module at run time; import it "
        f"outside of 'if TYPE_CHECKING:', and declare it at the top level"
    )


def wire_name_of(annotation: Any) -> str | None:
    """The name that an annotation gives its argument in calls from outside, None for its own."""
    if typing.get_origin(annotation) is Annotated:
        for extra in typing.get_args(annotation)[1:]:
            if isinstance(extra, Wire):
                return extra.name
        return wire_name_of(typing.get_args(annotation)[0])
    return cast("str | None", getattr(annotation, "__headwater_wire_name__", None))


def _substitute(hint: Any, given: Mapping[Any, Any]) -> Any:
    if hint in given:
        return given[hint]
    parameters = getattr(hint, "__parameters__", ())
    if not given or not parameters:
        return hint
    return hint[tuple(given.get(parameter, parameter) for parameter in parameters)]


def _is_textual(validator: Validator) -> bool:
    match validator:
        case StringValidator() | IdValidator():
            return True
        case LiteralValidator(value):
            return isinstance(value, str)
        case _:
            members = getattr(validator, "members", None) or [getattr(validator, "base", None)]
            return all(member is not None and _is_textual(member) for member in members)


def _name(annotation: Any) -> str:
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.__qualname__.rpartition("<locals>.")[2]
    return repr(annotation).replace("typing.", "")
