"""Mutations that call mutations, for the tests of sub-transactions."""

from collections.abc import Sequence
from typing import Any

from tests.laws.programs import run_operation

import headwater as hw
from headwater import MutationCtx

trace: list[Any] = []


def resolve(step: Sequence[Any], cells: Sequence[str]) -> list[Any]:
    """The operation with an id in place of the number of a cell."""
    name, *rest = step
    if name in ("get", "patch", "replace", "delete"):
        return [name, cells[rest[0] % len(cells)], *rest[1:]]
    return [name, *rest]


@hw.mutation
def nest(ctx: MutationCtx, program: list[Any], cells: list[str]) -> list[str]:
    """Runs a program whose blocks are calls of this mutation; returns the ids of all cells."""
    for step in program:
        if step[0] == "block":
            cells = call(ctx, step, cells)
            continue
        seen = run_operation(ctx.db, "nested", resolve(step, cells))
        trace.append(seen)
        if step[0] == "insert":
            cells = [*cells, seen]
    return cells


def call(ctx: MutationCtx, step: Sequence[Any], cells: list[str]) -> list[str]:
    _, fails, program = step
    if not fails:
        return nest(ctx, program=program, cells=cells)
    try:
        fail_after(ctx, program=program, cells=cells)
    except hw.ApplicationError as failed:
        return failed.data
    raise AssertionError("it did not fail")


@hw.mutation
def fail_after(ctx: MutationCtx, program: list[Any], cells: list[str]) -> None:
    raise hw.ApplicationError(nest(ctx, program=program, cells=cells))


@hw.mutation
def insert_some(ctx: MutationCtx, count: int) -> None:
    for _ in range(count):
        ctx.db.insert("cells", {"group": 0, "number": 1, "writer": "x"})


@hw.mutation
def write_too_much(ctx: MutationCtx, outer: int, inner: int) -> None:
    insert_some(ctx, count=outer)
    try:
        insert_some(ctx, count=inner)
    except hw.LimitExceededError:
        return
    raise AssertionError("it is below the limit")


@hw.mutation
def patch_and_fail(ctx: MutationCtx, cell: str) -> None:
    ctx.db.patch(cell, number=100)
    raise hw.ApplicationError("no")


@hw.mutation
def patch_all_and_fail(ctx: MutationCtx, cells: list[str]) -> list[int]:
    seen = []
    for row in ctx.db.query("cells").with_index("by_number"):
        seen.append(row["number"])
        for cell in cells:
            try:
                patch_and_fail(ctx, cell=cell)
            except hw.ApplicationError:
                continue
    return seen
