"""What is due in a table whose index is by phase, function and time."""

from collections.abc import Iterable
from math import inf
from typing import Any, Final

from headwater.functions.modules import Application
from headwater.schema.tables import Table, TableIndex
from headwater.services.work import Agenda, Room, Source, Task, order_of
from headwater.transactions.query import TableQuery
from headwater.transactions.reader import Reader

_LEAST: Final = 4
"""Tasks of one function that are read at once, at least."""


class Pending:
    """Reads the work that waits, function by function.

    Work of functions that this process does not have is passed over at the cost of one look per
    function, however much of it there is; so is work whose time has not come.

    Args:
        source: Whose work it is.
        application: The functions that this process has.
        table: Where the work is kept.
        index: Of phase, path of the function, and time.
        time: The field with the time.
    """

    def __init__(
        self,
        source: Source,
        application: Application,
        table: type[Table[Any]],
        index: TableIndex[Any],
        time: str,
    ) -> None:
        self._source = source
        self._application = application
        self._table = table
        self._index = index
        self._time = time

    def agenda(
        self, reader: Reader, now_ms: float, room: Room, phase: str, upkeep_ms: float | None
    ) -> Agenda:
        """What is due, and when the next is."""
        next_ms = inf
        due: dict[str, list[str]] = {"mutation": [], "action": []}
        for name, first in self._firsts(reader, phase):
            function = self._application.functions.get(name)
            if function is None:
                continue
            if first > now_ms:
                next_ms = min(next_ms, first)
            elif room.of(function.kind) and not room.is_busy(name):
                due[function.kind].append(name)
        tasks: list[Task] = []
        for kind, names in due.items():
            tasks += self._due(reader, now_ms, room.of(kind), phase, names)
        return Agenda(tasks, None if next_ms == inf else next_ms, upkeep_ms)

    def _query(self, reader: Reader) -> TableQuery[dict[str, Any]]:
        return reader.query(self._table.table_name)

    def _firsts(self, reader: Reader, phase: str) -> Iterable[tuple[str, float]]:
        """Each function with work in a phase, and the time of its first piece."""
        name = ""
        while True:
            query = self._query(reader).with_index(self._index.name, phase, gt=name)
            first = query.first()
            if first is None:
                return
            name = first[self._index.fields[1]]
            yield name, first[self._time]

    def _due(
        self, reader: Reader, now_ms: float, count: int, phase: str, names: list[str]
    ) -> list[Task]:
        """The first due tasks of several functions, in order."""
        if not names:
            return []
        at_once = count if len(names) == 1 else max(_LEAST, 2 * count // len(names))
        tasks: list[Task] = []
        limits: list[tuple[float, float, str]] = []
        for name in names:
            query = self._query(reader).with_index(self._index.name, phase, name, lte=now_ms)
            found = [self.task(document) for document in query.take(at_once)]
            tasks += found
            if len(found) == at_once:
                limits.append(found[-1].order)  # what comes behind it was not read
        tasks.sort(key=order_of)
        if limits:
            last = min(limits)
            tasks = [task for task in tasks if task.order <= last]
        return tasks[:count]

    def task(self, document: dict[str, Any]) -> Task:
        """The task of a document."""
        name = document[self._index.fields[1]]
        function = self._application.functions.get(name)
        is_action = function is not None and function.kind == "action"
        order = (document[self._time], document["_creationTime"], document["_id"])
        return Task(
            self._source, document["_id"], name, "action" if is_action else "mutation", order
        )
