"""A table of anything, with every kind of index, for the model of the whole database."""

from typing import Any, NotRequired

from headwater import Document, Index, Table


class Thing(Document["Thing"]):
    a: NotRequired[Any]
    b: NotRequired[Any]
    c: NotRequired[Any]
    u: NotRequired[Any]


class Things(Table[Thing]):
    by_a = Index("a")
    by_a_b = Index("a", "b")
    by_c_d_a = Index("c.d", "a")
    by_u = Index("u", unique=True)


class Other(Document["Other"]):
    a: NotRequired[Any]


class Others(Table[Other]):
    by_a = Index("a")


INDEXES: dict[str, tuple[str, ...]] = {
    "by_a": ("a",),
    "by_a_b": ("a", "b"),
    "by_c_d_a": ("c.d", "a"),
    "by_u": ("u",),
}
