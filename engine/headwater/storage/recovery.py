"""The data file made anew from its last checkpoint and the journal.

Done by whoever opens a database that nobody has open, if it was not closed: then the machine may
have gone down, and of what LMDB has written since the checkpoint any part may have reached the
disk. It is right as well after a process alone was killed. The pages of the checkpoint are whole
(`journaling.py` says why), so its heads are put back, and everything that the journal has is done
again in one transaction, which LMDB never lets write over the state that it begins with. Until the
journal says that it is over, it can begin again.
"""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import lmdb

from headwater.errors import CorruptionError
from headwater.limits import MIB
from headwater.storage.compaction import go_on_from
from headwater.storage.engine import open_handles, open_to_mend
from headwater.storage.flushing import flush_data, write_at
from headwater.storage.format import DATA_NAME, META_JOURNAL, Database, unseal
from headwater.storage.journal import Journal, Whole
from headwater.storage.journal_format import (
    CLEAR,
    DELETE,
    PUT,
    Change,
    Header,
    State,
    unpack_changes,
)
from headwater.storage.journaling import checksum_of_roots, newest_of, read_heads
from headwater.storage.pages import HEAD_BYTES, IS_TREE, Head, Pages, parse_head, root_of_tree
from headwater.storage.precheck import check_data_file
from headwater.storage.transactions import Handles

StorageEngineError = lmdb.Error
"""For those who may not know LMDB."""


def recover(directory: Path, uuid: str, *, skip_damage: bool = False) -> int:
    """Give the data file what the journal has. The caller has the directory alone.

    O(journal). After an error or a kill it can be done again.

    Args:
        directory: A database.
        uuid: Its name.
        skip_damage: Go on with what is before a damaged frame, instead of refusing.

    Returns:
        How many transactions were done again; 0 also if there was nothing to do.

    Raises:
        CorruptionError: The journal is damaged, or does not belong to the data file. Nothing was
            changed.
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    if is_closed(directory):
        return 0
    journal = Journal(directory)
    try:
        header = journal.header
        if not _belongs(directory, header, uuid):
            # A repair has put another data file here and did not come to the end.
            idle = Header(header.sequence + 1, State.IDLE)
            journal.write_header(idle, is_flushed=True)
            return 0
        count = _count(journal, skip_damage=skip_damage)
        _put_heads_back(directory, header)
        check_data_file(directory / DATA_NAME)
        newest = header.transaction + count
        if count:
            _replay(directory, journal, count)
            # They were one transaction now. What is noted elsewhere is how many they were.
            go_on_from(directory / DATA_NAME, newest)
        _flush(directory)
        journal.write_header(
            Header(header.sequence + 1, State.IDLE, transaction=newest), is_flushed=True
        )
        return count
    finally:
        journal.close()


def is_closed(directory: Path) -> bool:
    """Whether the data file stands for itself.

    Raises:
        CorruptionError: The journal is missing, or both of its headers are damaged.
        OSError: Of the system.
    """
    journal = Journal(directory, is_writable=False)
    try:
        return journal.header.state is State.IDLE
    finally:
        journal.close()


def check_journal(directory: Path, transaction: int) -> list[str]:
    """Look whether the journal has what the data file may lose. O(journal).

    Others may write meanwhile: when one has begun the journal anew, there is nothing to find.

    Args:
        directory: A database.
        transaction: The one up to which it must lead.

    Returns:
        What is wrong, a line for each.
    """
    try:
        journal = Journal(directory, is_writable=False)
    except CorruptionError as error:
        return [str(error)]
    try:
        found = _look_through(journal, transaction)
        return [] if found and journal.look() else found
    finally:
        journal.close()


def _look_through(journal: Journal, transaction: int) -> list[str]:
    header = journal.header
    if header.state is State.IDLE:
        return []
    if header.state is State.FAILED:
        failed = "a flush of the data file failed; close the database everywhere: the next opening"
        return [f"{journal.path}: {failed} makes the file anew"]
    try:
        newest = header.transaction + _count(journal)
    except CorruptionError as error:
        return [str(error)]
    if newest >= transaction:
        return []
    lost = "after a power loss the commits in between would be missing; close the database"
    leads = f"it leads up to {newest}, the data file has transaction {transaction}"
    return [f"{journal.path}: {leads}: {lost}"]


def apply_changes(
    transaction: "lmdb.Transaction[bytes]", handles: Handles, changes: list[Change]
) -> None:
    """Do again what a transaction did.

    Raises:
        lmdb.Error: LMDB's own.
    """
    for kind, database, items in changes:
        handle = handles[database]
        if kind == PUT:
            transaction.cursor(handle).putmulti(sorted(items))
        elif kind == DELETE:
            for key in items:
                transaction.delete(key, b"", handle)
        else:
            assert kind == CLEAR
            transaction.drop(handle, delete=False)


def _transactions(journal: Journal, *, skip_damage: bool) -> Iterator[list[Whole]]:
    """The frames of every transaction that the journal has."""
    transactions = journal.transactions()
    while True:
        try:
            frames = next(transactions)
        except StopIteration:
            return
        except CorruptionError:
            if skip_damage:
                return
            raise
        yield frames


def _changes_in(journal: Journal, whole: Whole) -> list[Change]:
    try:
        return unpack_changes(journal.payload(whole))
    except ValueError as error:
        raise CorruptionError(
            f"{journal.path}: the checksum of the frame at byte {whole.at} is right, and it is not "
            f"of this format: {error}; another program or another version wrote it; nothing was "
            "changed"
        ) from error


def _count(journal: Journal, *, skip_damage: bool = False) -> int:
    """How many transactions the journal has. Finds damage before anything is changed."""
    count = 0
    for frames in _transactions(journal, skip_damage=skip_damage):
        for whole in frames:
            _changes_in(journal, whole)
        count += 1
    return count


def _belongs(directory: Path, header: Header, uuid: str) -> bool:
    """Whether the data file is the one of the header; False if it is a newer one.

    Raises:
        CorruptionError: Neither.
    """
    data = directory / DATA_NAME
    if header.uuid != bytes.fromhex(uuid):
        raise CorruptionError(
            f"{directory}: its journal is of database {header.uuid.hex()!r}, its manifest of "
            f"{uuid!r}: files of two databases were mixed; restore both from one backup"
        )
    try:
        descriptor = os.open(data, os.O_RDONLY)
    except FileNotFoundError as error:
        raise CorruptionError(
            f"{data}: it is missing while the manifest says that it was created; restore a backup"
        ) from error
    try:
        newest = newest_of(header.heads)
        is_same = checksum_of_roots(descriptor, newest) == header.roots
        is_later = is_same and not _has_older_heads(descriptor, header)
    finally:
        os.close(descriptor)
    with Pages(data) as pages:
        # Files that were made alike have equal roots.
        if is_later and _name_in(pages, newest) == header.name:
            return True
        names = {_name_in(pages, head) for head in pages.heads} - {b""}
    if names and header.name not in names:
        return False
    raise CorruptionError(
        f"{directory}: its journal goes on from transaction {header.transaction}, which "
        f"{DATA_NAME} does not have: files of two moments were mixed, or it was damaged; nothing "
        "was changed; restore all files from one backup, or let hw.repair() save what can be saved"
    )


def _has_older_heads(descriptor: int, header: Header) -> bool:
    """Whether the file is of before the checkpoint: one that was flushed then has newer heads."""
    found = read_heads(descriptor, header.page_bytes)
    for start in (0, HEAD_BYTES):
        before, now = (parse_head(raw[start : start + HEAD_BYTES]) for raw in (header.heads, found))
        # One that was torn says nothing.
        is_head = (now.page, now.flags, now.magic) == (before.page, before.flags, before.magic)
        if is_head and now.transaction < before.transaction:
            return True
    return False


def _name_in(pages: Pages, head: Head) -> bytes:
    """How a data file is called inside of one of its states; empty if that cannot be read."""
    damage: list[str] = []
    for node in map(pages.node, pages.leaves(head.roots[1], damage)):
        if node.flags & IS_TREE and node.key == Database.META.name_on_disk:
            root = root_of_tree(node.value or b"")
            for entry in map(pages.node, pages.leaves(root, damage)):
                if entry.key == META_JOURNAL:
                    return unseal(META_JOURNAL, entry.value or b"") or b""
    return b""


def _put_heads_back(directory: Path, header: Header) -> None:
    descriptor = os.open(directory / DATA_NAME, os.O_RDWR)
    try:
        for number in (0, 1):
            head = header.heads[number * HEAD_BYTES : (number + 1) * HEAD_BYTES]
            write_at(descriptor, head, number * header.page_bytes)
    finally:
        os.close(descriptor)


def _replay(directory: Path, journal: Journal, count: int) -> None:
    """Do the first transactions of the journal again, as one."""
    data = directory / DATA_NAME
    map_size = 2 * data.stat().st_size + 16 * journal.size_bytes + 64 * MIB
    is_done = False
    while not is_done:
        environment = open_to_mend(data, map_size, is_flushed=False)
        try:
            handles = open_handles(environment)
            with environment.begin(write=True) as transaction:
                for frames in islice(journal.transactions(), count):
                    for whole in frames:
                        apply_changes(transaction, handles, _changes_in(journal, whole))
            is_done = True
        except lmdb.MapFullError:
            map_size *= 2
        finally:
            environment.close()


def _flush(directory: Path) -> None:
    descriptor = os.open(directory / DATA_NAME, os.O_RDWR)
    try:
        flush_data(descriptor)
    finally:
        os.close(descriptor)
