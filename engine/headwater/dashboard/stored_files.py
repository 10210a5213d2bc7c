"""Stored files: their bytes, and deleting them. Their documents are rows of a table."""

from collections.abc import AsyncGenerator
from typing import Any

from headwater.aio import AsyncVerbs
from headwater.dashboard.answering import downloaded
from headwater.dashboard.asked import Asked, asked_by_address
from headwater.errors import DocumentNotFoundError
from headwater.functions.files import StoredFile
from headwater.functions.http_messages import Response
from headwater.schema.tables import Id
from headwater.server.api import ApiRequest


class StoredFileWork:
    """Reads and deletes files.

    Args:
        aio: Of the database.
    """

    def __init__(self, aio: AsyncVerbs) -> None:
        self._aio = aio

    async def content(self, request: ApiRequest) -> Response:
        """The bytes of a file, which no browser is to interpret."""
        id: Id[StoredFile] = Id(asked_by_address(request).text("id"))
        if await self._aio.storage.metadata(id) is None:
            raise DocumentNotFoundError(f"{id}: there is no such file", id=id)
        return downloaded(self._pieces(id))

    async def _pieces(self, id: Id[StoredFile]) -> AsyncGenerator[bytes]:
        # Opened here, so that nothing stays open if nobody takes the response.
        opened = await self._aio.storage.get(id)
        if opened is None:
            return
        async with opened:
            async for piece in opened:
                yield piece

    async def delete(self, asked: Asked) -> dict[str, Any]:
        """Delete a file."""
        id: Id[StoredFile] = Id(asked.text("id"))
        await self._aio.storage.delete(id)
        return {"count": 1}
