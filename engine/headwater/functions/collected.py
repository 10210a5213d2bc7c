"""What the modules of an application may declare besides functions, tables and projections."""

from typing import ClassVar, Literal, TypeAlias

CollectedAs: TypeAlias = Literal["crons", "migration", "queue"]


class Collected:
    """Base of such a declaration.

    Says what it is collected as, so that who goes through the modules needs not import each kind:
    most applications have none of them.
    """

    __slots__ = ()

    collected_as: ClassVar[CollectedAs]
