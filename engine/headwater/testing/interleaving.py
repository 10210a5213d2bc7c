"""Mutations of several clients that overlap, in one thread and in the same order every time."""

from collections.abc import Iterator
from typing import Generic, ParamSpec, TypeVar, cast

from headwater.database import Database
from headwater.errors import UsageError
from headwater.functions.attempt import Attempt
from headwater.functions.declaration import Mutation

P = ParamSpec("P")
R = TypeVar("R")


class Pending(Generic[R]):
    """A mutation that has run on a snapshot and is not committed. Made by `Client.start`."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    @property
    def is_open(self) -> bool:
        """Whether it still can be finished."""
        return self._attempt.is_open

    def finish(self, *, retry: bool = True) -> R:
        """Commit, and return what the mutation returned.

        Args:
            retry: What happens if a later commit changed what it has read: it runs again on the
                newest state, as `Database.mutate` does, or the conflict is raised.

        Raises:
            ConflictError: It lost, with ``retry=False``.
            UsageError: It was finished or dropped before.
            Exception: What the mutation raised when it ran.
        """
        return cast("R", self._attempt.commit(retry=retry))

    def drop(self) -> None:
        """Never commit it, as if its client had died. Does nothing once it has ended."""
        self._attempt.drop()


class Client:
    """One of several who use a database at once; has at most one mutation under way.

    Attributes:
        db: The database.
    """

    def __init__(self, db: Database) -> None:
        self.db: Database = db
        self._pending: Pending[object] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether it has started a mutation that has not ended."""
        return self._pending is not None and self._pending.is_open

    def start(self, function: Mutation[P, R], *args: P.args, **kwargs: P.kwargs) -> Pending[R]:
        """Run a mutation on the newest state, and leave its commit for later.

        Whatever is committed before `Pending.finish` is certain to come in between. An error of
        the mutation is raised there, not here.

        Raises:
            ArgumentError: The arguments do not fit.
            UsageError: The client has another mutation under way.
        """
        if self.is_busy:
            raise UsageError(
                f"this client has a mutation under way and starts {function.path}; finish() or "
                "drop() it first, or use another client"
            )
        runner = self.db.runner
        pending = Pending[R](runner.attempt(runner.call("mutation", function, args, kwargs)))
        self._pending = cast("Pending[object]", pending)
        return pending

    def drop(self) -> None:
        """Drop what is under way, if anything is."""
        if self._pending is not None:
            self._pending.drop()
            self._pending = None


class Clients:
    """Several clients of one database: ``one, other = testing.Clients(db, 2)``.

    Nothing runs on a thread of its own: the order of the calls is the interleaving, and the same
    calls give the same conflicts every time. Leaving a ``with`` block drops what is under way.
    """

    def __init__(self, db: Database, count: int = 2) -> None:
        self._clients = tuple(Client(db) for _ in range(count))

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients)

    def __getitem__(self, at: int) -> Client:
        return self._clients[at]

    def drop(self) -> None:
        """Drop what is under way."""
        for client in self:
            client.drop()

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()
