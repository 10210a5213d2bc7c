"""Changes of an application's files, as they happen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import (
    Change,
    PythonFilter,
    awatch,  # pyright: ignore[reportUnknownVariableType] - it names types of trio, if that is there
)


class Watch:
    """The changes of some files and folders, until it is stopped.

    Args:
        places: What is watched, with everything below.
    """

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._stopped = asyncio.Event()
        self._filter = PythonFilter()

    async def __aiter__(self) -> AsyncIterator[list[Path]]:
        """The files of each change that are there or were, in order."""
        # Editors put a new file into the place of the old one: a watch on that would end.
        folders = {place if place.is_dir() else place.parent for place in self._places}
        changes = awatch(
            *folders, watch_filter=self._is_wanted, stop_event=self._stopped, recursive=True
        )
        async for changed in changes:
            yield sorted({Path(path) for _, path in changed})

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    def _is_wanted(self, change: Change, path: str) -> bool:
        return self._filter(change, path) and any(
            Path(path).is_relative_to(place) for place in self._places
        )
