"""Who may read and write what, as an application declares it: rules per table.

Rules hold for public functions, however these are called, and for everything that they call. They
do not hold for what the program does itself: internal functions that it calls, transactions,
snapshots, projections.
"""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, TypeVar

from headwater.errors import DeclarationError
from headwater.functions.contexts import QueryCtx
from headwater.schema.tables import AnyDocument, Table, is_table

E = TypeVar("E", bound=AnyDocument)

DefaultAccess: TypeAlias = Literal["allow", "deny"]
"""What public functions may do with a table that has no rules."""

Rule: TypeAlias = Callable[[QueryCtx, E], bool] | bool
"""Whether something is allowed; True for everybody, False for nobody."""

ChangeRule: TypeAlias = Callable[[QueryCtx, E, E], bool]
"""Whether a document may become another one, by the document before and after."""

AnyRule: TypeAlias = Callable[..., bool] | bool
"""A rule for whatever it is."""

DECLARED: Final = "__headwater_rules__"
"""Where a module keeps the rules that were declared in it, by table name."""

_WITHOUT_NEW: Final = 2
_WITH_NEW: Final = 3


@dataclass(frozen=True, slots=True)
class AccessRules:
    """The rules of one table; made by `rules`.

    Attributes:
        table: The table.
        module: The dotted name of the module that declares them.
        read: Which documents are visible.
        insert: Which may be added.
        modify: Which may be patched or replaced.
        delete: Which may be deleted.
        sees_new: Whether the rule for changes takes the document after it too.
    """

    table: type[Table[Any]]
    module: str
    read: AnyRule
    insert: AnyRule
    modify: AnyRule
    delete: AnyRule
    sees_new: bool


def rules(
    table: type[Table[E]],
    *,
    read: Rule[E] = False,
    insert: Rule[E] = False,
    modify: Rule[E] | ChangeRule[E] = False,
    delete: Rule[E] | None = None,
) -> AccessRules:
    """Declares who may read and write the documents of a table, through public functions.

    A statement of a module: ``hw.rules(Messages, read=is_member, insert=is_author)``. A rule is a
    function of a context and a document. The context reads without rules, and knows who calls; what
    a rule reads is a dependency of the function like all that it reads itself. What no rule allows
    is denied. A rule that raises fails the function.

    A document that ``read`` hides is as if absent, also for patch, replace and delete. A write that
    is denied raises `PermissionDeniedError`.

    Args:
        table: The table.
        read: Which documents are visible.
        insert: Which may be added; the document has no ``_id`` yet.
        modify: Which may be patched or replaced. A rule that takes one document has to allow the
            one before and the one after the change; a rule that takes two decides on both at once.
        delete: Which may be deleted; by default those that may be modified.

    Raises:
        DeclarationError: A rule is no such function, or the table is none that can have it.
    """
    frame = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    if not is_table(table):
        raise DeclarationError(
            f"hw.rules({table!r}): expected the class of a table, as in hw.rules(Messages, ...)"
        )
    sees_new = _sees_new(table.table_name, modify)
    if delete is None and sees_new:
        raise DeclarationError(
            f"the rules of {table.table_name!r}: modify= takes the new document, of which a "
            "deletion has none; say who may delete: delete=..."
        )
    deleting: AnyRule = modify if delete is None else delete
    for verb, rule in (("read", read), ("insert", insert), ("delete", deleting)):
        _check_rule(table.table_name, verb, rule, (_WITHOUT_NEW,))
    if table.table_name.startswith("_") and (insert, modify, deleting) != (False, False, False):
        raise DeclarationError(
            f"the rules of {table.table_name!r}: it is written by its service alone; give read= "
            "only"
        )
    module = str(frame.f_globals.get("__name__", "__main__"))
    declared = AccessRules(table, module, read, insert, modify, deleting, sees_new)
    frame.f_globals.setdefault(DECLARED, {})[table.table_name] = declared
    return declared


def _sees_new(table: str, modify: Any) -> bool:
    _check_rule(table, "modify", modify, (_WITHOUT_NEW, _WITH_NEW))
    return not isinstance(modify, bool) and _takes(modify, _WITH_NEW)


def _check_rule(table: str, verb: str, rule: Any, counts: tuple[int, ...]) -> None:
    where = f"the rules of {table!r}: {verb}={getattr(rule, '__qualname__', repr(rule))}"
    if isinstance(rule, bool):
        return
    if not callable(rule):
        raise DeclarationError(f"{where}: expected a function of a context and a document, or bool")
    if inspect.iscoroutinefunction(rule) or inspect.isgeneratorfunction(rule):
        raise DeclarationError(f"{where}: expected a plain def that returns a bool")
    if not any(_takes(rule, count) for count in counts):
        expected = "(ctx, document)" if _WITH_NEW not in counts else "(ctx, old) or (ctx, old, new)"
        raise DeclarationError(f"{where}: expected a function that takes {expected}")


def _takes(rule: Callable[..., Any], count: int) -> bool:
    """Whether it can be called with so many arguments and needs no more."""
    try:
        inspect.signature(rule).bind(*range(count))
    except TypeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Access:
    """What the rules of all tables of an application are.

    Attributes:
        rules: By table name.
        default: What holds for tables without any.
    """

    rules: Mapping[str, AccessRules]
    default: DefaultAccess = "allow"

    def __post_init__(self) -> None:
        if self.default not in ("allow", "deny"):
            raise DeclarationError(
                f"default_access={self.default!r}: expected 'allow' or 'deny', for public "
                "functions and tables without rules"
            )

    @property
    def allows_all(self) -> bool:
        """Whether nothing has to be looked at."""
        return not self.rules and self.default == "allow"


ALL_ALLOWED: Final = Access(MappingProxyType({}))
