"""Who wants to hear that something was committed, besides the live queries."""

from collections.abc import Sequence
from typing import Protocol
from weakref import ref

from headwater.transactions.commit_keys import CommitKeys


class Listener(Protocol):
    """Somebody who reads the log, and sleeps while there is nothing new in it."""

    @property
    def is_closed(self) -> bool:
        """Whether it wants to hear nothing more."""
        ...

    def wake(self, commits: Sequence[CommitKeys] | None) -> None:
        """There is news. Called by whoever committed: must not wait, nor raise.

        Args:
            commits: What this process has committed; None if another one may have.
        """
        ...

    def close(self) -> None:
        """The database is being closed."""
        ...


class Listeners:
    """The listeners of one database. Holds none of them alive."""

    def __init__(self) -> None:
        # Replaced as a whole, so that it can be walked while others come and go.
        self._listeners: tuple[ref[Listener], ...] = ()

    def add(self, listener: Listener) -> None:
        """Take one in, and forget those that are closed or gone. One caller at a time."""
        known = [(one, one()) for one in self._listeners]
        kept = [one for one, found in known if found is not None and not found.is_closed]
        self._listeners = (*kept, ref(listener))

    def tell(self, commits: Sequence[CommitKeys] | None) -> None:
        """Wake all of them. Costs nothing if there are none."""
        for one in self._listeners:
            listener = one()
            if listener is not None:
                listener.wake(commits)

    def close(self) -> None:
        """Tell all of them that the database is being closed."""
        for one in self._listeners:
            listener = one()
            if listener is not None:
                listener.close()
