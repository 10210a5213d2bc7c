"""Which scheduled function or job runs here; it follows into threads and tasks as identities do."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Final

_job: Final[ContextVar[str | None]] = ContextVar("headwater_job", default=None)


current_job: Final[Callable[[], str | None]] = _job.get
"""The id of the job that runs here, None if what runs was called by somebody who waits."""


@contextmanager
def in_job(id: str | None) -> Generator[None]:
    """A block in which what runs is a part of a job."""
    token = _job.set(id)
    try:
        yield
    finally:
        _job.reset(token)


def context_of_job(id: str) -> Context:
    """A context in which nobody calls, and what runs is a part of a job."""
    context = Context()
    context.run(_job.set, id)
    return context
