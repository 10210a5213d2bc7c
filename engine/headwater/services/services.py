"""The services of one open database, and when they begin and end."""

from collections.abc import Mapping
from dataclasses import dataclass

from headwater.functions.context_services import Configuration
from headwater.functions.runner import Runner
from headwater.services.service_tables import ServiceTables


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """What a database is opened with that concerns its services.

    Attributes:
        env: Settings that functions read.
    """

    env: Mapping[str, str]


class Services:
    """What contexts and the database hand out beside the tables.

    Each service is made when it is first asked for.

    Attributes:
        options: What the database was opened with.
        env: The settings.
        tables: The declarations of the tables that services keep.
    """

    def __init__(self, runner: Runner, options: ServiceOptions) -> None:
        self._runner = runner
        self.options: ServiceOptions = options
        self.env: Configuration = Configuration(options.env)
        store = runner.store
        self.tables: ServiceTables = ServiceTables(store.tables, nesting=store.limits.nesting)
        store.service_table = self.tables.find
        runner.services = self

    def start(self) -> None:
        """The database is open, and its tables are those that are declared."""

    def close(self) -> None:
        """The database is about to close."""

    def after_fork_in_child(self) -> None:
        """This is a child, without the threads of its parent."""
