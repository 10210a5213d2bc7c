"""What services give to functions, as the floor of functions sees it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from headwater.errors import ConfigurationMissingError, UsageError
from headwater.schema.explain import nearest
from headwater.transactions.transaction import Transaction

if TYPE_CHECKING:
    from headwater.functions.crons import AsyncCronRegistry, CronRegistry
    from headwater.functions.files import FileServices
    from headwater.functions.job_client import JobClient
    from headwater.functions.job_client_async import AsyncJobClient
    from headwater.functions.scheduling import AsyncScheduler, Scheduler
    from headwater.functions.session_client import SessionClient

T = TypeVar("T")

Entering: TypeAlias = Callable[[], AbstractContextManager[None]]
"""A block for one use of a service; it raises if that must not be."""


class Configuration(Mapping[str, str]):
    """Settings that functions read; the same as long as the database is open. It is ``ctx.env``."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)

    def __getitem__(self, name: str) -> str:
        try:
            return self._settings[name]
        except KeyError:
            close = nearest(name, self._settings)
            hint = f"; did you mean {close!r}?" if close is not None else ""
            raise ConfigurationMissingError(
                f"there is no setting {name!r}{hint}; set it in the environment of the process, or "
                f"with hw.open(..., env={{{name!r}: ...}})",
                name=name,
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)

    def __repr__(self) -> str:
        return f"<configuration {', '.join(sorted(self._settings))}>"  # values may be secrets


class Serve(Protocol):
    """Has a service do something in a transaction: that of a mutation, or one of its own."""

    def __call__(self, name: str, run: Callable[[Transaction], T], /) -> T:
        """Run it, and return what it returns; ``name`` says in the log who did."""
        ...


class AsyncServe(Protocol):
    """The same for tasks, without blocking the event loop."""

    async def __call__(self, name: str, run: Callable[[Transaction], T], /) -> T:
        """Run it in a transaction of its own, and return what it returns."""
        ...


class ContextServices(Protocol):
    """The services of an open database, as contexts hand them to functions."""

    @property
    def env(self) -> Configuration:
        """The settings."""
        ...

    def scheduler(self, serve: Serve) -> "Scheduler":
        """Has functions run later."""
        ...

    def async_scheduler(self, serve: AsyncServe) -> "AsyncScheduler":
        """The same for tasks."""
        ...

    @property
    def files(self) -> "FileServices":
        """The stored files."""
        ...

    def jobs(self, serve: Serve) -> "JobClient":
        """Enqueues jobs."""
        ...

    def async_jobs(self, serve: AsyncServe) -> "AsyncJobClient":
        """The same for tasks."""
        ...

    def crons(self, serve: Serve) -> "CronRegistry":
        """Crons that are registered at run time."""
        ...

    def async_crons(self, serve: AsyncServe) -> "AsyncCronRegistry":
        """The same for tasks."""
        ...

    def sessions(self, entering: Entering) -> "SessionClient":
        """Signing up, in and out."""
        ...


class _NoServices:
    """Where there is a runner and no open database, as in tests of the floors below."""

    def __init__(self) -> None:
        self.env: Configuration = Configuration({})

    @property
    def files(self) -> "FileServices":
        """There are none.

        Raises:
            UsageError: Always.
        """
        raise UsageError("files are stored by an open database, and there is none here")

    def scheduler(self, serve: Serve) -> "Scheduler":
        raise _no_services(serve)

    def async_scheduler(self, serve: AsyncServe) -> "AsyncScheduler":
        raise _no_services(serve)

    def jobs(self, serve: Serve) -> "JobClient":
        raise _no_services(serve)

    def async_jobs(self, serve: AsyncServe) -> "AsyncJobClient":
        raise _no_services(serve)

    def crons(self, serve: Serve) -> "CronRegistry":
        raise _no_services(serve)

    def async_crons(self, serve: AsyncServe) -> "AsyncCronRegistry":
        raise _no_services(serve)

    def sessions(self, entering: Entering) -> "SessionClient":
        """There are none.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"sessions are those of an open database, and there is none, {entering}")


def _no_services(serve: object) -> UsageError:
    return UsageError(f"there is no open database here that could run functions later, for {serve}")


NO_SERVICES: Final[ContextServices] = _NoServices()
