"""Throw-away databases, on which time and randomness are set by hand."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from headwater.database import Database
from headwater.functions.access import DefaultAccess
from headwater.functions.modules import collect
from headwater.limits import DEFAULT_LIMITS, Limits
from headwater.services.services import ServiceOptions
from headwater.testing.clock import ManualClock
from headwater.testing.crashing import Crashing
from headwater.verbs.opened import make


class ThrowAwayDatabase(Crashing, Database):
    """A database that is removed when it is closed.

    Attributes:
        clock: Its time and randomness.
    """

    def __init__(self, *args: Any, clock: ManualClock, **options: Any) -> None:
        super().__init__(*args, clock=clock, **options)
        self.clock: ManualClock = clock


def database(
    *modules: ModuleType | str,
    seed: int = 0,
    clock: ManualClock | None = None,
    limits: Limits | None = None,
    env: Mapping[str, str] | None = None,
    default_access: DefaultAccess = "allow",
) -> ThrowAwayDatabase:
    """Open a throw-away database: ``with testing.database(chat) as db: ...``.

    Nothing is flushed, and no files are left when it is closed. The same calls in the same order
    give the same ids, times and documents.

    Args:
        *modules: Modules with functions and tables, or their dotted names.
        seed: Of the randomness of a new clock; of no use together with ``clock``.
        clock: A clock to share with others; one that stands at the beginning of 2024 by default.
        limits: Bounds on documents, functions and transactions.
        env: Settings that functions read; none by default.
        default_access: What public functions may do with a table that has no rules.

    Raises:
        DeclarationError: The modules declare something that cannot work.
    """
    return make(
        ThrowAwayDatabase,
        None,
        collect(modules, default_access=default_access),
        durability="none",
        limits=limits or DEFAULT_LIMITS,
        clock=clock or ManualClock(seed=seed),
        options=ServiceOptions(env=env or {}),
    )
