"""The tables of the services: by name, and imported when one is first used."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from headwater.schema.annotations import document_validator
from headwater.schema.compile import LateChecker
from headwater.schema.explain import TableNumbers
from headwater.schema.json_form import to_json
from headwater.schema.references import definitions_of
from headwater.schema.tables import Table, table_of
from headwater.tables.catalog import Catalog

if TYPE_CHECKING:
    from headwater.transactions.declared_table import DeclaredTable

_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "_webhook_events": "headwater.services.webhook_events:WebhookEvents",
        "_crons": "headwater.functions.crons:RegisteredCrons",
        "_cron_runs": "headwater.functions.crons:CronRuns",
        "_scheduled_functions": "headwater.functions.scheduling:ScheduledFunctions",
        "_cascades": "headwater.transactions.cascades:Cascades",
        "_rate_limits": "headwater.services.rate_limits:RateLimits",
        "_deleted_files": "headwater.functions.files:DeletedFiles",
        "_storage": "headwater.functions.files:StoredFiles",
        "_storage_accesses": "headwater.functions.files:StorageAccesses",
        "_upload_urls": "headwater.functions.files:UploadUrls",
        "_accounts": "headwater.functions.accounts:Accounts",
        "_account_passwords": "headwater.services.session_tables:AccountPasswords",
        "_sessions": "headwater.functions.accounts:AccountSessions",
        "_session_keys": "headwater.services.session_tables:SessionKeyTable",
        "_verification_codes": "headwater.services.verification_codes:VerificationCodes",
        "_jobs": "headwater.functions.jobs:Jobs",
        "_job_batches": "headwater.functions.jobs:JobBatches",
        "_client_requests": "headwater.services.client_requests:ClientRequests",
        "_migrations": "headwater.functions.migrations:Migrations",
        "_queues": "headwater.functions.jobs:Queues",
    }
)
"""Module and class of each table, by its name."""


class ServiceTables:
    """The declarations of one database's service tables.

    Args:
        tables: How the database numbers its tables, for the checks of ids.
        nesting: Levels of lists and dicts that a field may have.
    """

    def __init__(self, tables: TableNumbers, *, nesting: int) -> None:
        self._tables = tables
        self._nesting = nesting
        self._known: dict[str, DeclaredTable] = {}

    def find(self, name: str) -> "DeclaredTable | None":
        """The declaration of a service's table, None for the name of any other."""
        if name not in self._known and name in _PLACES:
            self._known[name] = self._declare(_load(_PLACES[name]))
        return self._known.get(name)

    def stored(self, catalog: Catalog) -> "Iterator[DeclaredTable]":
        """The declarations of those that a database has already."""
        for table in catalog:
            known = self.find(table.name) if table.is_service else None
            if known is not None:
                yield known

    def _declare(self, table: type[Table[Any]]) -> "DeclaredTable":
        from headwater.transactions.declared_table import declared

        where = f"table {table.table_name!r}"
        validator = document_validator(table.document_type, where=where, table_name_of=_name_of)
        references = definitions_of(table.document_type, validator, where=where)
        check = LateChecker(validator, self._tables, nesting=self._nesting)
        return declared(table, to_json(validator), references, check)


def _load(place: str) -> type[Table[Any]]:
    module, _, name = place.partition(":")
    table: type[Table[Any]] = getattr(import_module(module), name)
    return table


def _name_of(owner: Any) -> str | None:
    table = table_of(owner) or owner
    name: Callable[[], None] | str | None = getattr(table, "table_name", None)
    return name if isinstance(name, str) else None
