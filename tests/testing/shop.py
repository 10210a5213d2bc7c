"""An application whose documents and arguments are of every kind."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table


def is_even(number: int) -> bool:
    return number % 2 == 0


class Address(TypedDict):
    city: Annotated[str, hw.Length(1, 40)]
    zip: NotRequired[Annotated[str, hw.Pattern(r"\d{5}")]]


class Customer(Document["Customer"]):
    name: Annotated[str, hw.Length(1, 80)]
    address: Address
    tags: Annotated[list[str], hw.Length(0, 3)]
    notes: dict[str, str]
    level: NotRequired[Literal["silver", "gold"]]
    invited_by: "Id[Customer] | None"


class Customers(Table[Customer]):
    by_city = Index("address.city")
    by_name = Index("name", "level")


class Order(Document["Order"]):
    customer: Id[Customer]
    items: Annotated[list[Annotated[int, hw.Range(ge=1, lt=100)]], hw.Length(1)]
    total: Annotated[float, hw.Range(ge=0)]
    pairs: Annotated[int, hw.Check(is_even)]
    number: hw.Int64
    receipt: bytes
    is_paid: bool
    shares: dict[Literal["us", "them"], float]
    by_customer: dict[Id[Customer], int]
    more: NotRequired[Any]
    when: float | Literal["never", 7, True, b"x"] | None


class Orders(Table[Order]):
    by_customer = Index("customer", "total")
    by_more = Index("more")


@hw.mutation
def create(
    ctx: MutationCtx,
    name: Annotated[str, hw.Length(1, 80)],
    city: Annotated[str, hw.Length(1, 40)] = "Bath",
) -> Id[Customer]:
    address: Address = {"city": city}
    customer = {"name": name, "address": address, "tags": [], "notes": {}, "invited_by": None}
    return ctx.db.insert(Customers, customer)


@hw.query
def orders_of(
    ctx: QueryCtx, customer: Id[Customer], pages: hw.PaginationOptions, least: float = 0.0
) -> int:
    query = ctx.db.query(Orders).with_index(Orders.by_customer, customer, gte=least)
    return len(query.paginate(pages)["page"])


@hw.query(args={"level": hw.v.union(hw.v.literal("silver"), hw.v.literal("gold"))})
def count(ctx: QueryCtx, level: str, notes: dict[str, Any] | None = None) -> int:
    return ctx.db.query(Customers).filter(lambda customer: customer.get("level") == level).count()
