"""Stored files, for the program."""

from functools import cached_property
from typing import TYPE_CHECKING

from headwater.functions.purity import refuse_inside
from headwater.verbs.opened import Opened

if TYPE_CHECKING:
    from headwater.services.storage import Storage


class StorageVerbs(Opened):
    """Stored files."""

    @cached_property
    def storage(self) -> "Storage":
        """The stored files: to store, read, delete and check them."""
        from headwater.services.storage import Storage

        refuse_inside()
        return Storage(self._services.files)
