"""The application that the laws are tried on: cells in groups, and programs over them.

A *program* is a list of operations, each a list of plain values, so that it can be drawn by
Hypothesis, sent to a mutation as an argument, and run on the database and on a model alike.
"""

from typing import Any, NotRequired

from tests.laws.programs import run_program

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


class Cell(Document["Cell"]):
    group: int
    number: int
    writer: str
    kept: NotRequired[str]


class Cells(Table[Cell]):
    by_number = Index("number")
    by_group = Index("group", "number")


class Receipt(Document["Receipt"]):
    writer: str


class Receipts(Table[Receipt]):
    by_writer = Index("writer", unique=True)


@hw.mutation
def run(ctx: MutationCtx, writer: str, program: list[Any]) -> list[Any]:
    seen = run_program(ctx.db, writer, program)
    ctx.db.insert(Receipts, {"writer": writer})
    return seen


@hw.query
def look(ctx: QueryCtx, program: list[Any]) -> list[Any]:
    return run_program(ctx.db, "", program)


@hw.query
def get_cell(ctx: QueryCtx, cell: Id[Cell]) -> Any:
    return ctx.db.get(cell)


@hw.query
def in_group(ctx: QueryCtx, group: int, order: str = "asc", count: int = 100) -> list[Any]:
    query = ctx.db.query(Cells).with_index(Cells.by_group, group)
    return query.order("desc" if order == "desc" else "asc").take(count)


@hw.query
def total(ctx: QueryCtx) -> int:
    return sum(cell["number"] for cell in ctx.db.query(Cells))
