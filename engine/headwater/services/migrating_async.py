"""The same for asyncio. It is ``db.aio.migrations``."""

from asyncio import to_thread
from collections.abc import Sequence
from typing import Any

from headwater.functions.migrations import Migration, MigrationRun
from headwater.services.migrating import MigrationClient, MigrationPreview


class AsyncMigrationClient:
    """Migrations for asyncio; each call is awaited.

    Args:
        client: Does it.
    """

    def __init__(self, client: MigrationClient) -> None:
        self._client = client

    async def start(
        self, *migrations: Migration[Any], force: bool = False
    ) -> Sequence[MigrationRun]:
        """Begin migrations, as `MigrationClient.start`."""
        return await to_thread(self._client.start, *migrations, force=force)

    async def run(self, *migrations: Migration[Any], force: bool = False) -> Sequence[MigrationRun]:
        """Do migrations until they have ended, as `MigrationClient.run`.

        Canceling the task does not end them: `cancel` does.
        """
        return await to_thread(self._client.run, *migrations, force=force)

    async def cancel(self, migration: Migration[Any]) -> bool:
        """Do no more batches, as `MigrationClient.cancel`."""
        return await to_thread(self._client.cancel, migration)

    async def get(self, migration: Migration[Any]) -> MigrationRun | None:
        """How a migration stands, as `MigrationClient.get`."""
        return await to_thread(self._client.get, migration)

    async def list(self) -> Sequence[MigrationRun]:
        """How all stand, as `MigrationClient.list`."""
        return await to_thread(self._client.list)

    async def dry_run(
        self, migration: Migration[Any], *, sample: int = 5, limit: int | None = None
    ) -> MigrationPreview:
        """Try a migration, as `MigrationClient.dry_run`."""
        return await to_thread(self._client.dry_run, migration, sample=sample, limit=limit)

    async def undo(self, migration: Migration[Any], *, override: bool = False) -> int:
        """Take back all that the last run did, as `MigrationClient.undo`."""
        return await to_thread(self._client.undo, migration, override=override)
