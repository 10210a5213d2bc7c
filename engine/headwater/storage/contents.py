"""Contents of stored files, each once, under the name of its SHA-256.

::

    files/                  locked shared by who copies all of them, alone by who removes one
    files/incoming/         being written, each locked by its writer for as long as that lives
    files/3f/               locked shared from before a content is put here until it is named
    files/3f/3f2a...        one content, never written again, replaced only by equal bytes

Names are made of the hash alone. Who removes a content takes both directories alone, and only then
looks whether something names it: by then, whoever put it there has committed, or has given up. The
kernel gives up the locks of a process that is killed.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Literal, Self, TypeAlias

from headwater.errors import HeadwaterError
from headwater.storage.failures import translate
from headwater.storage.format import FILES_NAME
from headwater.storage.manifest import flush

CHUNK_BYTES: Final = 2**18
"""What is read at once. Memory is bounded by a few of these, whatever the size of a file."""

Removal: TypeAlias = Literal["removed", "kept", "busy"]

_AT_ONCE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_INCOMING_NAME: Final = "incoming"
_NAME: Final = re.compile(r"[0-9a-f]{64}")
_FOLDER: Final = re.compile(r"[0-9a-f]{2}")
_NO_LINKS: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP})


class Contents:
    """The contents of one database. Safe to use from any thread, and by several processes.

    Args:
        directory: Of the database.
        is_durable: Whether what is put in place is flushed before it is named.

    Attributes:
        directory: Of the database.
    """

    def __init__(self, directory: Path, *, is_durable: bool) -> None:
        self.directory: Path = directory
        self._root = directory / FILES_NAME
        self._is_durable = is_durable

    # -- coming in ------------------------------------------------------------------------------

    def receive(self) -> "IncomingContent":
        """Begin to write a content, in a ``with`` block; it leaves nothing unless it is placed.

        Raises:
            StorageError: The disk is full, or the system failed.
        """
        with self._translating("store a file"):
            incoming = self._root / _INCOMING_NAME
            if not incoming.is_dir():
                self._make_folder(incoming)
            return IncomingContent(self, *_made_and_locked(incoming))

    @contextlib.contextmanager
    def placed(self, incoming: "IncomingContent") -> Generator[None]:
        """Put a content in place; nobody removes it while the block runs, named or not.

        Raises:
            StorageError: The disk is full, or the system failed.
        """
        with self.gathering() as place:
            place(incoming)
            yield

    @contextlib.contextmanager
    def gathering(self) -> Generator["Callable[[IncomingContent], None]"]:
        """Put many contents in place; nobody removes them while the block runs, named or not.

        Gives what does so for one, and may raise a StorageError. At most 256 files are open for it.
        """
        locked: set[Path] = set()
        with contextlib.ExitStack() as stack:

            def place(incoming: IncomingContent) -> None:
                with self._translating("store a file"):
                    incoming.finish(is_durable=self._is_durable)
                    target = self._path(incoming.sha256)
                    if target.parent not in locked:
                        if not target.parent.is_dir():
                            self._make_folder(target.parent)
                        stack.enter_context(_locked(target.parent, fcntl.LOCK_SH))
                        locked.add(target.parent)
                    # Over an equal one as well: that mends one that was damaged.
                    incoming.path.replace(target)
                    incoming.is_placed = True
                    if self._is_durable:
                        flush(target.parent)

            yield place

    def clear_incoming(self) -> int:
        """Remove what writers have left behind who are gone; returns how many there were."""
        incoming = self._root / _INCOMING_NAME
        with self._translating("clear files"):
            left = list(incoming.iterdir()) if incoming.is_dir() else []
            return sum(_removed_if_left(path) for path in left)

    # -- being there ----------------------------------------------------------------------------

    def open(self, sha256: str) -> BinaryIO | None:
        """Open a content for reading; None if it is not there.

        Raises:
            StorageError: The system failed.
        """
        with self._translating("read a file"):
            try:
                return self._path(sha256).open("rb", buffering=0)
            except FileNotFoundError:
                return None

    def names(self) -> Iterator[str]:
        """The hash of every content. O(their number)."""
        with self._translating("list files"):
            folders = sorted(self._root.iterdir()) if self._root.is_dir() else []
            for folder in folders:
                if _FOLDER.fullmatch(folder.name):
                    names = sorted(path.name for path in folder.iterdir())
                    yield from [name for name in names if _NAME.fullmatch(name)]

    def look(self, sha256: str) -> tuple[int, str] | None:
        """The size and the hash of what is there, read through; None if nothing is. O(size)."""
        import hashlib

        file = self.open(sha256)
        if file is None:
            return None
        size, digest = 0, hashlib.sha256()
        with file, self._translating("read a file"):
            while chunk := file.read(CHUNK_BYTES):
                size += len(chunk)
                digest.update(chunk)
        return size, digest.hexdigest()

    # -- going ----------------------------------------------------------------------------------

    def remove(self, sha256: str, is_named: Callable[[], bool]) -> Removal:
        """Remove a content that nothing names. Does not wait.

        Args:
            sha256: Its hash.
            is_named: Looks at the newest commit; called while nobody can name it anew without
                having seen a document that names it.

        Returns:
            "removed"; "kept", because it is named or not there; "busy", because somebody is just
            putting it there, or copies all: try again later.

        Raises:
            StorageError: The system failed.
        """
        path = self._path(sha256)
        with self._translating("remove a file"):
            try:
                with _locked(self._root, _AT_ONCE), _locked(path.parent, _AT_ONCE):
                    if is_named():
                        return "kept"
                    path.unlink()
            except FileNotFoundError:
                return "kept"
            except BlockingIOError:
                return "busy"
        return "removed"

    def is_left(self, sha256: str, is_named: Callable[[], bool]) -> bool:
        """Whether a content is there that nothing names, and that nobody is about to name.

        Args:
            sha256: Its hash.
            is_named: Looks at the newest commit.
        """
        path = self._path(sha256)
        with self._translating("look at a file"):
            try:
                with _locked(path.parent, _AT_ONCE):
                    return path.exists() and not is_named()
            except (FileNotFoundError, BlockingIOError):
                return False

    @contextlib.contextmanager
    def kept(self) -> Generator[None]:
        """A block in which no content is removed."""
        with contextlib.ExitStack() as stack:
            with self._translating("keep files"):
                if self._root.is_dir():
                    stack.enter_context(_locked(self._root, fcntl.LOCK_SH))
            yield

    # -- inside ---------------------------------------------------------------------------------

    def _path(self, sha256: str) -> Path:
        # The one place where a path is made of something that was stored.
        if _NAME.fullmatch(sha256) is None:
            raise ValueError(f"{sha256!r} is no SHA-256 in hexadecimal digits")
        return self._root / sha256[:2] / sha256

    def _make_folder(self, folder: Path) -> None:
        for path in (self._root, folder):
            path.mkdir(mode=0o700, exist_ok=True)
            if self._is_durable:
                flush(path.parent)

    @contextlib.contextmanager
    def _translating(self, doing: str) -> Generator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, HeadwaterError):
                raise
            raise translate(error, self._root, doing) from error


class IncomingContent:
    """One content while it is written. Made by `Contents.receive`; for one thread at a time.

    Attributes:
        path: Where it is written; a name that nobody chose.
        size: Bytes so far.
        is_placed: Whether it has got its place.
    """

    def __init__(self, contents: Contents, path: Path, descriptor: int) -> None:
        import hashlib

        self.path: Path = path
        self.size: int = 0
        self.is_placed: bool = False
        self._contents = contents
        self._descriptor = descriptor
        self._digest: Any = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The hash of what was written, in hexadecimal digits."""
        digest: str = self._digest.hexdigest()
        return digest

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Write the next bytes.

        Raises:
            StorageError: The disk is full, or the system failed.
        """
        rest = memoryview(chunk).cast("B")
        self._digest.update(rest)
        self.size += len(rest)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise translate(error, self.path.parent.parent, "store a file") from error

    def finish(self, *, is_durable: bool) -> None:
        """All is written; flush it."""
        if is_durable:
            os.fsync(self._descriptor)

    def placed(self) -> contextlib.AbstractContextManager[None]:
        """Put it in place for as long as it takes to name it; see `Contents.placed`."""
        return self._contents.placed(self)

    def close(self) -> None:
        """Remove it, unless it was placed. Does nothing again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            if not self.is_placed:
                with contextlib.suppress(OSError):
                    self.path.unlink()
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def copy_contents(source: Path, target: Path) -> None:
    """Give another directory all contents of a database: as links where that can be.

    Contents are never written again, so both may share them. Flushed on return. O(their number).

    Args:
        source: The directory of the database; in a block of `Contents.kept`.
        target: A directory without any.

    Raises:
        OSError: Of the system.
    """
    contents = Contents(source, is_durable=True)
    folders: set[Path] = set()
    for name in contents.names():
        folder = target / FILES_NAME / name[:2]
        if folder not in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(folder)
        with contextlib.suppress(FileNotFoundError):  # it was unnamed, and is gone
            _link_or_copy(source / FILES_NAME / name[:2] / name, folder / name)
    for folder in folders:
        flush(folder)
    if folders:
        flush(target / FILES_NAME)
        flush(target)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        import shutil

        shutil.copyfile(source, target)
        flush(target)


def _made_and_locked(folder: Path) -> tuple[Path, int]:
    """A new file that is locked by this process."""
    import tempfile

    while True:
        descriptor, name = tempfile.mkstemp(dir=folder)
        path = Path(name)
        try:
            # Until it is locked it looks like one that was left behind, and may be removed.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                return path, descriptor
        except BlockingIOError:
            pass
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        os.close(descriptor)


def _removed_if_left(path: Path) -> bool:
    try:
        with _locked(path, _AT_ONCE):
            path.unlink(missing_ok=True)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path, kind: int) -> Generator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        # By name and not only by closing: a child that was forked meanwhile has it open as well.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
