"""What queues allow: as they are declared, and as they were set since."""

from collections.abc import Mapping
from typing import NamedTuple

from headwater.functions.job_options import Queue
from headwater.functions.jobs import Queues, QueueSetting
from headwater.transactions.reader import Reader


class QueueState(NamedTuple):
    """What a queue allows now.

    Attributes:
        queue: As it is declared, or would be.
        concurrency: Jobs that may run at the same time; 0 while it is paused.
    """

    queue: Queue
    concurrency: int


class QueueSettings:
    """The queues of one application.

    Args:
        declared: By name.
    """

    def __init__(self, declared: Mapping[str, Queue]) -> None:
        self._declared = declared

    def declared(self, name: str) -> Queue:
        """A queue as it is declared; one that is not has the defaults."""
        return self._declared.get(name) or Queue(name)

    def state(self, reader: Reader, name: str) -> QueueState:
        """What a queue allows now."""
        queue, setting = self.declared(name), self.setting(reader, name)
        if setting is None:
            return QueueState(queue, queue.concurrency)
        if setting["is_paused"]:
            return QueueState(queue, 0)
        return QueueState(queue, setting.get("concurrency", queue.concurrency))

    @staticmethod
    def setting(reader: Reader, name: str) -> QueueSetting | None:
        """What was set of a queue."""
        return reader.query(Queues).with_index(Queues.by_name, name).unique()
