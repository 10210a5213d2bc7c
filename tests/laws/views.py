"""Projections of the tables of `tests.laws.logged`, and a plain fold that gives the same.

``counts`` keeps how many documents of each table have each number: the order does not matter.
``journal`` keeps every change with its place: nothing may be missing, come twice or out of order.
"""

from collections import Counter
from types import ModuleType
from typing import Any

from tests.laws.logged import Did

import headwater as hw
from headwater import Document, Index, Table


class Apple(Document["Apple"]):
    number: int


class Apples(Table[Apple]):
    pass


class Pear(Document["Pear"]):
    number: int


class Pears(Table[Pear]):
    pass


class Count(Document["Count"]):
    table: str
    number: int
    count: int


class Counts(Table[Count]):
    by_number = Index("table", "number", unique=True)


class Line(Document["Line"]):
    place: int
    text: str


class Lines(Table[Line]):
    by_place = Index("place", unique=True)


def add(state: hw.ProjectionState, table: str, number: int, more: int) -> None:
    row = state.query(Counts).with_index(Counts.by_number, table, number).unique()
    if row is None:
        state.insert(Counts, {"table": table, "number": number, "count": more})
    elif row["count"] + more:
        state.patch(row["_id"], count=row["count"] + more)
    else:
        state.delete(row["_id"])


def counts(state: hw.ProjectionState, event: hw.Change) -> None:
    if event.before is not None:
        add(state, event.table, event.before["number"], -1)
    if event.after is not None:
        add(state, event.table, event.after["number"], 1)


def text_of(table: str, before: Any, after: Any) -> str:
    old = "" if before is None else before["number"]
    new = "" if after is None else after["number"]
    return f"{table} {old}>{new}"


def journal(state: hw.ProjectionState, event: hw.Change) -> None:
    last = state.query(Lines).with_index(Lines.by_place).order("desc").first()
    place = 0 if last is None else last["place"] + 1
    text = text_of(event.table, event.before, event.after)
    state.insert(Lines, {"place": place, "text": text})


def declare(feed: Any = "commit", version: int = 1, **others: Any) -> ModuleType:
    """A module with both tables, both projections, and what else it is given."""
    module: Any = ModuleType("views")
    module.Apples, module.Pears = Apples, Pears
    module.counts = hw.projection(into=[Counts], of=[Apples, Pears], feed=feed, version=version)(
        counts
    )
    module.journal = hw.projection(into=[Lines], of=[Apples], feed=feed, version=version)(journal)
    for name, found in others.items():
        setattr(module, name, found)
    return module


def plain() -> ModuleType:
    """A module with the tables alone, as an application that knows no projection."""
    module: Any = ModuleType("plain")
    module.Apples, module.Pears = Apples, Pears
    return module


def fold(commits: list[list[Did]]) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Both views by dicts and lists, from what each commit did."""
    counted: Counter[tuple[str, int]] = Counter()
    lines: list[str] = []
    for did in commits:
        for one in did:
            if one.before is not None:
                counted[one.table, one.before["number"]] -= 1
            if one.after is not None:
                counted[one.table, one.after["number"]] += 1
            if one.table == "apples":
                lines.append(text_of(one.table, one.before, one.after))
    return {key: count for key, count in counted.items() if count}, lines


def views(reader: Any) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Both views as a snapshot has them."""
    rows = reader.query(Counts).collect()
    lines = reader.query(Lines).with_index(Lines.by_place).collect()
    assert [line["place"] for line in lines] == list(range(len(lines)))
    return (
        {(row["table"], row["number"]): row["count"] for row in rows},
        [line["text"] for line in lines],
    )


def views_now(db: hw.Database) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Both views as they are now."""
    with db.snapshot() as snapshot:
        return views(snapshot)


def fold_of_log(db: hw.Database) -> tuple[dict[tuple[str, int], int], list[str]]:
    """Both views by dicts and lists, from the log itself."""
    entries = db.log.read(db.log.horizon, tables=[Apples, Pears])
    return fold([[Did(c.table, c.id, c.before, c.after) for c in e.changes] for e in entries])
