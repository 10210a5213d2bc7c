"""Tables, documents, ids and indexes as an application declares them.

All of it is for annotations and declarations: at run time a document is a plain ``dict`` and an id
a plain ``str``. A `Document` subclass is a TypedDict, and type checkers compare TypedDicts by their
fields, not by their names; `DocumentOf` names the table as well, so that two document types with
the same fields are told apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Final,
    Generic,
    NotRequired,
    TypedDict,
    TypeGuard,
    TypeVar,
    cast,
    get_args,
    get_origin,
    is_typeddict,
)

from headwater.errors import DeclarationError
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.errors import IndexesError

D = TypeVar("D")
T = TypeVar("T")

_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_SERVICE_NAME: Final = re.compile(r"_[a-z][a-z_]{0,62}")
_RESERVED_INDEX_NAMES: Final = frozenset({"table_name", "table_number", "document_type", "indexes"})


class Id(str, Generic[D]):
    """The id of a document of type ``D``, for annotations. At run time an id is a plain ``str``."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __new__(cls, text: str) -> str:  # noqa: D102 - seen by nobody
            return str(text)


class Document(TypedDict, Generic[D]):
    """Base of document types: ``class Message(Document["Message"])``.

    Every stored document has both fields. They are given by the database, never by the caller.
    ``_creationTime`` is in milliseconds since the epoch.
    """

    _id: Id[D]
    _creationTime: float


class DocumentOf(TypedDict, Generic[D, T]):
    """A `Document` that also names its table: ``class Tag(DocumentOf["Tag", "Tags"])``.

    To a type checker, two document types with the same fields are one type, and so are their ids.
    Naming the table, which is a class, keeps them apart. ``__table__`` is for the checker alone, no
    document has it; it stands first because mypy 2.4 remembers the answer of a comparison that is
    still under way, so that the difference has to be seen before the ids.
    """

    __table__: NotRequired[T]
    _id: Id[D]
    _creationTime: float


class AnyDocument(TypedDict):
    """What every document has, whatever its type; a table holds nothing else."""

    _id: Id[Any]
    _creationTime: float


E = TypeVar("E", bound=AnyDocument)


@dataclass(frozen=True, slots=True)
class TableIndex(Generic[D]):
    """An index of one table, as read from the table's class.

    Attributes:
        table: The table's class.
        name: Name of the index.
        fields: The fields in order; a dot walks into nested objects.
        is_unique: Whether no two documents may have the same values in all the fields.
        definition: The same for `headwater_indexes`.
    """

    table: "type[Table[Any]]" = field(repr=False)
    name: str
    fields: tuple[str, ...]
    is_unique: bool
    definition: IndexDefinition = field(repr=False, compare=False)


class Index:
    """Declares an index as an attribute of a table's class.

    Args:
        *fields: One to sixteen fields; ``"address.city"`` walks into a nested object.
        unique: Refuse a second document with the same values in all the fields.
    """

    def __init__(self, *fields: str, unique: bool = False) -> None:
        self.fields = fields
        self.is_unique = unique
        self.name: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: "Table[E] | None", owner: "type[Table[E]]") -> TableIndex[E]:
        try:
            return owner.indexes[self.name]
        except (AttributeError, KeyError):
            raise DeclarationError(
                f"{owner.__name__}.{self.name}: {owner.__name__} is no table of its own; "
                f"take the index of a table that says its document type"
            ) from None


class Table(Generic[E]):
    """Base of tables: ``class Messages(Table[Message])`` is the table ``messages``.

    ``class Messages(Table[Message], name="mails")`` says another name. The class is the table;
    there are no instances. A table of one of the database's own services has a fixed ``number``,
    and a name that begins with an underscore.
    """

    table_name: ClassVar[str]
    table_number: ClassVar[int | None]
    document_type: ClassVar[type]
    indexes: ClassVar[Mapping[str, TableIndex[Any]]]

    def __init_subclass__(cls, *, name: str | None = None, number: int | None = None) -> None:
        super().__init_subclass__()
        document_type = _document_type_of(cls)
        if document_type is None:
            return
        cls.table_name = _table_name(cls, name, is_service=number is not None)
        cls.table_number = number
        cls.document_type = document_type
        cls.indexes = MappingProxyType(_indexes_of(cls))
        # The link is kept on the document type, so that both are collected together.
        linked = cast("Any", document_type)
        linked.__headwater_table__ = cls
        # TypedDicts that add fields to this one copy its annotations, and with them whose id it is.
        linked.__annotations__["_id"] = cast("Any", Id)[document_type]


def table_of(document_type: Any) -> type[Table[Any]] | None:
    """The table that was last declared for a document type, None if there is none."""
    table: type[Table[Any]] | None = getattr(document_type, "__headwater_table__", None)
    return table


def is_table(found: Any) -> TypeGuard[type[Table[Any]]]:
    """Whether it is the class of a table, and not a generic one that others are made from."""
    # Only what has a document type of its own was given a name of its own.
    return isinstance(found, type) and issubclass(found, _ANY_TABLE) and "table_name" in vars(found)


def is_document_type(annotation: Any) -> bool:
    """Whether it is a TypedDict made from `Document` or `DocumentOf`.

    A TypedDict forgets its bases and keeps their fields, so it is known by its ``_id``. One that
    adds fields to a document type with a table is none: its ``_id`` is that of the other.
    """
    if not is_typeddict(annotation):
        return False
    hint = annotation.__annotations__.get("_id")
    return get_origin(hint) is Id and get_args(hint)[0] in {D, annotation}


_ANY_TABLE: Final[type] = Table


def snake_case(name: str) -> str:
    """``UserGroups`` as ``user_groups``, ``HTTPRoutes`` as ``http_routes``."""
    spaced = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spaced).lower()


def _document_type_of(cls: type) -> type | None:
    """The argument of ``Table[...]``, directly or of a generic table in between."""
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Table):
            (argument,) = get_args(base)
            if isinstance(argument, TypeVar):
                return None
            if is_document_type(argument):
                return cast("type", argument)
            raise DeclarationError(
                f"table {cls.__name__}: expected Table[a document type], got {base!r}; declare "
                f"'class Item(Document[\"Item\"])' before the table and use the class itself"
            )
    raise DeclarationError(
        f"table {cls.__name__}: expected its document type, as in "
        f"'class {cls.__name__}(Table[Item])'"
    )


def _table_name(cls: type, name: str | None, *, is_service: bool) -> str:
    chosen = snake_case(cls.__name__) if name is None else name
    if (_SERVICE_NAME if is_service else _NAME).fullmatch(chosen) is None:
        raise DeclarationError(
            f"table {cls.__name__}: {chosen!r} cannot be the name of a table; expected a letter "
            f"and then up to 63 letters, digits or underscores; say another one with name="
        )
    return chosen


def _indexes_of(cls: "type[Table[Any]]") -> dict[str, TableIndex[Any]]:
    declared: dict[str, Index] = {}
    for base in reversed(cls.__mro__):
        declared |= {k: found for k, found in vars(base).items() if isinstance(found, Index)}
    return {name: _bind_index(cls, name, index) for name, index in declared.items()}


def _bind_index(cls: "type[Table[Any]]", name: str, index: Index) -> TableIndex[Any]:
    if name in _RESERVED_INDEX_NAMES:
        raise DeclarationError(f"table {cls.__name__}: an index cannot be called {name!r}")
    try:
        definition = IndexDefinition(name, tuple(index.fields), unique=index.is_unique)
    except IndexesError as error:
        raise DeclarationError(f"table {cls.__name__}, index {name!r}: {error}") from error
    return TableIndex(cls, name, definition.fields, index.is_unique, definition)
