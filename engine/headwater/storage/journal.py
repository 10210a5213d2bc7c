"""The journal: a file that has the commits which the data file may lose, one flush for each.

It begins with two headers, of which the newer one counts. That says up to which transaction the
data file is surely on the disk, and how its heads were then; the frames after it have everything
that was committed since. Whoever writes has LMDB's write lock.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from headwater.clock import Clock
from headwater.errors import CorruptionError
from headwater.storage.flushing import flush_data, write_at
from headwater.storage.format import JOURNAL_NAME, META_JOURNAL, seal
from headwater.storage.journal_format import (
    FRAME_BYTES,
    FRAMES_AT,
    HEADER_BYTES,
    HEADER_PLACES,
    SEQUENCES_BYTES,
    Frame,
    Header,
    State,
    is_whole,
    newest_sequence,
    pack_frame,
    parse_frame,
    parse_header,
)
from headwater.storage.manifest import write_durably

GROWTH_BYTES: Final = 2**20
"""The file grows by this much, in zeros: a flush of bytes that have their place is cheaper."""

KEPT_BYTES: Final = 2**26
"""What is beyond that is given back when the frames are not needed any more."""

_SALT_AT: Final = 8
"""Where in a frame the salt is."""


def create_journal(directory: Path) -> None:
    """Write a journal that says nothing. Durable on return; replaces one that is there.

    Raises:
        OSError: Of the system.
    """
    first, second = Header(1, State.IDLE), Header(2, State.IDLE)
    raw = second.pack().ljust(HEADER_PLACES[1], b"\0") + first.pack()
    write_durably(directory / JOURNAL_NAME, raw.ljust(FRAMES_AT, b"\0"))


def new_name(clock: Clock) -> bytes:
    """The entry that says how a data file is called, so that it is not taken for another one."""
    return seal(META_JOURNAL, clock.seed().to_bytes(8, "big") + clock.seed().to_bytes(8, "big"))


class Whole(NamedTuple):
    """A frame as it was found.

    Attributes:
        frame: What stands before the payload.
        at: Where it begins.
        end: Where the next one begins.
    """

    frame: Frame
    at: int
    end: int


class Journal:
    """The open file. Its header is read again whenever another process may have changed it.

    Attributes:
        header: The one that counts.
    """

    def __init__(self, directory: Path, *, is_writable: bool = True) -> None:
        """Open the file.

        Raises:
            CorruptionError: It is missing, or has no header that is whole.
            OSError: Of the system.
        """
        self._directory = directory
        self._known_bytes = 0
        flags = os.O_RDWR if is_writable else os.O_RDONLY
        try:
            name = f"{directory}/{JOURNAL_NAME}"
            self._descriptor = os.open(name, flags | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError as error:
            raise CorruptionError(
                f"{self.path}: it is missing while the manifest says that there is one: commits "
                "that are only there would be lost; nothing was opened or changed; put it back, "
                "restore a backup, or let hw.repair() go on without it"
            ) from error
        try:
            self.header: Header = self._read_header()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. Does nothing again."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._directory / JOURNAL_NAME

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return os.fstat(self._descriptor).st_size

    def look(self) -> bool:
        """Read the header if it is another one. Returns whether it is.

        Raises:
            CorruptionError: None is whole.
            OSError: Of the system.
        """
        if newest_sequence(os.pread(self._descriptor, SEQUENCES_BYTES, 0)) == self.header.sequence:
            return False
        header = self._read_header()
        is_new = header != self.header
        self.header = header
        return is_new

    def write_header(self, header: Header, *, is_flushed: bool) -> None:
        """Put a header in the place of the older one, and let it count.

        If its flush fails, the place gets back what it had: the flush of a later frame puts that
        on the disk. Until then either header is right.

        Raises:
            OSError: Of the system; the header that counted still counts.
        """
        before = os.pread(self._descriptor, HEADER_BYTES, header.place)
        try:
            write_at(self._descriptor, header.pack(), header.place)
            if is_flushed:
                flush_data(self._descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                write_at(self._descriptor, before, header.place)
            raise
        self.header = header

    def write_header_again(self) -> None:
        """Write the header as it is: whoever wrote it may have failed to flush it.

        Raises:
            OSError: Of the system.
        """
        write_at(self._descriptor, self.header.pack(), self.header.place)

    def flush(self) -> None:
        """Make everything durable that was written.

        Raises:
            OSError: Of the system.
        """
        flush_data(self._descriptor)

    def write_frame(
        self, at: int, transaction: int, part: int, payload: bytes, *, is_last: bool
    ) -> int:
        """Write a frame, without flushing it. Returns where the next one begins.

        Raises:
            OSError: Of the system; then it is not whole.
        """
        raw = pack_frame(self.header.salt, transaction, part, is_last=is_last, payload=payload)
        end = at + len(raw)
        self._make_room(end)
        write_at(self._descriptor, raw, at)
        return end

    def void(self, at: int) -> None:
        """Make a frame none, durably.

        Raises:
            OSError: Of the system; then nobody knows.
        """
        write_at(self._descriptor, bytes(FRAME_BYTES), at)
        flush_data(self._descriptor)

    def shrink(self, *, is_last: bool = False) -> None:
        """Give back what a great transaction took. The frames must not be needed any more.

        Args:
            is_last: Give back all of it, as no more will come.
        """
        kept_bytes = FRAMES_AT if is_last else KEPT_BYTES
        with contextlib.suppress(OSError):
            if self.size_bytes > kept_bytes:
                os.ftruncate(self._descriptor, kept_bytes)
                self._known_bytes = kept_bytes

    def starts(self, at: int, transaction: int) -> Frame | None:
        """The frame of a transaction at a place, if one begins there; its payload is not read."""
        frame = parse_frame(os.pread(self._descriptor, FRAME_BYTES, at))
        if frame is None or frame.salt != self.header.salt or frame.transaction != transaction:
            return None
        return frame

    def frame(self, at: int, transaction: int) -> Whole | None:
        """The frame of a transaction at a place, if it is there and whole."""
        frame = self.starts(at, transaction)
        if frame is None or at + FRAME_BYTES + frame.length > self.size_bytes:
            return None
        raw = os.pread(self._descriptor, FRAME_BYTES + frame.length, at)
        if not is_whole(frame, raw):
            return None
        return Whole(frame, at, at + len(raw))

    def payload(self, whole: Whole) -> bytes:
        """The changes of a frame, packed."""
        return os.pread(self._descriptor, whole.frame.length, whole.at + FRAME_BYTES)

    def transaction(self, at: int, transaction: int) -> list[Whole]:
        """All frames of a transaction that begins at a place; none unless it is complete."""
        found: list[Whole] = []
        while (whole := self.frame(at, transaction)) and whole.frame.part == len(found):
            found.append(whole)
            if whole.frame.is_last:
                return found
            at = whole.end
        return []

    def transactions(self) -> Iterator[list[Whole]]:
        """The frames of every transaction after the one of the header, in their order.

        Others may write meanwhile; one that begins the journal anew makes the rest meaningless.

        Raises:
            CorruptionError: After the last that is whole there is a later one: the ones in between
                are damaged. What a power loss leaves has nothing after it.
        """
        at, number = FRAMES_AT, self.header.transaction + 1
        while True:
            frames = self.transaction(at, number)
            if not frames and self._has_later(at, number):
                # Whoever wrote the later one had written this one: it may have come just now.
                frames = self._surely(at, number)
            if not frames:
                return
            yield frames
            at, number = frames[-1].end, number + 1

    def _surely(self, at: int, number: int) -> list[Whole]:
        frames = self.transaction(at, number)
        if not frames:
            raise CorruptionError(
                f"{self.path}: the frame of transaction {number} at byte {at} is damaged, and "
                "later ones are not: commits that were acknowledged are lost; nothing was changed; "
                "restore a backup, or let hw.repair() go on with those before it"
            )
        return frames

    def _has_later(self, at: int, number: int) -> bool:
        """Whether somewhere behind a place there is a whole frame of a later transaction."""
        raw = os.pread(self._descriptor, max(0, self.size_bytes - at), at)
        salt = self.header.salt.to_bytes(8, "big")
        found = raw.find(salt)
        while found >= 0:
            start = found - _SALT_AT
            frame = parse_frame(raw[start : start + FRAME_BYTES]) if start >= 0 else None
            if frame and frame.transaction > number:
                end = start + FRAME_BYTES + frame.length
                if is_whole(frame, raw[start:end]):
                    return True
            found = raw.find(salt, found + 1)
        return False

    def _make_room(self, end: int) -> None:
        """Let the file be as long as what is going to be written, before that is."""
        if end <= self._known_bytes:  # should another process have cut it: there is a hole then
            return
        size = self.size_bytes
        if end > size:
            write_at(self._descriptor, bytes(max(GROWTH_BYTES, end - size)), size)
        self._known_bytes = self.size_bytes

    def _read_header(self) -> Header:
        read = (os.pread(self._descriptor, HEADER_BYTES, place) for place in HEADER_PLACES)
        headers = [header for raw in read if (header := parse_header(raw)) is not None]
        if not headers:
            raise CorruptionError(
                f"{self.path}: none of its two headers is whole: it does not say what the data "
                "file lacks; nothing was opened or changed; restore a backup, or let hw.repair() "
                "go on without it"
            )
        return max(headers)
