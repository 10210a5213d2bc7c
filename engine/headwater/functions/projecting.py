"""The projections of one database: declared in it, made from its log, and kept up with it."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from queue import SimpleQueue
from typing import Any, Final

from headwater.errors import (
    ClosedError,
    ConflictError,
    IndexBuildingError,
    LimitExceededError,
    SnapshotTooOldError,
    TimeLimitError,
    UsageError,
)
from headwater.functions.projections import Applying, Projection
from headwater.storage.commit_log import Origin
from headwater.tables.catalog import Catalog
from headwater.tables.projection_info import ProjectionInfo
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.commit_request import CommitRequest, Run
from headwater.transactions.following import (
    BEGINNING,
    Advance,
    Follower,
    Position,
    Stride,
    settle,
)
from headwater.transactions.store import Store
from headwater.transactions.system_tables import (
    delete_projection,
    insert_projection,
    set_position,
    set_projection_state,
)
from headwater.transactions.transaction import Transaction
from headwater.transactions.writer import Writer

_FUNCTION: Final = "_project"
"""The origin of the commits that are made here."""

_COMMITS_AT_ONCE: Final = 10_000
_COMMITS_IN_TURN: Final = 500
"""Commits that are read while everybody else waits."""


class Projector:
    """Keeps the declared projections of one database, on a thread of its own.

    Attributes:
        errors: What the last attempt to bring each of them forward has raised, by name.
    """

    def __init__(self, store: Store, projections: Mapping[str, Projection]) -> None:
        self._store = store
        self._applying = {name: Applying(one, store.rules) for name, one in projections.items()}
        store.feeding.feeders.update(self._applying)
        self._is_later = any(one.feed == "later" for one in projections.values())
        self._followers: dict[str, tuple[ProjectionInfo, Follower]] = {}
        self._passed: dict[str, Advance] = {}
        self.errors: dict[str, Exception] = {}
        self._up_to: dict[str, int] = {}
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._is_closed = False
        self._round = threading.Condition()
        self._thread: threading.Thread | None = None

    # -- declaring ------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Declare what the database does not know yet, or knows in another version."""
        if not self._applying:
            return
        with closing(self._store.snapshot()) as snapshot:
            if not self._undeclared(snapshot.catalog):
                return
        self._in_turn(self._declare, "")

    def _undeclared(self, catalog: Catalog) -> list[Applying]:
        stored = catalog.projections.by_name
        return [
            one
            for name, one in self._applying.items()
            if name not in stored or not one.fits(stored[name])
        ]

    def _declare(self, transaction: Transaction) -> None:
        projections = transaction.snapshot.catalog.projections
        for one in self._undeclared(transaction.snapshot.catalog):
            fields = one.projection.fields()
            for info in projections.by_name.values():
                # Under its name, or by another name for the same table.
                if info.name == fields["name"] or not set(info.into).isdisjoint(fields["into"]):
                    delete_projection(transaction, info)
            insert_projection(transaction, {**fields, "state": "building"}, BEGINNING.fields())

    def drop(self, name: str) -> None:
        """Forget a projection that is not declared here.

        Raises:
            UsageError: It is declared here, or there is none of that name.
        """

        def run(transaction: Transaction) -> None:
            by_name = transaction.snapshot.catalog.projections.by_name
            if name not in by_name:
                stored = ", ".join(map(repr, by_name)) or "none"
                raise UsageError(f"there is no projection {name!r}; these are stored: {stored}")
            delete_projection(transaction, by_name[name])

        if name in self._applying:
            raise UsageError(
                f"the projection {name!r} is declared by a module that this database was opened "
                "with; open it without that declaration, and drop it then"
            )
        self._in_turn(run, "")

    def settle(self, before: int) -> int:
        """The moment up to which the log may be trimmed, at most ``before``.

        Raises:
            UsageError: A projection was not fed yet with a change that is older.
        """
        with closing(self._store.snapshot()) as snapshot:
            if not snapshot.catalog.projections:
                return before
        return int(self._in_turn(lambda transaction: settle(transaction, before), ""))

    # -- making ---------------------------------------------------------------------------------

    def build(self) -> None:
        """Make those that are not ready.

        Raises:
            Exception: What a projection raises. What was done before stays.
        """
        for name in self._applying:
            with closing(self._store.snapshot()) as snapshot:
                info = snapshot.catalog.projections.by_name.get(name)
            if info is not None and info.state != "ready":
                self._bring_up(name)

    def _bring_up(self, name: str) -> None:
        """Take steps until the projection has seen all that there is."""
        stride = Stride(self._store.limits.backfill_documents, _COMMITS_AT_ONCE)
        is_done = False
        while not is_done and not self._is_closed:
            try:
                is_done = self._step(name, stride)
            except ConflictError:
                continue  # another process has taken the step, or the projection has changed
            except (LimitExceededError, SnapshotTooOldError) as error:
                if stride.changes == 1 or isinstance(error, TimeLimitError):
                    raise
                stride = stride.shorter()

    def _step(self, name: str, stride: Stride) -> bool:
        """Take one step on a snapshot; whether nothing is left to do."""
        with closing(self._store.snapshot()) as snapshot:
            info = snapshot.catalog.projections.by_name.get(name)
            if info is None or not self._applying[name].fits(info):
                self._up_to[name] = snapshot.ts  # another process has declared it otherwise
                return True
            if info.state == "stale":
                self._in_turn(lambda transaction: self._catch_up(transaction, name), "")
                return False
            if info.state == "ready" and info.feed == "commit":
                self._up_to[name] = snapshot.ts
                return True
            transaction = self._store.begin(snapshot, function=name, seconds_limit=None)
            advance = self._advance(transaction, info, stride)
            self._store.commit(transaction, _origin(name), writer=name)
            self._passed[name] = advance
            if advance.is_at_head and info.feed == "later":
                self._up_to[name] = snapshot.ts
                return True
        if advance.is_at_head:
            self._finish(name, stride)
        return False

    def _advance(
        self,
        transaction: Transaction,
        info: ProjectionInfo,
        stride: Stride,
        *,
        is_alone: bool = False,
    ) -> Advance:
        known, follower = self._followers.get(info.name, (None, None))
        if follower is None or known != info:
            follower = Follower(info, self._applying[info.name])
            self._followers[info.name] = (info, follower)
        writer = Writer(transaction, self._applying[info.name].rules)
        passed = self._passed.get(info.name)
        return follower.advance(transaction, writer, stride, passed=passed, is_alone=is_alone)

    def _finish(self, name: str, stride: Stride) -> None:
        """Take one step while nobody else commits, so that it may end at the head."""
        stride = Stride(stride.changes, _COMMITS_IN_TURN)

        def run(transaction: Transaction) -> None:
            info = transaction.snapshot.catalog.projections.by_name.get(name)
            if info is not None and info.state == "building" and self._applying[name].fits(info):
                self._advance(transaction, info, stride, is_alone=True)

        self._in_turn(run, name)

    def _catch_up(self, transaction: Transaction, name: str) -> None:
        """Go on from the commit that has marked the projection as stale."""
        info = transaction.snapshot.catalog.projections.by_name.get(name)
        if info is None or info.state != "stale":
            return
        marked = transaction.existing(info.id.encode("ascii"))
        assert marked is not None, f"{info.id} is in the catalog and not in its table"
        position = Position(ts=marked.ts - 1, is_clearing=False)
        set_position(transaction, info, position.fields())
        set_projection_state(transaction, info, "building")

    def _in_turn(self, run: Run, name: str) -> Any:
        request = CommitRequest(_origin(name), run=run)
        request.writer = name
        request.is_first = True
        self._store.committer.submit(request)
        return request.wait()

    # -- keeping up -----------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the log from now on."""
        if self._applying and self._thread is None:
            self._thread = threading.Thread(
                target=self._loop, name="headwater-projections", daemon=True
            )
            self._thread.start()
            self.wake(None)

    @property
    def is_closed(self) -> bool:
        """Whether its database has been closed."""
        return self._is_closed

    def wake(self, commits: Sequence[CommitKeys] | None) -> None:
        """There may be something to do. Called by whoever committed."""
        if not self._is_woken and self._concerns(commits):
            self._is_woken = True
            self._news.put(None)

    def _concerns(self, commits: Sequence[CommitKeys] | None) -> bool:
        """Whether commits may leave something to do."""
        return commits is None or self._is_later or any(one.changes_catalog for one in commits)

    def close(self) -> None:
        """End the thread; the step in hand is finished."""
        self._is_closed = True
        self._news.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._round:
            self._round.notify_all()

    def _loop(self) -> None:
        while True:
            self._news.get()
            self._is_woken = False
            if self._is_closed:
                return
            for name in self._applying:
                self._try(name)
            with self._round:
                self._round.notify_all()

    def _try(self, name: str) -> None:
        try:
            self._bring_up(name)
        except Exception as error:
            known = self.errors.get(name)
            self.errors[name] = error
            # An index that is ready is a change of the catalog, which wakes this thread again.
            is_passing = self._is_closed or isinstance(error, IndexBuildingError)
            if not is_passing and (known is None or str(known) != str(error)):
                import logging

                logger = logging.getLogger("headwater")
                logger.exception("the projection %s could not be brought forward", name)
        else:
            self.errors.pop(name, None)

    def wait(self, timeout_seconds: float | None) -> None:
        """Wait until all of them have seen what is committed now.

        Raises:
            TimeoutError: They have not, in time.
            ClosedError: The database was closed meanwhile.
            Exception: What one of them has raised.
        """
        if self._thread is None:
            return
        with closing(self._store.snapshot()) as snapshot:
            head = snapshot.ts
        with self._round:
            self.errors.clear()
            self.wake(None)
            self._round.wait_for(lambda: self._is_over(head), timeout_seconds)
            for error in self.errors.values():
                raise error.with_traceback(None)
            if self._is_closed:
                raise ClosedError("the database was closed while its projections were waited for")
            if not self._is_over(head):
                raise TimeoutError(
                    f"the projections did not reach commit {head} within {timeout_seconds} s"
                )

    def _is_over(self, head: int) -> bool:
        if self._is_closed or self.errors:
            return True
        return all(self._up_to.get(name, -1) >= head for name in self._applying)


def _origin(name: str) -> Origin:
    return Origin(function=_FUNCTION, details={"projection": name} if name else {})
