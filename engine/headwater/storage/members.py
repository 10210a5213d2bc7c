"""Who has the directory open: a small file for each process, locked for as long as it lives.

LMDB knows its readers by process number, and process numbers mean something only inside one
container. So everybody says here who and where they are. The lock on the file, not the number in
it, says whether its process lives: the kernel gives it up with the process, whatever kills it, and
everyone on the machine sees it.
"""

import contextlib
import fcntl
import json
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Self

from headwater.errors import StorageError
from headwater.storage.format import MEMBERS_NAME
from headwater.storage.registry import notice_forks

FORCE_VARIABLE: Final = "HEADWATER_ALLOW_OTHER_CONTAINERS"

_BYTES_MAX: Final = 4096
_PROGRAM_CHARACTERS_MAX: Final = 200
_START_FIELD: Final = 19
"""Place of the start time among the fields of /proc/<pid>/stat that follow the name."""


class Place(NamedTuple):
    """Where process numbers mean the same.

    Attributes:
        boot: Id of this start of the kernel; empty if the system does not say (no /proc).
        namespace: Inode of the namespace of process numbers, which containers have of their own;
            0 if the system does not say.
    """

    boot: str
    namespace: int


class Member(NamedTuple):
    """A process that has the directory open.

    Attributes:
        pid: Its process number, as it sees it itself.
        started: When it started, in ticks since the boot: with the number it names a process for
            ever. 0 if the system does not say.
        place: Where its number counts.
        program: Name of the program, for people.
        file: Its file below ``members/``.
    """

    pid: int
    started: int
    place: Place
    program: str
    file: Path

    @property
    def is_near(self) -> bool:
        """Whether this process can name it by its number."""
        return self.place == own_place()


class Membership:
    """The file of this process in one directory. Safe to leave twice, and after a fork."""

    def __init__(self, file: str, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor
        notice_forks(self)

    @classmethod
    def join(cls, directory: Path) -> Self:
        """Say that this process has ``directory`` open.

        Where that cannot be written (a read-only or full file system, no locks) it is nowhere to
        be seen, and opening goes on.
        """
        try:
            while True:
                made = _make(f"{directory}/{MEMBERS_NAME}")
                if made is not None:
                    return cls(*made)
        except OSError:
            return cls("", -1)

    @property
    def name(self) -> str:
        """Name of the file, which nobody else ever has; empty if there is none."""
        return self._file.rpartition("/")[2]

    def leave(self) -> None:
        """Remove the file. Does nothing the second time."""
        file, descriptor = self._file, self._descriptor
        self._file, self._descriptor = "", -1
        if file:
            with contextlib.suppress(OSError):
                os.unlink(file)  # noqa: PTH108 - takes half
            os.close(descriptor)

    def before_fork(self) -> None:
        """There is nothing to wait for."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Let go of the lock: held here too, the parent would look alive after its death."""
        if self._file:
            os.close(self._descriptor)
        self._file, self._descriptor = "", -1


def members(directory: Path, *, without: str = "") -> list[Member]:
    """Who has a database open, this process included, in the order of process numbers.

    Files of processes that are dead are removed where that is allowed. O(number of files).

    Args:
        directory: The database.
        without: Name of a file that is not looked at.
    """
    found: list[Member] = []
    with contextlib.suppress(OSError):
        for name in os.listdir(f"{directory}/{MEMBERS_NAME}"):  # noqa: PTH208 - names are enough
            if name == without:
                continue
            member = _look_at(directory / MEMBERS_NAME / name)
            if member is not None:
                found.append(member)
    return sorted(found)


def refuse_other_containers(directory: Path, own_name: str) -> None:
    """Refuse to open what a process in another container, or under another kernel, has open.

    LMDB asks by process number whether a reader or the writer still lives. Across containers the
    answer is wrong: snapshots in use would be freed, and the file damaged. Does nothing where the
    environment variable HEADWATER_ALLOW_OTHER_CONTAINERS is set: at your own risk.

    Args:
        directory: The database.
        own_name: Name of the file of this process.

    Raises:
        StorageError: Somebody there has it open.
    """
    if os.environ.get(FORCE_VARIABLE):
        return
    own = own_place()
    for member in members(directory, without=own_name):
        there = member.place
        if own.boot and there.boot and there.boot != own.boot:
            where = "under another kernel (a virtual machine or a sandbox on the same disk)"
        elif own.namespace and there.namespace and there.namespace != own.namespace:
            where = (
                f"in another container (its pid namespace is {there.namespace}, here it is "
                f"{own.namespace})"
            )
        else:
            continue
        raise StorageError(
            f"{directory}: process {member.pid} ({member.program}) has it open {where}, where "
            "locks cannot tell whether a process is alive, and the database would get damaged; "
            "use one container, or let the containers share one pid namespace (docker run "
            "--pid=container:..., Kubernetes shareProcessNamespace), or close it there first (or "
            f"set {FORCE_VARIABLE}=1 to risk it)"
        )


def own_place() -> Place:
    """Where this process is. It is asked once, as a process stays there."""
    return _place_of(os.getpid())


@lru_cache(maxsize=1)
def _place_of(_pid: int) -> Place:
    boot, namespace = "", 0
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    with contextlib.suppress(OSError):
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    return Place(boot, namespace)


def start_of(pid: int) -> int:
    """When a process of this container started, in ticks since the boot.

    Returns 0 if there is no such process, or the system does not say.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The second field is the name, in parentheses, and may itself contain anything.
    return int(status.rpartition(b")")[2].split()[_START_FIELD])


_start_of_this = lru_cache(maxsize=1)(start_of)


def _make(folder: str) -> tuple[str, int] | None:
    """Make and lock the file of this process; None if somebody took it for a dead one's."""
    file = f"{folder}/{os.getpid()}-{os.urandom(8).hex()}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(file, flags, 0o600)
    except FileNotFoundError:  # as at the first opening of all
        Path(folder).mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(file, flags, 0o600)
    try:
        os.write(descriptor, _describe())
        # Until it is locked it looks like that of a dead process, and may be removed.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return file, descriptor
    except BlockingIOError:
        pass
    except BaseException:
        _drop(file, descriptor)
        raise
    _drop(file, descriptor)
    return None


def _drop(file: str, descriptor: int) -> None:
    Path(file).unlink(missing_ok=True)
    os.close(descriptor)


def _describe() -> bytes:
    pid, place = os.getpid(), own_place()
    description = {
        "pid": pid,
        "started": _start_of_this(pid),
        "boot": place.boot,
        "namespace": place.namespace,
        "program": Path(sys.argv[0] if sys.argv else "").name[:_PROGRAM_CHARACTERS_MAX],
    }
    return json.dumps(description).encode("ascii")


def _look_at(file: Path) -> Member | None:
    """The process that holds a file; None, and the file removed, if none does."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file, os.read(descriptor, _BYTES_MAX))
    except OSError:
        return None
    else:
        with contextlib.suppress(OSError):
            file.unlink()
        return None
    finally:
        os.close(descriptor)


def _read(file: Path, content: bytes) -> Member:
    """What a file says. One that cannot be read says at least by its name who holds it."""
    try:
        said = json.loads(content)
        place = Place(str(said["boot"]), int(said["namespace"]))
        return Member(int(said["pid"]), int(said["started"]), place, str(said["program"]), file)
    except (ValueError, LookupError, TypeError):
        number = file.name.partition("-")[0]
        pid = int(number) if number.isdecimal() else 0
        return Member(pid, 0, own_place(), "an unknown program", file)
