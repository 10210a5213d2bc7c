"""A database brought up to date by whoever opens it first: recovered, or of the newest format."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from headwater.clock import Clock
from headwater.errors import ReadOnlyError
from headwater.limits import MIB
from headwater.storage.engine import EngineOptions, open_handles, open_to_mend
from headwater.storage.exclusion import Exclusion
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_VERSION,
    FORMAT_WITHOUT_JOURNAL,
    META_FORMAT,
    META_JOURNAL,
    Database,
)
from headwater.storage.journal import create_journal, new_name
from headwater.storage.manifest import read_manifest, write_manifest
from headwater.storage.precheck import check_data_file
from headwater.storage.recovery import is_closed, recover

_ROOM_BYTES: Final = 64 * MIB


def bring_up_to_date(
    directory: Path, options: EngineOptions, exclusion: Exclusion, clock: Clock
) -> None:
    """Do what there is to do before LMDB opens the file, if nobody else has it open.

    The lock is kept, alone or shared, until LMDB has its own.

    Raises:
        CorruptionError: The journal or the data file is damaged.
        ReadOnlyError: There is something to do, and it cannot be done here.
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    refusal: OSError | None = None
    try:
        is_alone = exclusion.take_or_share(directory)
    except OSError as error:
        if not options.is_read_only:
            raise
        is_alone, refusal = True, error
    manifest = read_manifest(directory)  # which nobody changes any more
    if not is_alone:
        return
    if manifest.format == FORMAT_WITHOUT_JOURNAL:
        if options.is_durable and not options.is_read_only:
            give_journal(directory, clock)
        return
    if not is_closed(directory):
        if refusal is not None:
            raise _unreachable(directory, refusal)
        try:
            recover(directory, manifest.uuid)
        except PermissionError as error:
            raise _unreachable(directory, error) from error
    if manifest.format < FORMAT_VERSION and not options.is_read_only:
        upgrade(directory)


def _unreachable(directory: Path, cause: OSError) -> ReadOnlyError:
    return ReadOnlyError(
        f"{directory}: it was not closed, and what its journal has is not in the data file; that "
        f"cannot be brought there: {cause}; open it once where it can be written"
    )


def give_journal(directory: Path, clock: Clock) -> None:
    """Give a database of format 1 a journal, and the newest format.

    The caller has the directory alone. Raises what `upgrade` does.
    """
    check_data_file(directory / DATA_NAME)
    create_journal(directory)
    upgrade(directory, {META_JOURNAL: new_name(clock)})


def upgrade(directory: Path, facts: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
    """Let a database be of the newest format. The caller has the directory alone.

    The manifest comes last: until then, and after an error or a kill, it is what it was.

    Args:
        directory: A database whose data file stands for itself.
        facts: What else is to be noted in it.

    Raises:
        CorruptionError: The data file is damaged.
        lmdb.Error, OSError: LMDB's and the system's own.
    """
    data = directory / DATA_NAME
    check_data_file(data)
    environment = open_to_mend(data, data.stat().st_size + _ROOM_BYTES, is_flushed=True)
    try:
        meta = open_handles(environment)[Database.META]
        with environment.begin(write=True, db=meta) as transaction:
            transaction.put(META_FORMAT, str(FORMAT_VERSION).encode("ascii"))
            for key, value in facts.items():
                transaction.put(key, value)
    finally:
        environment.close()
    write_manifest(directory, read_manifest(directory)._replace(format=FORMAT_VERSION))
