"""A damaged database made anew of what is left of it.

The damaged file is read as plain bytes, never mapped. The commits that can be read, and what
documents tell of those that cannot, become the log of a new file; tables and indexes are rebuilt
from it, and only when nothing is wrong with the new file does it take the place of the old one.
"""

import shutil
from itertools import islice
from pathlib import Path
from typing import Final

from headwater.clock import Clock
from headwater.errors import CorruptionError, NewerFormatError, NotADatabaseError
from headwater.storage.commit_log import encode_commit
from headwater.storage.environment import Environment
from headwater.storage.format import (
    DATA_NAME,
    FORMAT_VERSION,
    JOURNAL_NAME,
    META_FORMAT,
    META_UUID,
    TIMESTAMP,
    Database,
)
from headwater.storage.manifest import Manifest, read_manifest, write_manifest
from headwater.storage.newest import read_newest
from headwater.storage.recovery import is_closed
from headwater.storage.replacement import replace_data, staging
from headwater.storage.salvage import Salvage
from headwater.storage.transactions import WriteTransaction
from headwater.tables.catalog import Catalog, load_catalog
from headwater.tables.checking import check, recover_elsewhere
from headwater.tables.horizon import META_TRIMMED
from headwater.tables.progress import Report, reported
from headwater.tables.rebuild import rebuild
from headwater.tables.relinking import Chain
from headwater.tables.reports import Lost, RepairReport
from headwater.tables.snapshot import Snapshot
from headwater.tables.surviving_log import SurvivingLog
from headwater.tables.verify import verify
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import table_number_of

_CHUNK: Final = 500


def repair(directory: Path, *, clock: Clock, progress: Report | None = None) -> RepairReport:
    """Repair a database that the caller has alone; leaves a sound one as it is.

    Raises:
        CorruptionError: Nothing can be saved. Nothing was changed.
        NotADatabaseError, NewerFormatError: As for `check`.
        StorageError, OSError: The system failed; the old file is in its place.
    """
    problems = check(directory, is_alone=True, progress=progress)
    if not problems:
        return RepairReport(directory, None, [], [], 0, 0)
    if not (directory / DATA_NAME).exists():
        raise _nothing(directory, f"its data file {DATA_NAME} is missing")
    with staging(directory) as made, Salvage(_source(directory, made)) as salvage:
        _refuse_newer(directory, salvage)
        log = SurvivingLog(salvage, newest_ts=read_newest(directory).ts)
        if not log.places and not salvage.documents:
            raise _nothing(directory, "no commit and no document in it is sound")
        mend = _Mend(salvage, log, clock)
        manifest = _manifest(directory)
        new = made / "new"
        report = mend.make(new, manifest.uuid if manifest else "", progress)
        is_current = manifest is not None and manifest.format == FORMAT_VERSION
        kept = replace_data(directory, new / DATA_NAME, None if is_current else read_manifest(new))
    return report._replace(path=directory, kept=kept, problems=problems)


def _source(directory: Path, made: Path) -> Path:
    """The data file that the records are to be taken from.

    Where it was not closed, and its journal could not give it what it lacks, this is a copy that
    has been given as much as there is.
    """
    data, manifest = directory / DATA_NAME, _manifest(directory)
    try:
        if manifest is None or is_closed(directory):
            return data
    except CorruptionError:
        return data  # the journal says nothing
    copy = made / "recovered"
    copy.mkdir()
    for name in (DATA_NAME, JOURNAL_NAME):
        shutil.copyfile(directory / name, copy / name)
    return copy / DATA_NAME if recover_elsewhere(copy, manifest.uuid) else data


def _nothing(directory: Path, why: str) -> CorruptionError:
    return CorruptionError(
        f"{directory}: nothing can be saved: {why}; nothing was changed; restore a backup"
    )


def _refuse_newer(directory: Path, salvage: Salvage) -> None:
    found = salvage.meta.get(META_FORMAT, b"")
    if not _manifest(directory) and found.isdigit() and FORMAT_VERSION < int(found) < 1000:
        raise NewerFormatError(
            f"{directory}: its data is of format {int(found)}, this library reads up to format "
            f"{FORMAT_VERSION}; nothing was changed; upgrade the package headwater",
            found=int(found),
            supported=FORMAT_VERSION,
        )


def _manifest(directory: Path) -> Manifest | None:
    try:
        return read_manifest(directory)
    except (FileNotFoundError, NotADatabaseError):
        return None


class _Mend:
    """The new file."""

    def __init__(self, salvage: Salvage, log: SurvivingLog, clock: Clock) -> None:
        self._salvage = salvage
        self._log = log
        self._clock = clock
        self._chain = Chain(log)

    def make(self, directory: Path, uuid: str, progress: Report | None) -> RepairReport:
        """Make a database in a new directory, and see that nothing is wrong with it.

        Raises:
            CorruptionError: Something is.
        """
        with Environment.open(directory, durability="none", clock=self._clock) as environment:
            uuid = uuid or _noted_uuid(self._salvage) or environment.uuid
            environment.run_write(lambda writer: self._write(writer, uuid, progress))
            rebuilt = rebuild(environment, progress=progress)
            with environment.read_for_long("a repair") as reader:
                catalog = load_catalog(reader)
                problems = verify(
                    Snapshot(reader, catalog), format_version=FORMAT_VERSION, progress=progress
                )
            if problems:
                raise CorruptionError(
                    f"{directory}: what was saved does not hold together: {problems[0].message} "
                    f"({len(problems)} problems); nothing was changed; restore a backup"
                )
            environment.sync()
        manifest = read_manifest(directory)
        write_manifest(directory, manifest._replace(uuid=uuid))
        lost = self._lost(catalog)
        return RepairReport(directory, None, [], lost, rebuilt.commits, rebuilt.documents)

    def _write(self, writer: WriteTransaction, uuid: str, progress: Report | None) -> None:
        writer.put(Database.META, META_UUID, uuid.encode("ascii"))
        if self._log.horizon:
            # How far an unfinished trimming came is not taken along: it begins anew.
            writer.put(Database.META, META_TRIMMED, TIMESTAMP.pack(self._log.horizon))
        self._chain = Chain(self._log)
        total = len(self._log.places)
        commits = reported(self._chain.commits(), "writing the log", total, progress)
        while chunk := list(islice(commits, _CHUNK)):
            writer.put_many(Database.LOG, [encode_commit(commit) for commit in chunk], append=True)

    def _lost(self, catalog: Catalog) -> list[Lost]:
        lost: list[Lost] = []
        for ts in sorted(self._log.lost):
            after = max((known for known in self._log.places if known < ts), default=0)
            text = _commit_text(ts, after, self._chain.found.get(ts, 0))
            lost.append(Lost("", "", ts, after, "commit", text))
        for id_text, ts in self._chain.broken:
            text = f"{id_text}: the version that commit {ts} wrote is lost"
            lost.append(Lost(_table(catalog, id_text), id_text, ts, 0, "version", text))
        for id_text in sorted(self._salvage.unsound_documents - self._chain.newest.keys()):
            text = f"{id_text}: it is damaged, and no commit that is left has it"
            lost.append(Lost(_table(catalog, id_text), id_text, 0, 0, "document", text))
        return lost


def _noted_uuid(salvage: Salvage) -> str:
    """The name of the database inside the data file, empty if it can be none."""
    noted = salvage.meta.get(META_UUID, b"")
    is_one = len(noted) == 32 and not set(noted) - set(b"0123456789abcdef")
    return noted.decode("ascii") if is_one else ""


def _commit_text(ts: int, after: int, found: int) -> str:
    what = f"{found} of its changes were found, it may have had more" if found else "it is lost"
    return f"commit {ts}: {what}; so may be others after commit {after or 'none'} and before it"


def _table(catalog: Catalog, id_text: str) -> str:
    try:
        return catalog.name_of(table_number_of(id_text))
    except MalformedIdError:
        return ""
