"""The attempt of a job, as the action sees it that is run for it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from headwater.schema.tables import Id
from headwater.transactions.transaction import Transaction

if TYPE_CHECKING:
    from headwater.functions.jobs import Job

PROGRESS: Final = "_progress"
"""The origin of the commits that say how far a job is."""


class JobAttempt(Protocol):
    """One attempt of one job."""

    @property
    def id(self) -> "Id[Job]":
        """The job."""
        ...

    @property
    def number(self) -> int:
        """How often the job was begun, this time included."""
        ...

    def report(
        self, done: float, total: float | None, note: str
    ) -> Callable[[Transaction], None] | None:
        """Take in how far the job is.

        Returns:
            What writes that into a transaction; None if it is written a moment later, by itself.

        Raises:
            ArgumentError: The numbers are none.
        """
        ...
