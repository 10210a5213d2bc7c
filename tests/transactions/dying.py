"""A process that is killed at a storage step, without a process: the step raises, and so does
every one after it. What is on disk is then opened anew."""

from pathlib import Path
from typing import Any

from tests.tables.histories import SMALL_STEPS, HandClock

from headwater.storage.environment import Environment
from headwater.transactions.store import Store


class Killed(BaseException):
    """Nothing that comes after this was done."""


class DyingEnvironment(Environment):
    """Dies at one of its write transactions, before or after it is committed."""

    steps_to_live: int | None = None
    dies_after_commit = False
    is_dead = False

    def begin_write(self, transaction: Any) -> Any:
        if self.is_dead:
            raise Killed
        return super().begin_write(transaction)

    def end_write(self, transaction: Any, recorder: Any, *, commit: bool) -> None:
        if self.steps_to_live is None or not commit:
            super().end_write(transaction, recorder, commit=commit)
            return
        self.steps_to_live -= 1
        self.is_dead = self.steps_to_live < 0
        super().end_write(transaction, recorder, commit=not self.is_dead or self.dies_after_commit)
        if self.is_dead:
            raise Killed


def open_dying(path: Path) -> tuple[Store, DyingEnvironment]:
    clock = HandClock()
    environment = DyingEnvironment.open(path, durability="none", clock=clock)
    return Store(environment, limits=SMALL_STEPS, clock=clock), environment
