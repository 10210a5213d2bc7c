"""What is wrong with a value: the slow walk beside the compiled checkers.

A compiled checker only finds out *that* a value does not fit; then this module walks the validator
and the value together to say where, what was expected, what was found and what to do. It is also
the plain statement of what each validator means: tests hold the compiled checkers against it.
"""

import reprlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeGuard, cast

from headwater.schema.validators import (
    INT64_MAX,
    INT64_MIN,
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
    LiteralValue,
    NullValidator,
    ObjectValidator,
    RecordValidator,
    RefinedValidator,
    StringValidator,
    UnionValidator,
    Validator,
    describe,
)
from headwater_indexes.errors import MalformedIdError, NotStorableError
from headwater_indexes.ids import table_number_of
from headwater_indexes.values import NESTING_DEFAULT, Int64, check_value

_SHOWN_CHARACTERS: Final = 60
_NEAR_CHARACTERS: Final = 200


class TableNumbers:
    """How a database numbers its tables; asked when an id is checked, so it may change until then.

    Attributes:
        number_of: The number of a table by name, None if it has none yet.
        name_of: The name of a table by number, None if there is no such table.
    """

    __slots__ = ("_forget", "name_of", "number_of")

    def __init__(
        self, number_of: Callable[[str], int | None], name_of: Callable[[int], str | None]
    ) -> None:
        self.number_of: Callable[[str], int | None] = number_of
        self.name_of: Callable[[int], str | None] = name_of
        self._forget: list[Callable[[], None]] = []

    def when_renumbered(self, forget: Callable[[], None]) -> None:
        """Have a check forget the numbers that it has kept, once they have changed."""
        self._forget.append(forget)

    def renumbered(self) -> None:
        """A table has another number: let every check ask again."""
        for forget in self._forget:
            forget()


def _nothing(_key: Any) -> None:
    return None


NO_TABLES: Final = TableNumbers(_nothing, _nothing)
"""Of a database without tables: no id fits."""


class ValidationError(ValueError):
    """A value does not fit. The floors above name the function or table and raise their own error.

    Attributes:
        path: Where, such as ``messages[3].sent_at``; empty for the value itself.
        expected: What would have fitted, in words; empty if only names are wrong.
        got: What was found instead, in words.
        hint: What to do, or empty.
        problem: All of it in one line, without the path.
    """

    def __init__(
        self, path: str, *, expected: str = "", got: str = "", hint: str = "", problem: str = ""
    ) -> None:
        said = problem or f"expected {expected}, got {got}"
        self.path = path
        self.expected = expected
        self.got = got
        self.hint = hint
        self.problem: str = f"{said}; {hint}" if hint else said
        super().__init__(f"{path}: {self.problem}" if path else self.problem)


class Walk(NamedTuple):
    """What a walk knows at every step.

    Attributes:
        tables: Of the database, for ids.
        nesting: Levels of lists and dicts that values of any type may still have.
        noun: What the names of the outermost object are called.
    """

    tables: TableNumbers = NO_TABLES
    nesting: int = NESTING_DEFAULT
    noun: str = "field"

    def inner(self) -> "Walk":
        """One level further in."""
        return Walk(self.tables, self.nesting - 1)

    def outer(self) -> "Walk":
        """One level further out."""
        return Walk(self.tables, self.nesting + 1)


def find_mismatch(  # noqa: PLR0911 - one for each kind
    validator: Validator, value: Any, path: str = "", walk: Walk | None = None
) -> ValidationError | None:
    """The first thing that is wrong with a value, None if it fits. O(size of the value)."""
    walk = walk or Walk()
    match validator:
        case AnyValidator():
            return _unstorable(value, path, walk)
        case IdValidator(table):
            return _id_mismatch(table, value, path, walk)
        case ListValidator(items):
            return _list_mismatch(items, value, path, walk)
        case RecordValidator():
            return _record_mismatch(validator, value, path, walk)
        case ObjectValidator():
            return _object_mismatch(validator, value, path, walk)
        case UnionValidator():
            return _union_mismatch(validator, value, path, walk)
        case RefinedValidator():
            return _refined_mismatch(validator, value, path, walk)
        case _:
            return (
                None if fits_scalar(validator, value) else _mismatch(validator, value, path, walk)
            )


# Scalars ----------------------------------------------------------------------------------------


def is_text(value: Any) -> bool:
    """Whether it is a string that UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_integer(value: Any) -> bool:
    """Whether it is a signed 64 bit integer and no bool."""
    return (
        isinstance(value, int) and not isinstance(value, bool) and INT64_MIN <= value <= INT64_MAX
    )


def is_float(value: Any) -> bool:
    """Whether it is a number."""
    return isinstance(value, float) or is_integer(value)


def is_int64(value: Any) -> bool:
    """Whether it is an ``Int64``, and in range."""
    return isinstance(value, Int64) and is_integer(value)


def is_storable(value: Any, nesting: int = NESTING_DEFAULT) -> bool:
    """Whether it is a value at all."""
    try:
        check_value(value, nesting=nesting)
    except NotStorableError:
        return False
    return True


def is_literal(value: Any, literal: LiteralValue) -> bool:
    """Whether it is that literal: type and value."""
    if literal is None or isinstance(literal, bool):
        return value is literal
    return isinstance(value, type(literal)) and not isinstance(value, bool) and value == literal


def is_key(value: Any) -> bool:
    """Whether a dict that is stored may have this key."""
    return is_text(value) and value != "" and not value.startswith("$")


def is_id(value: Any, number: int | None) -> bool:
    """Whether it is an id of the table with that number. The checksum is not looked at."""
    if number is None or not isinstance(value, str) or not value.isascii():
        return False
    try:
        return table_number_of(value) == number
    except MalformedIdError:
        return False


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether it is a list of whatever."""
    return isinstance(value, list)


def is_dict(value: Any) -> TypeGuard[dict[Any, Any]]:
    """Whether it is a dict of whatever."""
    return isinstance(value, dict)


def fits_scalar(validator: Validator, value: Any) -> bool:  # noqa: PLR0911 - one for each kind
    """Whether a value fits a validator that has no others inside."""
    match validator:
        case NullValidator():
            return value is None
        case BooleanValidator():
            return value is True or value is False
        case IntegerValidator():
            return is_integer(value)
        case FloatValidator():
            return is_float(value)
        case StringValidator():
            return is_text(value)
        case BytesValidator():
            return isinstance(value, bytes)
        case Int64Validator():
            return is_int64(value)
        case LiteralValidator(literal):
            return is_literal(value, literal)
        case _:
            raise AssertionError(f"{validator!r} is no scalar")


# Mismatches -------------------------------------------------------------------------------------


def _mismatch(validator: Validator, value: Any, path: str, walk: Walk) -> ValidationError:
    expected = describe(validator)
    unstorable = _unstorable(value, path, walk)
    # What is no value further in only matters where the outside might have fitted.
    is_inside = unstorable is not None and unstorable.path != path
    if unstorable is not None and (not is_inside or isinstance(validator, UnionValidator)):
        problem = f"expected {expected}; {unstorable.problem}"
        return ValidationError(unstorable.path, expected=expected, got=show(value), problem=problem)
    hint = ""
    if isinstance(validator, Int64Validator) and is_integer(value):
        hint = f"write hw.Int64({value})"
    return ValidationError(path, expected=expected, got=show(value), hint=hint)


def _unstorable(value: Any, path: str, walk: Walk) -> ValidationError | None:
    try:
        check_value(value, path=path, nesting=walk.nesting)
    except NotStorableError as error:
        return ValidationError(
            error.path, expected="a value", got=show(value), problem=error.reason
        )
    return None


def _id_mismatch(table: str, value: Any, path: str, walk: Walk) -> ValidationError | None:
    number = walk.tables.number_of(table)
    if is_id(value, number):
        return None
    if not is_text(value):
        return _mismatch(IdValidator(table), value, path, walk)
    try:
        found = table_number_of(value)
    except MalformedIdError:
        return ValidationError(
            path, expected=f"an id of table {table!r}", got=f"{show(value)}, which is no id"
        )
    if not value.isascii() or number == found:
        return ValidationError(
            path, expected=f"an id of table {table!r}", got=f"{show(value)}, which is no id"
        )
    name = walk.tables.name_of(found)
    owner = f"table {name!r}" if name is not None else "a table that this database does not have"
    return ValidationError(
        path, expected=f"an id of table {table!r}", got=f"an id of {owner} ({value!r})"
    )


def _list_mismatch(items: Validator, value: Any, path: str, walk: Walk) -> ValidationError | None:
    if not is_list(value):
        return _mismatch(ListValidator(items), value, path, walk)
    inner = walk.inner()
    return _first(
        find_mismatch(items, item, f"{path}[{position}]", inner)
        for position, item in enumerate(value)
    )


def _record_mismatch(
    validator: RecordValidator, value: Any, path: str, walk: Walk
) -> ValidationError | None:
    if not is_dict(value):
        return _mismatch(validator, value, path, walk)
    return _first(_record_mismatches(validator, value, path, walk.inner()))


def _record_mismatches(
    validator: RecordValidator, value: Mapping[Any, Any], path: str, walk: Walk
) -> Iterator[ValidationError | None]:
    for key, item in value.items():
        yield _key_mismatch(key, path, walk)
        wrong = find_mismatch(validator.keys, key, "", walk)
        if wrong is not None:
            expected = describe(validator.keys)
            yield ValidationError(
                path, expected=expected, got=show(key), problem=f"key {show(key)}: {wrong.problem}"
            )
        yield find_mismatch(validator.values, item, join(path, key), walk)


def _key_mismatch(key: Any, path: str, walk: Walk) -> ValidationError | None:
    # As a dict of one, one level further out, because the value check has the words for a key.
    return None if is_key(key) else _unstorable({key: None}, path, walk.outer())


def _object_mismatch(
    validator: ObjectValidator, value: Any, path: str, walk: Walk
) -> ValidationError | None:
    if not is_dict(value):
        return _mismatch(validator, value, path, walk)
    return _first(_object_mismatches(validator, value, path, walk))


def _object_mismatches(
    validator: ObjectValidator, value: Mapping[Any, Any], path: str, walk: Walk
) -> Iterator[ValidationError | None]:
    fields = validator.fields
    required = [name for name, field in fields.items() if not field.is_optional]
    names = value.keys() if validator.is_closed else value.keys() & fields.keys()
    problem = name_problem(names, known=fields, required=required, noun=walk.noun)
    if problem:
        yield ValidationError(path, got=show(value), problem=problem)
    inner = walk.inner()
    for name, item in value.items():
        if name in fields:
            yield find_mismatch(fields[name].validator, item, join(path, name), inner)
        else:
            yield _key_mismatch(name, path, inner)
            yield _unstorable(item, join(path, name), inner)


def _union_mismatch(
    validator: UnionValidator, value: Any, path: str, walk: Walk
) -> ValidationError | None:
    meant: list[ValidationError] = []
    for member in validator.members:
        wrong = find_mismatch(member, value, path, walk)
        if wrong is None:
            return None
        if _is_meant(member, value):
            meant.append(wrong)
    # The mismatch inside the one member that was meant says more than the list of all members.
    return meant[0] if len(meant) == 1 else _mismatch(validator, value, path, walk)


def _is_meant(member: Validator, value: Any) -> bool:
    """Whether a value fits a member on the outside: its type, or the literals that tag it."""
    match member:
        case ListValidator():
            return isinstance(value, list)
        case RecordValidator():
            return isinstance(value, dict)
        case ObjectValidator(fields):
            return is_dict(value) and _has_tags(fields, value)
        case RefinedValidator(base):
            return find_mismatch(base, value) is None
        case IdValidator():
            return is_text(value)
        case _:
            return False


def _has_tags(fields: Mapping[str, Field], value: Mapping[Any, Any]) -> bool:
    return all(
        fits_scalar(field.validator, value.get(name))
        for name, field in fields.items()
        if isinstance(field.validator, LiteralValidator)
    )


def _refined_mismatch(
    validator: RefinedValidator, value: Any, path: str, walk: Walk
) -> ValidationError | None:
    wrong = find_mismatch(validator.base, value, path, walk)
    if wrong is not None:
        return wrong
    for refinement in validator.refinements:
        if not refinement.accepts(value):
            expected = f"{describe(validator.base)} ({refinement})"
            return ValidationError(path, expected=expected, got=show(value))
    return None


def _first(found: Iterable[ValidationError | None]) -> ValidationError | None:
    return next((wrong for wrong in found if wrong is not None), None)


# Words ------------------------------------------------------------------------------------------


def join(path: str, key: Any) -> str:
    """The path of a member of a dict."""
    if isinstance(key, str) and key.isidentifier():
        return f"{path}.{key}" if path else key
    return f"{path}[{reprlib.repr(key)}]"


def show(value: Any) -> str:
    """A value for a message: at most 60 characters, with its type where that is not plain."""
    if value is None or isinstance(value, bool):
        return repr(value)
    text = _short_repr(value)
    return f"{text} ({type(cast('object', value)).__name__})"


class _ShortRepr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _SHOWN_CHARACTERS
        self.maxlevel = 2
        self.maxlist = self.maxdict = 3


def _short_repr(value: Any) -> str:
    text = _ShortRepr().repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that somebody may have meant."""
    import difflib

    if len(name) > _NEAR_CHARACTERS:
        return None  # nobody has mistyped that, and comparing it takes long
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def name_problem(
    given: Collection[Any], *, known: Collection[str], required: Collection[str], noun: str
) -> str:
    """Says what is wrong with a set of names, the unknown and the missing ones together.

    Args:
        given: The names that were given.
        known: The names that may be given.
        required: Those of them that must be.
        noun: What a name is called: ``argument`` or ``field``.

    Returns:
        One line, such as ``unknown argument 'chanel' - did you mean 'channel'? (and 'channel' is
        missing)``; empty if nothing is wrong.
    """
    missing = [name for name in required if name not in given]
    unknown = [name for name in given if name not in known]
    if not unknown:
        return f"missing {noun} {_listed(missing)}" if missing else ""
    free = [name for name in known if name not in given]
    said = ", ".join(_unknown(name, noun, free, known) for name in unknown[:3])
    return f"{said} (and {_listed(missing)} {_is(missing)} missing)" if missing else said


def _unknown(name: Any, noun: str, free: Collection[str], known: Collection[str]) -> str:
    close = nearest(name, free) if isinstance(name, str) else None
    if close is not None:
        return f"unknown {noun} {name!r} - did you mean {close!r}?"
    listed = f"known: {', '.join(known)}" if known else f"it takes no {noun}s"
    return f"unknown {noun} {reprlib.repr(name)} ({listed})"


def _listed(names: Collection[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _is(names: Collection[str]) -> str:
    return "is" if len(names) == 1 else "are"
