"""Functions that end in strange ways."""

import headwater as hw
from headwater import MutationCtx, QueryCtx

ENDS: dict[str, type[BaseException]] = {
    "SystemExit": SystemExit,
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "KeyError": KeyError,
}


@hw.query
def end_strangely(ctx: QueryCtx, kind: str, group: int) -> int:
    found = ctx.db.query("items").with_index("by_group", group).count()
    if found:
        raise ENDS[kind]
    return found


@hw.mutation
def write_and_end_strangely(ctx: MutationCtx, kind: str) -> None:
    ctx.db.insert("cells", {"group": 0, "number": 100, "writer": "x"})
    raise ENDS[kind]
