"""Items with drawn rules, functions that read and write them by every verb, and a model of both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NotRequired

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, SyncActionCtx, Table


class Member(Document["Member"]):
    team: str
    who: str


class Members(Table[Member]):
    by_team = Index("team", "who")


class Item(Document["Item"]):
    owner: str
    team: str
    n: int
    public: bool
    key: NotRequired[int]


class Items(Table[Item]):
    by_n = Index("n")
    by_owner = Index("owner", "n")
    by_key = Index("key", unique=True)


def me(ctx: QueryCtx) -> str:
    return "" if ctx.identity is None else ctx.identity.subject


# Rules, and what they mean -----------------------------------------------------------------------


@dataclass
class Model:
    """What is stored; documents by id in order of creation."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    members: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def copy(self) -> "Model":
        """The same, on its own."""
        return Model({id: dict(item) for id, item in self.items.items()}, list(self.members))


def is_own(ctx: QueryCtx, item: Item) -> bool:
    return item["owner"] == me(ctx)


def is_public(ctx: QueryCtx, item: Item) -> bool:
    return item["public"] or is_own(ctx, item)


def is_of_team(ctx: QueryCtx, item: Item) -> bool:
    found = ctx.db.query(Members).with_index(Members.by_team, item["team"], me(ctx))
    return found.first() is not None


def is_even(_: QueryCtx, item: Item) -> bool:
    return item["n"] % 2 == 0


def is_greatest(ctx: QueryCtx, item: Item) -> bool:
    """Reads the table that it guards."""
    greatest = ctx.db.query(Items).with_index(Items.by_n).order("desc").first()
    return greatest is None or greatest["n"] <= item["n"]


def keeps_owner(ctx: QueryCtx, old: Item, new: Item) -> bool:
    return is_public(ctx, old) and old["owner"] == new["owner"]


Asked = Callable[[Model, str, Mapping[str, Any]], bool]

RULES: dict[str, tuple[Any, Asked]] = {
    "all": (True, lambda _model, _who, _item: True),
    "none": (False, lambda _model, _who, _item: False),
    "own": (is_own, lambda _model, who, item: item["owner"] == who),
    "public": (is_public, lambda _model, who, item: item["public"] or item["owner"] == who),
    "team": (is_of_team, lambda model, who, item: (item["team"], who) in model.members),
    "even": (is_even, lambda _model, _who, item: item["n"] % 2 == 0),
    "greatest": (
        is_greatest,
        lambda model, _who, item: all(one["n"] <= item["n"] for one in model.items.values()),
    ),
}


@dataclass(frozen=True)
class Chosen:
    """A rule for each verb, by its name; "keeps" for changes is the one of two documents."""

    read: str
    insert: str
    modify: str
    delete: str

    def module(self) -> ModuleType:
        """A module that declares them."""
        module = ModuleType("declared")
        modify = keeps_owner if self.modify == "keeps" else RULES[self.modify][0]
        given = {verb: RULES[getattr(self, verb)][0] for verb in ("read", "insert", "delete")}
        vars(module).update(hw=hw, Items=Items, given=given, modify=modify)
        exec("hw.rules(Items, modify=modify, **given)", vars(module))
        return module

    def reads(self, model: Model, who: str, item: Mapping[str, Any]) -> bool:
        """Whether somebody may see it."""
        return RULES[self.read][1](model, who, item)

    def modifies(
        self, model: Model, who: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> bool:
        """Whether somebody may make one of the other."""
        if self.modify == "keeps":
            return RULES["public"][1](model, who, old) and old["owner"] == new["owner"]
        return all(RULES[self.modify][1](model, who, one) for one in (old, new))


# Reads -------------------------------------------------------------------------------------------


def read_by(ctx: QueryCtx, step: list[Any]) -> Any:
    """What one verb reads."""
    verb, *rest = step
    if verb == "get":
        return ctx.db.get(Id[Any](rest[0]))
    if verb == "get_many":
        return ctx.db.get_many([Id[Any](id) for id in rest[0]])
    query: Any = ctx.db.query(Items)
    if verb == "owned":
        return query.with_index(Items.by_owner, rest[0]).collect()
    low, order, count = rest
    query = query.with_index(Items.by_n, gte=low).order(order)
    if verb == "unique":
        try:
            return query.unique()
        except hw.NotUniqueError as error:
            return ["several", *error.ids]
    if verb == "iterate":
        return [item for item, _ in zip(query, range(count), strict=False)]
    if verb == "filter":
        return query.filter(lambda item: item["n"] % 3).take(count)
    return query.take(count) if verb == "take" else getattr(query, verb)()


@hw.query
def read(ctx: QueryCtx, steps: list[list[Any]]) -> list[Any]:
    return [read_by(ctx, step) for step in steps]


@hw.query(internal=True)
def read_inside(ctx: QueryCtx, steps: list[list[Any]]) -> list[Any]:
    return [read_by(ctx, step) for step in steps]


@hw.query
def read_nested(ctx: QueryCtx, steps: list[list[Any]]) -> list[Any]:
    return read_inside(ctx, steps=steps)


@hw.mutation
def read_in_mutation(ctx: MutationCtx, steps: list[list[Any]]) -> list[Any]:
    return [*read(ctx, steps=steps[:1]), *read_inside(ctx, steps=steps[1:])]


@hw.action
def read_in_action(ctx: SyncActionCtx, steps: list[list[Any]]) -> list[Any]:
    return [*ctx.query(read, steps=steps[:1]), *ctx.query(read_inside, steps=steps[1:])]


@hw.query
def page(ctx: QueryCtx, options: hw.PaginationOptions, order: str) -> hw.PaginationResult[Item]:
    ordered: Any = order
    return ctx.db.query(Items).with_index(Items.by_n).order(ordered).paginate(options)


def view(chosen: Chosen, model: Model, who: str) -> list[dict[str, Any]]:
    """What somebody may see, in the order of ``by_n``."""
    shown = [item for item in model.items.values() if chosen.reads(model, who, item)]
    return sorted(shown, key=lambda item: (item["n"], item["_id"]))


def read_of(chosen: Chosen, model: Model, who: str, step: list[Any]) -> Any:
    """What a verb has to read."""
    verb, *rest = step
    shown = view(chosen, model, who)
    if verb == "get":
        return next((item for item in shown if item["_id"] == rest[0]), None)
    if verb == "get_many":
        by_id = {item["_id"]: item for item in shown}
        return [by_id.get(id) for id in rest[0]]
    if verb == "owned":
        return [item for item in shown if item["owner"] == rest[0]]
    low, order, count = rest
    found = [item for item in shown if item["n"] >= low]
    found = found[::-1] if order == "desc" else found
    if verb == "filter":
        return [item for item in found if item["n"] % 3][:count]
    if verb == "unique" and len(found) > 1:
        return ["several", *(item["_id"] for item in found[:2])]
    if verb in ("unique", "first"):
        return found[0] if found else None
    if verb == "count":
        return len(found)
    return found if verb == "collect" else found[:count]


# Writes ------------------------------------------------------------------------------------------


def write_by(ctx: MutationCtx, step: list[Any]) -> Any:
    """What one verb gives, or why it did not."""
    verb, *rest = step
    try:
        if verb == "insert":
            return ctx.db.insert(Items, rest[0])
        if verb == "insert_many":
            return ctx.db.insert_many(Items, rest[0])
        if verb == "patch_many":
            return ctx.db.patch_many(dict(rest[0]))
        if verb.endswith("where"):
            query = ctx.db.query(Items).with_index(Items.by_n, gte=rest[0])
            return getattr(ctx.db, verb)(query, *rest[1:])
        return getattr(ctx.db, verb)(*rest)
    except hw.UniqueViolationError as error:
        return ["unique", error.holder]
    except hw.DocumentNotFoundError as error:
        return ["absent", error.id]
    except hw.PermissionDeniedError as error:
        return ["denied", error.verb, error.id]


@hw.mutation
def write(ctx: MutationCtx, steps: list[list[Any]]) -> list[Any]:
    return [write_by(ctx, step) for step in steps]


@hw.mutation(internal=True)
def write_inside(ctx: MutationCtx, steps: list[list[Any]]) -> list[Any]:
    return [write_by(ctx, step) for step in steps]


@hw.mutation
def write_nested(ctx: MutationCtx, steps: list[list[Any]]) -> list[Any]:
    return [*write(ctx, steps=steps[:1]), *write_inside(ctx, steps=steps[1:])]


@hw.action
def write_in_action(ctx: SyncActionCtx, steps: list[list[Any]]) -> list[Any]:
    return ctx.mutate(write_inside, steps=steps)


@hw.mutation(internal=True)
def set_member(ctx: MutationCtx, team: str, who: str, is_one: bool) -> None:
    found = ctx.db.query(Members).with_index(Members.by_team, team, who).first()
    if is_one and found is None:
        ctx.db.insert(Members, {"team": team, "who": who})
    elif found is not None and not is_one:
        ctx.db.delete(found["_id"])
