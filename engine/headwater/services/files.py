"""The files of one open database: what contexts, the program and URLs do with them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from headwater.functions.files import Entering, FileReader, FileWriter
from headwater.functions.runner import Runner
from headwater.reactive.reactor import Reactor
from headwater.services.access_log import AccessLog
from headwater.services.file_collecting import Collector
from headwater.services.file_storing import FileParts, Files, files_in
from headwater.services.key_files import KeyFile
from headwater.services.stored_files import By, FileSettings, FilesInQuery
from headwater.storage.contents import Contents
from headwater.storage.format import URL_KEYS_NAME
from headwater.transactions.reader import Reader
from headwater.transactions.transaction import Transaction

if TYPE_CHECKING:
    from headwater.services.async_files import AsyncFiles


class FileService:
    """Stored files.

    Attributes:
        parts: What everybody works on.
        keys: Those that sign URLs.
    """

    def __init__(
        self,
        runner: Runner,
        watching: Callable[[], Reactor],
        *,
        public_origin: str,
        log_accesses: bool,
        keep_seconds: float,
    ) -> None:
        store = runner.store
        environment = store.environment
        self.keys: KeyFile = KeyFile(environment.path, URL_KEYS_NAME, "URLs", store.clock)
        contents = Contents(environment.path, is_durable=environment.durability == "full")
        self.parts: FileParts = FileParts(
            runner,
            contents,
            FileSettings(
                self.keys.newest,
                environment.uuid,
                public_origin,
                store.limits,
                keep_seconds,
                store.tables,
            ),
            AccessLog(runner) if log_accesses else None,
            Collector(runner, contents, watching),
        )

    def start(self) -> None:
        """Begin to collect, if there may be something."""
        self.parts.collector.start()

    def close(self) -> None:
        """Commit what was noted, and end the threads."""
        self.parts.collector.close()
        if self.parts.accesses is not None:
            self.parts.accesses.close()

    # -- for contexts ---------------------------------------------------------------------------

    def in_query(self, transaction: Transaction) -> FileReader:
        """What a query can do."""
        return FilesInQuery(transaction, Reader(transaction), self.parts.settings)

    def in_mutation(self, transaction: Transaction) -> FileWriter:
        """What a mutation can do."""
        return files_in(self.parts, transaction, "function")

    def in_action(self, entering: Entering) -> Files:
        """What a plain action can do."""
        return self.files(entering, "function")

    def in_async_action(self, entering: Entering) -> "AsyncFiles":
        """What an ``async def`` action can do."""
        return self.async_files(entering, "function")

    def files(self, entering: Callable[[], AbstractContextManager[None]], by: By) -> Files:
        """The files, on behalf of somebody."""
        return Files(self.parts, entering, by)

    def async_files(
        self, entering: Callable[[], AbstractContextManager[None]], by: By
    ) -> "AsyncFiles":
        """The same for asyncio."""
        from headwater.services.async_files import AsyncFiles

        return AsyncFiles(self.parts, entering, by)
