"""The endpoints of the HTTP API for stored files: downloads and uploads by signed URL."""

from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import AsyncGenerator
from functools import partial
from http import HTTPStatus
from typing import Final

from starlette.routing import BaseRoute

from headwater.errors import (
    ArgumentError,
    DatabaseFullError,
    LimitExceededError,
    RangeRefusedError,
    RequestInvalidError,
    UploadRefusedError,
    UrlRefusedError,
)
from headwater.functions.http_fields import Headers
from headwater.functions.http_messages import Response
from headwater.server.api import ApiRequest, Entrance, answer_json
from headwater.server.refusals import RefusalError
from headwater.services.async_files import in_thread
from headwater.services.file_serving import Download
from headwater.services.open_files import AsyncOpenFile, OpenFile

_SHA256_BYTES: Final = 32
_STATUS_OF_UPLOAD: Final = {
    "size": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "FileTooLarge"),
    "content_type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "ContentTypeNotAllowed"),
    "sha256": (HTTPStatus.BAD_REQUEST, "DigestMismatch"),
}


class FileEndpoints:
    """Answers the URLs that ``ctx.storage`` gives out."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._urls = entrance.backend.file_urls

    def routes(self) -> list[BaseRoute]:
        """All of them. Who asks does not matter: the URL says what may be done."""
        route = partial(self._entrance.route, is_for_all=True, limit="file_bytes")
        return [
            route("/api/storage/upload/{token:path}", POST=self._upload),
            route("/api/storage/{token:path}", GET=self._download),
        ]

    async def _download(self, request: ApiRequest) -> Response:
        incoming = request.incoming
        header = incoming.headers.get
        open_file = partial(
            self._urls().download,
            incoming.raw_path,
            incoming.raw_query,
            is_head=incoming.method == "HEAD",
            range_header=header("range"),
            if_none_match=header("if-none-match"),
            if_range=header("if-range"),
        )
        try:
            found = await in_thread(open_file, _close)
        except UrlRefusedError as error:
            raise _refused_url(error) from None
        except RangeRefusedError as error:
            raise RefusalError(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                "RangeNotSatisfiable",
                str(error),
                (("content-range", f"bytes */{error.size}"),),
            ) from None
        if found is None:
            raise RefusalError(HTTPStatus.NOT_FOUND, "FileNotFound", "the file was deleted")
        return _response(found)

    async def _upload(self, request: ApiRequest) -> Response:
        incoming = request.incoming
        try:
            id = await self._urls().upload_async(
                incoming.raw_path,
                incoming.raw_query,
                incoming.body,
                content_type=incoming.headers.get("content-type"),
                sha256=_sha256(incoming.headers.get("digest")),
            )
        except UrlRefusedError as error:
            raise _refused_url(error) from None
        except UploadRefusedError as error:
            status, code = _STATUS_OF_UPLOAD[error.reason]
            raise RefusalError(status, code, str(error)) from None
        except LimitExceededError as error:
            if error.limit != "file_bytes":
                raise
            raise RefusalError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "FileTooLarge", str(error)
            ) from None
        except ArgumentError as error:
            raise RequestInvalidError(str(error)) from None
        except DatabaseFullError:
            raise RefusalError(
                HTTPStatus.INSUFFICIENT_STORAGE, "DiskFull", "the server has no room for the file"
            ) from None
        return await answer_json(lambda: {"storageId": id}, is_large=False)


def _refused_url(error: UrlRefusedError) -> RefusalError:
    code = "StorageTokenExpired" if error.reason == "expired" else "StorageTokenInvalid"
    return RefusalError(HTTPStatus.UNAUTHORIZED, code, str(error))


def _response(found: Download) -> Response:
    pieces = _nothing() if found.body is None else _pieces(AsyncOpenFile(found.body))
    response = Response(pieces, status=HTTPStatus.OK.value)
    response.status = found.status
    response.headers = Headers(found.headers)  # with the length, which is known here
    return response


async def _pieces(file: AsyncOpenFile) -> AsyncGenerator[bytes]:
    try:
        async for piece in file:
            yield piece
    finally:
        file.close()


async def _nothing() -> AsyncGenerator[bytes]:
    none: tuple[bytes, ...] = ()
    for piece in none:
        yield piece


def _close(found: Download | None) -> None:
    body: OpenFile | None = None if found is None else found.body
    if body is not None:
        body.close()


def _sha256(digest: str | None) -> str | None:
    """The SHA-256 in a header ``Digest`` (RFC 3230), in hexadecimal digits."""
    if digest is None:
        return None
    for one in digest.split(","):
        name, _, coded = one.strip().partition("=")
        if name.lower() == "sha-256":
            try:
                found = b64decode(coded, validate=True)
            except (NotBase64Error, ValueError):
                found = b""
            if len(found) != _SHA256_BYTES:
                raise RequestInvalidError("Digest: expected sha-256=, and base64 of 32 bytes")
            return found.hex()
    return None
