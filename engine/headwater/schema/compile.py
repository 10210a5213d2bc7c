"""Validators compiled to Python functions.

Each validator becomes one flat function without calls on its fast path: types are compared by
identity, and what is not the exact type (a ``StrEnum``, an ``OrderedDict``, a string that is not
ASCII) takes a slower test. A value that does not fit is walked once more by
`headwater.schema.explain`, which has the words. A value that passes can be stored as it is.

Cost: about 0.3 microseconds for an object of three scalar fields.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from types import CodeType
from typing import Any, Final, NoReturn, TypeAlias

from headwater.schema.explain import (
    NO_TABLES,
    TableNumbers,
    Walk,
    find_mismatch,
    is_float,
    is_id,
    is_int64,
    is_integer,
    is_key,
    is_literal,
    is_storable,
    is_text,
)
from headwater.schema.validators import (
    INT64_MAX,
    INT64_MIN,
    AnyValidator,
    BooleanValidator,
    BytesValidator,
    FloatValidator,
    IdValidator,
    Int64Validator,
    IntegerValidator,
    Length,
    ListValidator,
    LiteralValidator,
    NullValidator,
    ObjectValidator,
    Pattern,
    Range,
    RecordValidator,
    RefinedValidator,
    Refinement,
    StringValidator,
    UnionValidator,
    Validator,
)
from headwater_indexes.ids import USER_ID_LENGTH
from headwater_indexes.values import MISSING, NESTING_DEFAULT

Checker: TypeAlias = Callable[[Any], None]

_LEADING: Final = 5
"""Characters of an id that tell its table, as in `headwater_indexes.ids`."""

_LOOPS_MAX: Final = 8
"""Loops inside one another in one function; Python allows 20 blocks."""

_INDENTED_MAX: Final = 40
"""Levels of indentation from which on an object in a union has a function of its own; Python allows
100."""

_SCALAR_CONDITIONS: Final[dict[type, str]] = {
    NullValidator: "{x} is not None",
    BooleanValidator: "{x} is not True and {x} is not False",
    IntegerValidator: (
        f"(type({{x}}) is not int or not {INT64_MIN} <= {{x}} <= {INT64_MAX})"
        " and not is_integer({x})"
    ),
    FloatValidator: "type({x}) is not float and not is_float({x})",
    StringValidator: "(type({x}) is not str or not {x}.isascii()) and not is_text({x})",
    BytesValidator: "not isinstance({x}, bytes)",
    Int64Validator: "not is_int64({x})",
}
"""When a variable does not fit, as a Python expression that raises nothing."""

_TEXT_CONDITION: Final = "not (is_ascii({x}) or encoded({x}))"
"""The same for a string, in half of the steps: raises TypeError for what is none, and
UnicodeEncodeError for one that UTF-8 cannot hold. So it is not for members of a union."""

_NAMESPACE: Final[dict[str, Any]] = {
    "MISSING": MISSING,
    "SIMPLE": frozenset({bool, type(None), float, bytes}),
    "encoded": str.encode,
    "is_ascii": str.isascii,
    "is_float": is_float,
    "is_int64": is_int64,
    "is_integer": is_integer,
    "is_key": is_key,
    "is_literal": is_literal,
    "is_storable": is_storable,
    "is_text": is_text,
}


def compile_checker(
    validator: Validator,
    tables: TableNumbers = NO_TABLES,
    *,
    nesting: int = NESTING_DEFAULT,
    noun: str = "field",
) -> Checker:
    """A function that returns for a value that fits, and raises for any other.

    Args:
        validator: What fits.
        tables: How the database numbers its tables. A table is looked up when the first id of it
            is checked; from then on its number must stay.
        nesting: Levels of lists and dicts that a value may have.
        noun: What the names of the outermost object are called in messages.

    Returns:
        The function; it raises `headwater.schema.explain.ValidationError`.
    """
    source = _Source(tables)

    def fail(value: Any) -> NoReturn:
        wrong = find_mismatch(validator, value, "", Walk(tables, nesting, noun))
        if wrong is None:
            raise AssertionError(f"the checker of {validator!r} refused {value!r}, which fits")
        raise wrong

    source.namespace["fail"] = fail
    name = source.function(validator, "fail(value)", nesting)
    checker: Checker = source.build(name)
    return checker


class LateChecker:
    """What `compile_checker` gives, made when it is first needed: most opened tables never are."""

    def __init__(self, validator: Validator, tables: TableNumbers, *, nesting: int) -> None:
        self._validator = validator
        self._tables = tables
        self._nesting = nesting
        self._compiled: Checker | None = None

    def compiled(self) -> Checker:
        """The checker itself, which is quicker to call than this."""
        if self._compiled is None:
            self._compiled = compile_checker(self._validator, self._tables, nesting=self._nesting)
        return self._compiled

    def __call__(self, value: Any) -> None:
        """Check a value."""
        self.compiled()(value)


class _Source:
    """The functions of one validator while they are being written."""

    def __init__(self, tables: TableNumbers) -> None:
        self.tables = tables
        self.namespace = dict(_NAMESPACE)
        self.functions: list[str] = []
        self._count = 0

    def name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, stem: str, value: Any) -> str:
        name = self.name(stem)
        self.namespace[name] = value
        return name

    def function(self, validator: Validator, failure: str, nesting: int) -> str:
        """Adds a function of one value, in which ``failure`` is done on a misfit."""
        name = self.name("check")
        body = _Body(self, failure)
        body.line("try:")
        body.depth += 1
        body.check(validator, "value", nesting)
        body.line("return True" if failure == "return False" else "return None")
        body.depth -= 1
        body.line(f"except (KeyError, TypeError, UnicodeEncodeError): {failure}")
        self.functions.append(f"def {name}(value):\n" + "\n".join(body.lines))
        return name

    def build(self, name: str) -> Any:
        # The text is made of our own templates, and of field names and literals by repr.
        exec(_code_of("\n\n".join(self.functions)), self.namespace)  # noqa: S102
        return self.namespace[name]


@lru_cache(maxsize=256)
def _code_of(source: str) -> CodeType:
    """The same types are checked in every database that is opened; what differs are constants."""
    return compile(source, "<string>", "exec")


class _Body:
    """The lines of one function while they are being written."""

    def __init__(self, source: _Source, failure: str) -> None:
        self.source = source
        self.failure = failure
        self.lines: list[str] = []
        self.depth = 1
        self.loops = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def fail_if(self, condition: str) -> None:
        self.line(f"if {condition}: {self.failure}")

    def check(self, validator: Validator, x: str, nesting: int) -> None:
        """Writes lines that fail unless the variable ``x`` fits."""
        match validator:
            case ListValidator(items) if self.loops < _LOOPS_MAX:
                self.fail_if(f"type({x}) is not list and not isinstance({x}, list)")
                self._loop(items, x, nesting)
            case RecordValidator() if self.loops < _LOOPS_MAX:
                self.fail_if(f"type({x}) is not dict and not isinstance({x}, dict)")
                self._record(validator, x, nesting)
            case ObjectValidator():
                self._object(validator, x, nesting)
            case RefinedValidator(base, refinements):
                self.check(base, x, nesting)
                for refinement in refinements:
                    self.fail_if(self._refinement(refinement, x))
            case UnionValidator(members) if self.depth < _INDENTED_MAX and isinstance(
                whole := _one_whole(members), ObjectValidator
            ):
                # An object or something simple, such as None: without a function for the object.
                simple = [member for member in members if member is not whole]
                self.line(f"if {self._union(tuple(simple), x, nesting)}:")
                self.depth += 1
                self.check(whole, x, nesting)
                self.depth -= 1
            case StringValidator():
                self.fail_if(_TEXT_CONDITION.format(x=x))
            case _:
                self.fail_if(self.condition(validator, x, nesting))

    def _loop(self, items: Validator, x: str, nesting: int) -> None:
        if isinstance(items, AnyValidator):
            self.fail_if(f"not is_storable({x}, {nesting})")
            return
        item = self.source.name("item")
        self.line(f"for {item} in {x}:")
        self._inside(lambda: self.check(items, item, nesting - 1))

    def _record(self, validator: RecordValidator, x: str, nesting: int) -> None:
        key, item = self.source.name("key"), self.source.name("item")
        self.line(f"for {key}, {item} in {x}.items():")

        def write() -> None:
            self.fail_if(f"not is_key({key})")
            if validator.keys != StringValidator():
                self.check(validator.keys, key, nesting - 1)
            self.check(validator.values, item, nesting - 1)

        self._inside(write)

    def _inside(self, write: Callable[[], None]) -> None:
        self.depth += 1
        self.loops += 1
        write()
        self.depth -= 1
        self.loops -= 1

    def _object(self, validator: ObjectValidator, x: str, nesting: int) -> None:
        self.fail_if(f"type({x}) is not dict and not isinstance({x}, dict)")
        fields = validator.fields
        names = {name: self.source.name("field") for name in fields}
        required = [name for name, field in fields.items() if not field.is_optional]
        optional = [name for name, field in fields.items() if field.is_optional]
        if required:
            self._take_required({name: names[name] for name in required}, x)
        count = ""
        if optional and validator.is_closed:
            count = self.source.name("count")
            self.line(f"{count} = {len(required)}")
        for name in required:
            self.check(fields[name].validator, names[name], nesting - 1)
        for name in optional:
            self._optional(
                fields[name].validator, names[name], f"{x}.get({name!r}, MISSING)", (count, nesting)
            )
        if validator.is_closed:
            self.fail_if(f"len({x}) != {count or len(required)}")
        else:
            self._others(validator, x, nesting)

    def _take_required(self, names: dict[str, str], x: str) -> None:
        take = self.source.constant("take", itemgetter(*names))
        self.line(f"{', '.join(names.values())} = {take}({x})")

    def _optional(
        self, validator: Validator, variable: str, taken: str, state: tuple[str, int]
    ) -> None:
        count, nesting = state
        self.line(f"{variable} = {taken}")
        self.line(f"if {variable} is not MISSING:")
        self.depth += 1
        if count:
            self.line(f"{count} += 1")
        self.check(validator, variable, nesting - 1)
        self.line("pass")
        self.depth -= 1

    def _others(self, validator: ObjectValidator, x: str, nesting: int) -> None:
        known = self.source.constant("known", frozenset(validator.fields))
        key, item = self.source.name("key"), self.source.name("item")
        self.line(f"for {key}, {item} in {x}.items():")
        inner = f"is_key({key}) and is_storable({item}, {nesting - 1})"
        self.line(f"    if {key} not in {known} and not ({inner}): {self.failure}")

    def condition(self, validator: Validator, x: str, nesting: int) -> str:
        """An expression that is true unless the variable ``x`` fits."""
        template = _SCALAR_CONDITIONS.get(type(validator))
        if template is not None:
            return template.format(x=x)
        match validator:
            case AnyValidator():
                return f"type({x}) not in SIMPLE and not is_storable({x}, {nesting})"
            case LiteralValidator():
                return self._literals([validator], x)
            case IdValidator(table):
                return self._id(table, x)
            case UnionValidator(members):
                return self._union(members, x, nesting)
            case _:
                function = self.source.function(validator, "return False", nesting)
                return f"not {function}({x})"

    def _literals(self, literals: list[LiteralValidator], x: str) -> str:
        texts = frozenset(item.value for item in literals if isinstance(item.value, str))
        others = [item.value for item in literals if not isinstance(item.value, str)]
        conditions = [f"not is_literal({x}, {value!r})" for value in others]
        if texts:
            known = self.source.constant("texts", texts)
            # A StrEnum is no exact str, but hashes and compares as one.
            conditions.insert(
                0, f"(type({x}) is not str and not is_text({x}) or {x} not in {known})"
            )
        return " and ".join(conditions)

    def _id(self, table: str, x: str) -> str:
        leading, test = _id_test(table, self.source.tables)
        known = self.source.constant("leading", leading)
        test_name = self.source.constant("is_id", test)
        return (
            f"(type({x}) is not str or {x}[:{_LEADING}] not in {known}"
            f" or len({x}) != {USER_ID_LENGTH} or not {x}.isascii()) and not {test_name}({x})"
        )

    def _union(self, members: tuple[Validator, ...], x: str, nesting: int) -> str:
        literals = [member for member in members if isinstance(member, LiteralValidator)]
        rest = [member for member in members if not isinstance(member, LiteralValidator)]
        rest.sort(key=lambda member: type(member) not in _SCALAR_CONDITIONS)
        conditions = [self._literals(literals, x)] if literals else []
        conditions += [self.condition(member, x, nesting) for member in rest]
        return " and ".join(f"({condition})" for condition in conditions) or "True"

    def _refinement(self, refinement: Refinement, x: str) -> str:
        match refinement:
            case Range(ge=ge, gt=gt, le=le, lt=lt):
                bounds = ((">=", ge), (">", gt), ("<=", le), ("<", lt))
                tests = [
                    f"{x} {sign} {self.source.constant('bound', bound)}"
                    for sign, bound in bounds
                    if bound is not None
                ]
                return f"not ({' and '.join(tests) or 'True'})"
            case Length(least, most):
                return f"not {least} <= len({x})" + ("" if most is None else f" <= {most}")
            case Pattern(regex):
                return f"{self.source.constant('match', re.compile(regex).fullmatch)}({x}) is None"
            case _:
                return f"not {self.source.constant('accepts', refinement.accepts)}({x})"


def _one_whole(members: tuple[Validator, ...]) -> Validator | None:
    """The only member of a union that is not tested by one expression; None if there are others."""
    wholes = [member for member in members if not _is_simple(member)]
    return wholes[0] if len(wholes) == 1 else None


def _is_simple(validator: Validator) -> bool:
    return type(validator) in _SCALAR_CONDITIONS or isinstance(validator, LiteralValidator)


def _id_test(table: str, tables: TableNumbers) -> tuple[set[str], Callable[[Any], bool]]:
    """A set of beginnings that ids of the table are known to have, and the test that fills it.

    The beginning of an id is its table and the top bits of its time: one or two in a decade, at
    most 1024 altogether.
    """
    leading: set[str] = set()
    number: int | None = None

    def forget() -> None:
        nonlocal number
        number = None
        leading.clear()

    def test(value: Any) -> bool:
        nonlocal number
        if number is None:
            number = tables.number_of(table)
            if number is not None:
                tables.when_renumbered(forget)
        fits = is_id(value, number)
        if fits and len(value) == USER_ID_LENGTH:
            leading.add(value[:_LEADING])
        return fits

    return leading, test
