"""A database checked by another process, which may die of what it reads.

LMDB trusts the pages that it maps: a damaged one can end the process. So a file of which nothing
is known is looked at by a child, and a child that dies is one more problem. It says what it finds
line by line, so that nothing of it is lost with the child.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from headwater.errors import (
    CorruptionError,
    HeadwaterError,
    NotADatabaseError,
    StorageError,
)
from headwater.storage.engine import open_engine, open_unlocked
from headwater.storage.environment import Environment
from headwater.storage.format import DATA_NAME, FORMAT_WITHOUT_JOURNAL, MANIFEST_NAME
from headwater.storage.manifest import read_manifest
from headwater.storage.precheck import check_data_file
from headwater.storage.recovery import StorageEngineError, recover
from headwater.tables.catalog import Catalog
from headwater.tables.problems import Problem
from headwater.tables.progress import Progress, Report
from headwater.tables.snapshot import Snapshot
from headwater.tables.verify import verify
from headwater.tables.verify_pages import verify_journal, verify_pages

_CODE: Final = "from headwater.tables.checking import child; child()"
_RECOVERY: Final = "from headwater.tables.checking import recovering_child; recovering_child()"
_ALONE: Final = "alone"
_SHARED: Final = "shared"


def check(directory: Path, *, is_alone: bool, progress: Report | None = None) -> list[Problem]:
    """Check a database that is not open in this process, in another one.

    Args:
        directory: Its directory.
        is_alone: Whether the caller keeps all others from opening it.
        progress: Told about the steps.

    Raises:
        NotADatabaseError: There is neither a manifest nor a data file.
        NewerFormatError: A newer library wrote it.
        StorageError: The other process could not be started, or failed for another reason.
    """
    has_data = (directory / DATA_NAME).exists()
    if not has_data and not (directory / MANIFEST_NAME).exists():
        raise NotADatabaseError(
            f"{directory}: expected a Headwater database, found neither {MANIFEST_NAME} nor "
            f"{DATA_NAME}"
        )
    problems: list[Problem] = []
    try:
        read_manifest(directory)
    except (FileNotFoundError, NotADatabaseError) as error:
        problems.append(_problem("manifest_damaged", str(error)))
        is_alone = True  # nobody can have opened it, and LMDB shall not be tried either
    if has_data or not problems:
        problems += _run_child(directory, _ALONE if is_alone else _SHARED, progress)
    return problems


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _run_child(directory: Path, mode: str, progress: Report | None) -> list[Problem]:
    problems: list[Problem] = []
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(  # noqa: S603 - this interpreter, and arguments of our own
            [sys.executable, "-c", _CODE, str(directory), mode],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
        ) as process,
    ):
        assert process.stdout is not None
        is_finished = False
        try:
            for line in process.stdout:
                kind, facts = json.loads(line)
                if kind == "problem":
                    problems.append(Problem(*facts))
                elif kind == "progress" and progress is not None:
                    progress(Progress(*facts))
                is_finished |= kind == "end"
        except BaseException:
            process.kill()  # it would go on reading for nobody
            raise
        code = process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace").strip()
    if code < 0:
        name = signal.Signals(-code).name
        message = f"{directory}: reading it killed the process that tried ({name}) {said[:200]}"
        problems.append(_problem("check_died", message.strip()))
    elif not is_finished:
        raise StorageError(
            f"{directory}: the process that was to check it ended with {code}: {said[-500:]}"
        )
    return problems


# In the child -----------------------------------------------------------------------------------


def child() -> None:
    """Check the directory of the first argument and say what is found, a line of JSON each."""
    directory, mode = Path(sys.argv[1]), sys.argv[2]
    _dump_no_core()
    look = _look_alone if mode == _ALONE else _look_shared
    for problem in look(directory, lambda progress: _say("progress", progress)):
        _say("problem", problem)
    _say("end", ())


def _dump_no_core() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it may die, and that is no news


def _say(kind: str, facts: tuple[Any, ...]) -> None:
    os.write(1, json.dumps([kind, facts]).encode("ascii") + b"\n")


def _look_alone(directory: Path, progress: Report) -> Iterator[Problem]:
    if _has_manifest(directory):
        yield from _recover(directory)
    try:
        check_data_file(directory / DATA_NAME)
    except CorruptionError as error:
        yield _problem("file_damaged", str(error))
        return  # LMDB would die of it
    yield from verify_pages(directory)
    if _has_manifest(directory):
        yield from _look_at_records(directory, open_unlocked, list, progress, is_alone=True)


def _recover(directory: Path) -> Iterator[Problem]:
    """What opening does first where a database was not closed."""
    manifest = read_manifest(directory)
    if manifest.format == FORMAT_WITHOUT_JOURNAL or not (directory / DATA_NAME).exists():
        return
    try:
        recover(directory, manifest.uuid)
    except CorruptionError as error:
        yield _problem("journal_damaged", str(error))
    except PermissionError as error:
        yield _problem("journal_damaged", f"{directory}: it was not closed, and {error}")
    except StorageEngineError as error:
        yield _problem("storage_damaged", f"{directory}: its journal cannot be used: {error}")


def recover_elsewhere(directory: Path, uuid: str) -> bool:
    """Give a copy of damaged files what the journal still has, in another process.

    Returns:
        Whether that went well. If not, the files are what they were, or of no use.
    """
    done = subprocess.run(  # noqa: S603 - this interpreter, and arguments of our own
        [sys.executable, "-c", _RECOVERY, str(directory), uuid],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        check=False,
    )
    return done.returncode == 0


def recovering_child() -> None:
    """Recover the directory of the first argument, whose name is the second."""
    _dump_no_core()
    recover(Path(sys.argv[1]), sys.argv[2], skip_damage=True)


def _look_shared(directory: Path, progress: Report) -> Iterator[Problem]:
    yield from _look_at_records(directory, open_engine, lambda: verify_pages(directory), progress)


def _look_at_records(
    directory: Path,
    engine: Any,
    first: Callable[[], list[Problem]],
    progress: Report,
    *,
    is_alone: bool = False,
) -> Iterator[Problem]:
    """What LMDB reads; ``first`` is done when there is a snapshot that keeps the pages."""
    try:
        environment = Environment.open(directory, read_only=True, engine=engine, is_alone=is_alone)
    except CorruptionError as error:
        yield _problem("file_damaged", str(error))
        return
    with environment, environment.read_for_long("a check") as reader:
        yield from first()
        if not is_alone:  # otherwise it has been looked at, and its commits are in the file
            yield from verify_journal(directory, reader.transaction_id())
        try:
            format_version = read_manifest(directory).format
            snapshot = Snapshot(reader, Catalog([]), 0)
            yield from verify(snapshot, format_version=format_version, progress=progress)
        except HeadwaterError as error:
            yield _problem("storage_damaged", str(error))


def _has_manifest(directory: Path) -> bool:
    try:
        read_manifest(directory)
    except (FileNotFoundError, NotADatabaseError):
        return False
    return True


def _problem(kind: Any, message: str) -> Problem:
    return Problem(kind, "", "", 0, message)
