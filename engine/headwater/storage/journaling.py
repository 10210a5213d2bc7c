"""The journal and LMDB together: how a commit becomes durable with one flush.

LMDB is told not to flush. A commit is written into the journal and flushed there, then LMDB makes
it visible. What the data file lacks after a power loss is made anew from its last checkpoint. Two
things make sure that this is still whole then, whatever LMDB has written since and whatever of it
has reached the disk:

- The *pin*: a read transaction that sees the checkpoint, or an older state. LMDB never uses a page
  again that a reader may see. Every process that commits has a pin of its own.
- Both heads of the data file as of the checkpoint, kept in the journal.

A checkpoint flushes the data file and says so in the journal, whose frames are not needed then. It
is made under LMDB's write lock. `recovery.py` is the way back.
"""

import contextlib
import os
from pathlib import Path
from typing import Final
from zlib import crc32

import lmdb

from headwater.errors import StorageError
from headwater.storage.failures import InDoubtError, RewindNeededError
from headwater.storage.flushing import flush_data
from headwater.storage.format import DATA_NAME
from headwater.storage.journal import Journal
from headwater.storage.journal_format import (
    FRAME_BYTES,
    FRAMES_AT,
    Change,
    Header,
    State,
    pack_changes,
)
from headwater.storage.pages import HEAD_BYTES, NO_PAGE, Head, parse_head
from headwater.storage.recording import Recorder

CHECKPOINT_BYTES: Final = 16 * 2**20
"""About so much of the data file is written between two checkpoints. None of it is used again
before the next one, so the file is larger by up to twice that."""

CHECKPOINT_LATEST_BYTES: Final = 4 * CHECKPOINT_BYTES
"""With so much, a commit makes the checkpoint itself, instead of leaving it to the thread."""

_PAGES_PER_COMMIT: Final = 12
"""What LMDB writes for a small commit: the roots, the free list and a path in each tree."""

_ENTRIES_PER_PAGE: Final = 4
"""Entries of a batch that land in one page; their keys are mostly neighbours."""


class Journaling:
    """The journal of one open environment. Every call is under LMDB's write lock but `flush`.

    Attributes:
        is_durable: Whether commits go into the journal. If not, it is only kept from telling of a
            state that is not there any more.
        is_pinned: Whether there is a pin.
    """

    def __init__(
        self,
        directory: Path,
        environment: "lmdb.Environment",
        uuid: bytes,
        name: bytes,
        *,
        is_durable: bool,
    ) -> None:
        """Open the journal of a data file that is open.

        Args:
            directory: The database.
            environment: LMDB, which has it open for writing.
            uuid: Of the database, 16 bytes.
            name: What the data file is called inside of it, 16 bytes.
            is_durable: Whether commits go into the journal.

        Raises:
            CorruptionError: It is missing or damaged.
            OSError: Of the system.
        """
        self.is_durable: bool = is_durable
        self._directory = directory
        self._environment = environment
        self._uuid = uuid
        self._name = name
        self._page_bytes: int = environment.stat()["psize"]
        self._journal = Journal(directory)
        self._data = os.open(f"{directory}/{DATA_NAME}", os.O_RDONLY)
        self._pin: lmdb.Transaction[bytes] | None = None
        self._pin_transaction = 0
        # What another process wrote last, it may have failed to flush.
        self._is_header_durable = False
        self._has_failed = False
        self._must_checkpoint = False
        self._written_bytes = 0
        self._base = 0
        self._at = self._writing_at = FRAMES_AT
        self._part = 0
        self._last = 0
        self._start_after_header()

    def close(self) -> None:
        """Give the pin back and close the files. Does nothing again."""
        self.release_pin()
        self.close_files()

    def close_files(self) -> None:
        """Close the files and leave the pin: in a child it is the parent's."""
        self._journal.close()
        data, self._data = self._data, -1
        if data >= 0:
            os.close(data)

    @property
    def is_pinned(self) -> bool:
        """Whether it keeps pages of the data file from being used again."""
        return self._pin is not None

    def checkpoint_inside(self) -> None:
        """Make a checkpoint in a transaction that has written nothing yet.

        Raises:
            lmdb.Error, OSError: As for `checkpoint`.
        """
        self.checkpoint(self._base)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._written_bytes >= CHECKPOINT_BYTES

    def release_pin(self) -> None:
        """Let LMDB use all pages again. The next commit has to have a pin first."""
        pin, self._pin = self._pin, None
        if pin is not None:
            pin.abort()

    # A transaction ------------------------------------------------------------------------------

    def begin(self, base: int) -> Recorder | None:
        """Make sure that a commit on top of a transaction can be made durable.

        Args:
            base: LMDB's number of the newest transaction.

        Returns:
            What is to be told of the changes; None if nothing is.

        Raises:
            RewindNeededError: The data file has to be made anew first.
            CorruptionError: The journal is damaged.
            lmdb.Error, OSError: LMDB's and the system's own.
        """
        self._look()
        self._base = base
        if self.is_durable:
            self._prepare(base)
        elif self._journal.header.state is not State.IDLE:
            self.checkpoint(base)
        self._writing_at, self._part = self._at, 0
        return Recorder(self._write_part) if self.is_durable else None

    def _prepare(self, base: int) -> None:
        is_late = self._written_bytes >= CHECKPOINT_LATEST_BYTES
        if self._must_checkpoint or is_late or not self._follows(base):
            self.checkpoint(base)
        elif not self._has_valid_pin():
            if self._journal.header.state is State.IDLE:
                self._renew_pin(base)
            else:
                self.checkpoint(base)

    def write(self, recorder: Recorder) -> None:
        """Make a transaction durable, which LMDB has not committed yet.

        Raises:
            InDoubtError: It may be.
            OSError: Of the system; it is not.
        """
        self._write_part(recorder.changes, is_last=True)
        try:
            self._journal.flush()
        except OSError as error:
            self._is_header_durable, self._must_checkpoint = False, True
            try:
                self.checkpoint(self._base)  # after which the frame means nothing
            except (OSError, lmdb.Error) as second:
                raise InDoubtError(error.errno, str(error)) from second
            raise
        self._is_header_durable = True
        self._count(recorder.entries, self._writing_at - self._at)

    def committed(self) -> None:
        """Say that LMDB has committed what was written last."""
        self._at, self._last = self._writing_at, self._base + 1

    def _write_part(self, changes: list[Change], *, is_last: bool = False) -> None:
        if self._journal.header.state is State.IDLE:
            self._activate()
        elif not self._is_header_durable:
            self._journal.write_header_again()
        self._writing_at = self._journal.write_frame(
            self._writing_at,
            self._base + 1,
            self._part,
            pack_changes(changes),
            is_last=is_last,
        )
        self._part += 1

    def _activate(self) -> None:
        """Begin to write frames. The flush of the first one is that of the header as well."""
        self._make_header_durable()
        heads = self._read_heads()
        newest = newest_of(heads)
        if newest.transaction != self._base:
            raise StorageError(
                f"{self._directory / DATA_NAME}: its heads are of transaction "
                f"{newest.transaction}, LMDB is at {self._base}: this LMDB keeps them elsewhere; "
                "nothing was written"
            )
        header = Header(
            self._journal.header.sequence + 1,
            State.ACTIVE,
            self._page_bytes,
            int.from_bytes(os.urandom(8), "big"),
            self._uuid,
            self._name,
            self._base,
            checksum_of_roots(self._data, newest),
            heads,
        )
        self._is_header_durable = False
        self._journal.write_header(header, is_flushed=False)
        self._start_after_header()
        self._writing_at = self._at

    # Checkpoints --------------------------------------------------------------------------------

    def flush(self) -> None:
        """Flush the data file ahead of a checkpoint, which then has little left to flush.

        Without the write lock, on any thread; what others commit meanwhile may be flushed or not.
        """
        try:
            flush_data(self._data)
        except OSError:
            # The system tells each descriptor once. LMDB's own is told too, but not surely.
            self._has_failed = True

    def checkpoint(self, base: int) -> None:
        """Make the data file durable; from then on the frames mean nothing.

        Args:
            base: LMDB's number of the newest transaction.

        Raises:
            RewindNeededError: The data file could not be flushed, and has to be made anew.
            lmdb.Error, OSError: LMDB's and the system's own; what counted counts.
        """
        if not self.is_idle_at(base):
            self._make_header_durable()
            self._flush_data_file()
            self._say_flushed(base)
        if self.is_durable and (self._pin is None or self._pin_transaction != base):
            self._renew_pin(base)

    def is_idle_at(self, base: int) -> bool:
        """Whether the data file stands for itself, as of a transaction: nothing is to be flushed.

        Raises:
            RewindNeededError, CorruptionError, OSError: As for `checkpoint`.
        """
        self._look()
        header = self._journal.header
        is_idle = header.state is State.IDLE and header.transaction == base
        return is_idle and not self._must_checkpoint

    def _say_flushed(self, base: int) -> None:
        idle = Header(self._journal.header.sequence + 1, State.IDLE, transaction=base)
        try:
            self._journal.write_header(idle, is_flushed=True)
        except BaseException:
            self._is_header_durable, self._must_checkpoint = False, True
            raise
        self._must_checkpoint = False
        self._start_after_header()
        self._journal.shrink()

    def give_back(self) -> None:
        """Give back the space of the journal. Nobody else may have the database open."""
        if self._journal.header.state is State.IDLE:
            self._journal.shrink(is_last=True)

    def _flush_data_file(self) -> None:
        try:
            if self._has_failed:
                raise RewindNeededError("a flush of the data file failed")
            self._environment.sync(force=True)
        except lmdb.Error as error:
            if self._journal.header.state is State.IDLE:
                raise  # there is nothing that it could be made anew from
            self._say_failed()
            raise RewindNeededError(str(error)) from error

    def _say_failed(self) -> None:
        """So that nobody flushes it again, which would do nothing, and takes it for durable."""
        self._has_failed = True
        header = self._journal.header
        failed = header._replace(sequence=header.sequence + 1, state=State.FAILED)
        for is_flushed in (True, False):  # others read it also where it is not durable
            with contextlib.suppress(OSError):
                self._journal.write_header(failed, is_flushed=is_flushed)
                return

    def _make_header_durable(self) -> None:
        if not self._is_header_durable:
            self._journal.write_header_again()
            self._journal.flush()
            self._is_header_durable = True

    # Where we are -------------------------------------------------------------------------------

    def _look(self) -> None:
        """Take over what another process has done to the header."""
        if self._journal.look():
            self._is_header_durable = False
            self._start_after_header()
        if self._has_failed and self._journal.header.state is State.ACTIVE:
            self._say_failed()
        if self._journal.header.state is State.FAILED:
            raise RewindNeededError("a flush of the data file failed")

    def _start_after_header(self) -> None:
        self._at, self._last = FRAMES_AT, self._journal.header.transaction
        self._writing_at, self._part = self._at, 0
        self._written_bytes = 0

    def _follows(self, base: int) -> bool:
        """Whether the journal has everything up to a transaction; goes to its end."""
        while self._last < base and self._journal.header.state is State.ACTIVE:
            end = self._end_of(self._last + 1)
            if not end:
                return False
            self._count(0, end - self._at)
            self._at, self._last = end, self._last + 1
        if self._last != base:
            return False
        is_active = self._journal.header.state is State.ACTIVE
        if is_active and self._journal.starts(self._at, base + 1):
            # Of a process that died before LMDB had it: nobody was told that it happened.
            try:
                self._journal.void(self._at)
            except OSError:
                self._is_header_durable, self._must_checkpoint = False, True
                raise
        return True

    def _end_of(self, transaction: int) -> int:
        """Where the frames of a transaction end that begin here; 0 if they do not."""
        at, is_last = self._at, False
        while not is_last:
            frame = self._journal.starts(at, transaction)
            if frame is None:
                return 0
            at, is_last = at + FRAME_BYTES + frame.length, bool(frame.is_last)
        return at

    def _count(self, entries: int, journal_bytes: int) -> None:
        pages = _PAGES_PER_COMMIT + entries // _ENTRIES_PER_PAGE
        self._written_bytes += pages * self._page_bytes + journal_bytes

    # The pin ------------------------------------------------------------------------------------

    def _has_valid_pin(self) -> bool:
        return self._pin is not None and self._pin_transaction <= self._journal.header.transaction

    def _renew_pin(self, base: int) -> None:
        pin = self._environment.begin()
        assert pin.id() == base, "whoever makes a pin has the write lock"
        self.release_pin()
        self._pin, self._pin_transaction = pin, base

    def _read_heads(self) -> bytes:
        return read_heads(self._data, self._page_bytes)


def read_heads(descriptor: int, page_bytes: int) -> bytes:
    """Both heads of an open data file."""
    return b"".join(os.pread(descriptor, HEAD_BYTES, place) for place in (0, page_bytes))


def newest_of(heads: bytes) -> Head:
    """The head that counts, of both."""
    parsed = parse_head(heads[:HEAD_BYTES]), parse_head(heads[HEAD_BYTES:])
    return max(parsed, key=lambda head: head.transaction)


def checksum_of_roots(descriptor: int, head: Head) -> int:
    """Checksum of the root pages of a state: the main one is another one with every commit."""
    checksum = 0
    for root in head.roots:
        if root != NO_PAGE:
            page = os.pread(descriptor, head.page_bytes, root * head.page_bytes)
            checksum = crc32(page, checksum)
    return checksum
