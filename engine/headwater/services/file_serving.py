"""Reading and storing files by URL: facts for whoever speaks HTTP, and nothing of HTTP itself."""

import re
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import Final, NamedTuple, cast

from headwater.errors import RangeRefusedError, UploadRefusedError
from headwater.functions.files import AsyncContent, Chunk, Content, StoredFile, UploadUrl
from headwater.schema.tables import Id
from headwater.services.file_storing import FileParts, Storing, metadata, opened, pieces_of
from headwater.services.key_files import KeyFile
from headwater.services.open_files import OpenFile
from headwater.services.signed_urls import Method, SignedUrl, check, parse
from headwater.services.stored_files import FilesInMutation, allows, used_up
from headwater.transactions.explicit import get_document

_RANGE: Final = re.compile(r"bytes=([0-9]{1,19})?-([0-9]{1,19})?", re.ASCII)
_NS_PER_SECOND: Final = 10**9
_SHOWN_INLINE: Final = frozenset(
    {
        "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm", "image/avif", "image/gif",
        "image/jpeg", "image/png", "image/webp", "text/plain", "video/mp4", "video/ogg",
        "video/webm",
    }
)  # fmt: skip
"""Types that no browser takes for a program. All others are saved and not shown."""


class Span(NamedTuple):
    """A part of a file.

    Attributes:
        start: Its first byte.
        end: Behind its last byte.
        total: Bytes of the file.
    """

    start: int
    end: int
    total: int


class Download(NamedTuple):
    """What the answer to a request for a file says.

    Attributes:
        status: 200; 206 for a part; 304 if the client has it.
        headers: Names in lower case and values, in ASCII.
        file: The file's document.
        span: The part.
        body: Its bytes, to be iterated and closed; None for HEAD, and for 304.
    """

    status: int
    headers: list[tuple[str, str]]
    file: StoredFile
    span: Span
    body: OpenFile | None


def read_range(header: str | None, total: int) -> Span | None:
    """The part that a ``Range`` header asks for (RFC 9110, section 14.2).

    Args:
        header: Its value; None if there is none.
        total: Bytes of the file.

    Returns:
        None for all: without a header, or with a unit that is unknown, which counts as none.

    Raises:
        RangeRefusedError: Several ranges, or one that begins behind the end, or a malformed one.
    """
    if header is None or not header.strip().lower().startswith("bytes="):
        return None
    found = _RANGE.fullmatch(header.strip().lower())
    if found is None or found[1] is found[2] is None:
        what = "several ranges at once" if "," in header else "a malformed range"
        raise RangeRefusedError(f"Range: {what}; expected one, such as bytes=0-99", size=total)
    if found[1] is None:
        count = int(found[2])
        start, end = max(total - count, 0), total
    else:
        start = int(found[1])
        last = total - 1 if found[2] is None else int(found[2])
        if last < start and found[2] is not None:
            raise RangeRefusedError("Range: it ends before it begins", size=total)
        end = min(last + 1, total)
    if start >= total:
        raise RangeRefusedError(
            f"Range: it begins at {start:,}, and the file has {total:,} bytes", size=total
        )
    return Span(start, end, total)


class FileServing:
    """Answers requests for files by signed URL.

    Args:
        parts: What it works on.
        keys: Those that sign.
    """

    def __init__(self, parts: FileParts, keys: KeyFile) -> None:
        self._parts = parts
        self._keys = keys

    def download(
        self,
        path: str,
        query: str,
        *,
        is_head: bool = False,
        range_header: str | None = None,
        if_none_match: str | None = None,
        if_range: str | None = None,
    ) -> Download | None:
        """Open a file by its URL; None if it was deleted.

        Args:
            path: As sent, with its percent signs.
            query: As sent, without the question mark.
            is_head: Only ask for the headers.
            range_header: ``Range``.
            if_none_match: ``If-None-Match``.
            if_range: ``If-Range``.

        Raises:
            UrlRefusedError: The URL is not good.
            RangeRefusedError: The range is not good.
            CorruptionError: The content is damaged.
            StorageError: The system failed.
        """
        url = self._checked(parse("GET", path, query), "GET")
        file_id = cast("Id[StoredFile]", url.id)
        found = metadata(self._parts, file_id)
        if found is None:
            return None
        tag = f'"{found["sha256"]}"'
        headers = [*_headers(found, tag, url.expires - self._now())]
        whole = Span(0, found["size"], found["size"])
        if _matches(if_none_match, tag):  # which comes before the range: RFC 9110, section 13.2.2
            return Download(304, headers, found, whole, None)
        asked = None if is_head or if_range not in {None, tag} else range_header
        span = read_range(asked, found["size"])
        part = span or whole
        headers += _span_headers(part, span)
        body = None if is_head else self._open(file_id, part)
        if body is None and not is_head:
            return None
        return Download(200 if span is None else 206, headers, found, part, body)

    def _open(self, id: Id[StoredFile], part: Span) -> OpenFile | None:
        return opened(self._parts, id, "url", lambda _: (part.start, part.end - part.start))

    def upload(
        self,
        path: str,
        query: str,
        content: Content,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """Store the one file that an upload URL is good for, and return its id.

        Args:
            path: As sent.
            query: As sent, without the question mark.
            content: What was sent; read piece by piece.
            content_type: ``Content-Type``.
            sha256: What the client says that the content has, in hexadecimal digits.
            filename: What the client calls it.

        Raises:
            UrlRefusedError: The URL is not good, or was used.
            UploadRefusedError: The content is too large, or of another type or hash.
            LimitExceededError: It is larger than ``limits.file_bytes``.
            ArgumentError: The type or the hash is malformed.
            StorageError: The disk is full, or the system failed.
        """
        upload = self.begin_upload(
            path, query, content_type=content_type, sha256=sha256, filename=filename
        )
        with upload:
            for piece in pieces_of(content):
                upload.write(piece)
            return upload.commit()

    async def upload_async(
        self,
        path: str,
        query: str,
        content: AsyncContent,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> Id[StoredFile]:
        """The same for asyncio; a task that is cancelled stores nothing. Raises what it raises."""
        from headwater.services.async_files import async_pieces_of, in_thread, store_pieces

        begin = partial(
            self.begin_upload,
            path,
            query,
            content_type=content_type,
            sha256=sha256,
            filename=filename,
        )
        upload = await in_thread(begin, Upload.close)
        pieces: AsyncIterator[Chunk] = async_pieces_of(content)
        return await store_pieces(upload, pieces, upload.commit)

    def begin_upload(
        self,
        path: str,
        query: str,
        *,
        content_type: str | None = None,
        sha256: str | None = None,
        filename: str | None = None,
    ) -> "Upload":
        """Check an upload URL, before anything is read. Raises what `upload` raises."""
        url = self._checked(parse("POST", path, query), "POST")
        record = get_document(self._parts.runner.store, url.id)
        if record is None:
            raise used_up()
        upload = cast("UploadUrl", record)
        if not allows(upload["contentTypes"], content_type):
            raise UploadRefusedError(
                f"the file is of type {content_type!r}, and its upload URL allows "
                f"{', '.join(upload['contentTypes'] or [])}",
                reason="content_type",
            )
        return Upload(self._parts, upload, content_type, filename, sha256)

    # -- inside ---------------------------------------------------------------------------------

    def _now(self) -> int:
        return self._parts.runner.store.clock.now_ns() // _NS_PER_SECOND

    def _checked(self, url: SignedUrl, method: Method) -> SignedUrl:
        check(url, method, self._keys.good(), self._parts.settings.uuid, self._now())
        return url


class Upload(Storing):
    """One upload, from its first byte to its commit."""

    def __init__(
        self,
        parts: FileParts,
        upload: UploadUrl,
        content_type: str | None,
        filename: str | None,
        sha256: str | None,
    ) -> None:
        super().__init__(parts, "url", content_type, filename, sha256, upload["maxBytes"])
        self._upload = upload["_id"]

    def commit(self, also: Callable[[FilesInMutation], None] | None = None) -> Id[StoredFile]:
        """Store it, and use up the URL, in one transaction."""

        def use_up(files: FilesInMutation) -> None:
            files.use_up(self._upload)
            if also is not None:
                also(files)

        return super().commit(use_up)


def _headers(file: StoredFile, tag: str, seconds: int) -> Iterable[tuple[str, str]]:
    """What says what the file is, and keeps browsers from finding something else in it."""
    content_type = file["contentType"] or "application/octet-stream"
    is_shown = content_type.partition(";")[0].strip().lower() in _SHOWN_INLINE
    yield "content-type", content_type
    yield "content-disposition", _disposition("inline" if is_shown else "attachment", file)
    yield "x-content-type-options", "nosniff"
    yield "content-security-policy", "default-src 'none'; sandbox"
    yield "etag", tag
    yield "accept-ranges", "bytes"
    yield "cache-control", f"private, max-age={max(seconds, 0)}"


def _span_headers(part: Span, asked: Span | None) -> Iterable[tuple[str, str]]:
    yield "content-length", str(part.end - part.start)
    if asked is not None:
        yield "content-range", f"bytes {part.start}-{part.end - 1}/{part.total}"


def _disposition(kind: str, file: StoredFile) -> str:
    """With the name as RFC 6266 and RFC 8187 have it: percent signs for all but plain letters."""
    from urllib.parse import quote

    name = file["filename"]
    if name is None:
        return kind
    return f"{kind}; filename*=UTF-8''{quote(name.encode('utf-8'), safe='')}"


def _matches(header: str | None, tag: str) -> bool:
    if header is None:
        return False
    given = [one.strip().removeprefix("W/") for one in header.split(",")]
    return "*" in given or tag in given
