"""What functions did, and where the database hurts."""

from typing import TYPE_CHECKING

from headwater.functions.call_log import CallLog
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.functions.insights import Insights


class ObservingVerbs(Opened):
    """Calls and insights."""

    @property
    def calls(self) -> CallLog:
        """The newest calls of functions, with their times, outcomes and logged lines."""
        return self._runner.calls

    def insights(self, *, top: int = 20, near: float = 0.8) -> "Insights":
        """Slow functions, lost conflicts, functions near a limit, and what the cache does.

        In memory, of this process, since it was opened; O(functions).

        Args:
            top: How many of each kind at most.
            near: From which share of a limit on a function is near it.
        """
        from headwater.functions.insights import gather

        return gather(self._runner, top=top, near=near)
