"""Every kind of annotation and of validator, and the refinements."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict, assert_type

import headwater as hw
from headwater import v


class Address(TypedDict):
    city: str
    lines: list[str]
    zip: NotRequired[str | None]


class Person(hw.Document["Person"]):
    name: Annotated[str, hw.Length(1, 80)]
    age: Annotated[int, hw.Range(ge=0, lt=150)]
    mail: Annotated[str, hw.Pattern(r"[^@]+@[^@]+")]
    even: Annotated[int, hw.Check(lambda value: value % 2 == 0, "an even number")]
    score: float
    is_admin: bool
    photo: bytes
    nothing: None
    role: Literal["owner", "guest", 3]
    visits: hw.Int64
    friends: list[hw.Id["Person"]]
    labels: dict[str, int | str]
    address: Address
    extra: Any


class People(hw.Table[Person], name="persons"):
    by_city = hw.Index("address.city", "name")
    by_mail = hw.Index("mail", unique=True)


@hw.query
def in_city(
    ctx: hw.QueryCtx, city: Annotated[str, hw.Wire("town")], flags: list[bool] | None = None
) -> list[Person]:
    del flags
    return ctx.db.query(People).with_index(People.by_city, city).collect()


@hw.query(
    args={
        "tags": v.list(v.string()),
        "limit": v.optional(v.refined(v.integer(), hw.Range(ge=1))),
        "person": v.nullable(v.id(People)),
        "shape": v.union(v.literal("a", 1, None), v.object({"x": v.number()}, closed=False)),
    },
    returns=v.record(v.string(), v.union(v.boolean(), v.bytes(), v.int64(), v.null())),
)
def by_hand(
    ctx: hw.QueryCtx, tags: list[str], limit: int = 1, person: Any = None, shape: Any = None
) -> dict[str, Any]:
    del limit, person, shape
    return {tag: bool(ctx.now) for tag in tags}


@hw.mutation(args={"at": v.float64(), "every": v.array(v.any())})
def by_hand_too(ctx: hw.MutationCtx, at: float, every: list[Any]) -> int:
    return len(every) if at < ctx.now else ctx.random.randrange(6)


@hw.mutation
def visit(ctx: hw.MutationCtx, person: hw.Id[Person]) -> hw.Int64:
    found = ctx.db.get(person)
    if found is None:
        return hw.Int64(0)
    assert_type(found["_id"], hw.Id[Person])
    assert_type(found["_creationTime"], float)
    assert_type(found["address"]["lines"], list[str])
    assert_type(found["address"].get("zip"), str | None)
    assert_type(found["labels"], dict[str, int | str])
    assert_type(found["visits"], hw.Int64)
    assert_type(ctx.db.get(found["friends"][0]), Person | None)
    visits = hw.Int64(found["visits"] + 1)
    ctx.db.patch(person, visits=visits)
    return visits
