"""Migrations."""

from typing import TYPE_CHECKING

from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.services.migrating import MigrationClient


class MigrationVerbs(Opened):
    """What is done once to every document of a table."""

    @property
    def migrations(self) -> "MigrationClient":
        """Starts, tries, watches over and undoes migrations."""
        return self._services.migrations
