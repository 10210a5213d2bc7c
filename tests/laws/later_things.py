"""The table of things as a later version of its application declares it."""

from tests.laws import things

from headwater import Index, Table


class Things(Table[things.Thing]):
    by_a = Index("a", "u")
    by_c_d_a = Index("c.d", "a")
    by_b = Index("b")


INDEXES: dict[str, tuple[str, ...]] = {
    "by_a": ("a", "u"),
    "by_a_b": ("a", "b"),
    "by_c_d_a": ("c.d", "a"),
    "by_u": ("u",),
    "by_b": ("b",),
}
"""What can be read of the past: today's indexes, and those of then by another name."""
