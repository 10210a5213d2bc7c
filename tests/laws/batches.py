"""Batches of a known content, and commits of other processes at a known moment."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import pytest
from tests.laws import application
from tests.laws.programs import Program, run_program
from tests.laws.recording import Recorder
from tests.laws.serializability import Ran

import headwater as hw
from headwater.storage.commit_log import Origin
from headwater.storage.transactions import NO_VERSION
from headwater.tables.projection import apply
from headwater.transactions import committer
from headwater.transactions.batch import Batch
from headwater.transactions.commit_request import CommitRequest

WAIT_SECONDS = 60
"""A bound on what comes at once, so that a failure ends; far from what a slow machine takes."""


class Held:
    """A ``with`` block in which the committer waits; all that was submitted then is one batch."""

    def __init__(self, db: hw.Database) -> None:
        self._db = db
        self._is_held = threading.Event()
        self._release = threading.Event()
        self._thread = threading.Thread(target=db._store.committer.call, args=(self._hold,))
        self.requests: list[CommitRequest] = []
        self._ended: list[threading.Event] = []

    def _hold(self) -> None:
        self._is_held.set()
        self._release.wait(WAIT_SECONDS)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_held.wait(WAIT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._thread.join(WAIT_SECONDS)
        for ended in self._ended:
            assert ended.wait(WAIT_SECONDS), "the committer did not come to an end"

    def mutate(self, function: Any, **arguments: Any) -> CommitRequest:
        """Queue a mutation to be run in turn."""
        call = self._db._runner.call("mutation", function, (), arguments)
        ended = self._expect()
        request = self._db._runner.request(call, lambda _: ended.set())
        self.requests.append(request)
        return request

    def commit(self, transaction: Any, function: str = "") -> CommitRequest:
        """Queue a transaction that has run."""
        ended = self._expect()
        request = CommitRequest(
            Origin(function=function), transaction=transaction, when_done=lambda _: ended.set()
        )
        self._db._store.committer.submit(request)
        self.requests.append(request)
        return request

    def _expect(self) -> threading.Event:
        ended = threading.Event()
        self._ended.append(ended)
        return ended


class OtherProcess:
    """Commits before each of the next writes of this process, as another process would.

    Its commits are in the log and in the tables, and nobody here was told.
    """

    def __init__(self, recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
        self._recorder = recorder
        self._programs: list[Program] = []
        self._count = 0
        self._write: Callable[..., Any] = committer._write
        patch.setattr(committer, "_write", self._commit_first)

    def will_commit(self, programs: Sequence[Program]) -> None:
        """The programs that win against the next batches, one each."""
        self._programs = list(programs)

    def _commit_first(self, writer: Any, batch: Batch) -> bool:
        is_under_lock = batch.head_ts != 0 and self._is_under_lock()
        if self._programs and not is_under_lock:
            self.commit(writer, self._programs.pop(0))
            batch.version = NO_VERSION  # that process has had a transaction of its own
        return bool(self._write(writer, batch))

    @staticmethod
    def _is_under_lock() -> bool:
        import sys

        frame = sys._getframe()
        while frame is not None:
            if frame.f_code.co_name == "make_and_write":
                return True
            frame = frame.f_back
        return False

    def commit(self, writer: Any, program: Program) -> None:
        """Run a program on the head and put it into the log and the tables."""
        store = self._recorder.db._store
        transaction = store.begin(store.snapshot_of(writer))
        name = f"other{self._count}"
        self._count += 1
        tables = store.writer(transaction)
        seen = run_program(tables, name, program)
        tables.insert(application.Receipts, {"writer": name})
        head = transaction.snapshot.ts
        batch = Batch(head)
        ts = batch.append(transaction.own, Origin(function="other"), store.clock.now_ns())
        apply(writer, batch.commits, batch.changes())
        self._recorder.ended(Ran(name, program, seen, ts))

    def commit_now(self, program: Program) -> None:
        """Commit while nothing is queued here."""
        self._recorder.db._store.environment.run_write(lambda writer: self.commit(writer, program))
