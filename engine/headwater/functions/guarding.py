"""The rules of an application, asked in one run of a function."""

from collections.abc import Callable
from typing import Any

from headwater.errors import PermissionDeniedError, ReturnValueError
from headwater.functions.access import Access, AccessRules, AnyRule
from headwater.functions.contexts import QueryCtx
from headwater.transactions.scan import Visible


class RuleGuard:
    """What rules allow in one run.

    Args:
        access: The rules.
        ctx: What they are asked with: it reads without rules.
    """

    __slots__ = ("_access", "_ctx")

    def __init__(self, access: Access, ctx: QueryCtx) -> None:
        self._access = access
        self._ctx = ctx

    def visible(self, table: str) -> Visible | bool:
        """Which documents of a table are shown; True for all, False for none."""
        rules = self._access.rules.get(table)
        if rules is None:
            return self._access.default == "allow"
        rule = rules.read
        if isinstance(rule, bool):
            return rule
        return lambda document: self._asked("read", rules, rule, document)

    def check_insert(self, table: str, document: dict[str, Any]) -> None:
        """Refuse a document that must not be added.

        Raises:
            PermissionDeniedError: It must not.
        """
        rules = self._rules_for_writing("insert", table)
        if rules is not None and not self._allows("insert", rules, rules.insert, document):
            raise self._denied("insert", table, "insert this document into")

    def check_modify(self, table: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        """Refuse a change that must not be made of a document that is visible.

        Raises:
            PermissionDeniedError: It must not.
        """
        rules = self._rules_for_writing("modify", table)
        if rules is None:
            return
        if rules.sees_new:
            is_allowed = self._allows("modify", rules, rules.modify, old, new)
        else:
            is_allowed = all(self._allows("modify", rules, rules.modify, one) for one in (old, new))
        if not is_allowed:
            raise self._denied("modify", table, f"change {old['_id']!r} like this in", old["_id"])

    def check_delete(self, table: str, document: dict[str, Any]) -> None:
        """Refuse to delete a document that is visible.

        Raises:
            PermissionDeniedError: It must not be deleted.
        """
        rules = self._rules_for_writing("delete", table)
        if rules is not None and not self._allows("delete", rules, rules.delete, document):
            id = document["_id"]
            raise self._denied("delete", table, f"delete {id!r} from", id)

    def _rules_for_writing(self, verb: str, table: str) -> AccessRules | None:
        """The rules of a table; None if it has none and is open to all."""
        rules = self._access.rules.get(table)
        if rules is None and self._access.default == "deny":
            raise PermissionDeniedError(
                f"{self._who} may not {verb} documents of {table!r}: the table has no rules, and "
                f"default_access='deny' closes it to public functions; declare hw.rules(...) for "
                "it, or write in trusted code with ctx.db.without_rules()",
                table=table,
                verb=verb,
            )
        return rules

    def _allows(self, verb: str, rules: AccessRules, rule: AnyRule, *documents: Any) -> bool:
        return rule if isinstance(rule, bool) else self._asked(verb, rules, rule, *documents)

    def _asked(
        self, verb: str, rules: AccessRules, rule: Callable[..., bool], *documents: Any
    ) -> bool:
        """What a rule says. It says yes or no, or fails the function."""
        try:
            allowed = rule(self._ctx, *documents)
        except Exception as error:
            error.add_note(f"raised by {_name(verb, rules, rule)}")
            raise
        if type(allowed) is not bool:
            raise ReturnValueError(
                f"{_name(verb, rules, rule)} returned {allowed!r}; expected True or False",
                function=getattr(rule, "__qualname__", ""),
            )
        return allowed

    def _denied(self, verb: str, table: str, what: str, id: str = "") -> PermissionDeniedError:
        return PermissionDeniedError(
            f"{self._who} may not {what} {table!r}: the rule of the table for {verb} does not "
            "allow it",
            table=table,
            verb=verb,
            id=id,
        )

    @property
    def _who(self) -> str:
        return self._ctx.transaction.usage.who


def _name(verb: str, rules: AccessRules, rule: Callable[..., bool]) -> str:
    name = getattr(rule, "__qualname__", repr(rule))
    return f"the rule {name} of table {rules.table.table_name!r} for {verb}"
