"""Keys that sign: in files of their own, so that neither log nor exports have them."""

import contextlib
import fcntl
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from headwater.clock import Clock
from headwater.errors import CorruptionError
from headwater.functions.purity import suspended
from headwater.storage.failures import translate
from headwater.storage.manifest import write_durably

KEY_BYTES: Final = 32
"""256 bits, as long as what HMAC-SHA256 gives (RFC 2104, section 3)."""

_NS_PER_SECOND: Final = 10**9


class _Known(NamedTuple):
    """What the file said when it looked like that."""

    look: tuple[int, int, int]
    keys: tuple[bytes, ...]
    ends: tuple[int, ...]


_UNKNOWN: Final = _Known((0, 0, 0), (), ())


class KeyFile:
    """Keys of one database. Made when the first one is asked for; shared by its processes.

    Args:
        directory: Of the database.
        name: Of the file.
        purpose: What is signed, for messages.
        clock: Gives keys, and says when old ones end.
    """

    def __init__(self, directory: Path, name: str, purpose: str, clock: Clock) -> None:
        self._directory = directory
        self._file = directory / name
        self._purpose = purpose
        self._clock = clock
        self._known = _UNKNOWN

    def newest(self) -> bytes:
        """The key to sign with.

        Raises:
            CorruptionError: The file is damaged.
            StorageError: The system failed.
        """
        known = self._look()
        if not known.keys:
            with suspended():  # once in the life of a database
                known = self._change(None)
        return known.keys[0]

    def good(self) -> list[bytes]:
        """The keys whose signatures are good now, newest first; none if there was never one.

        Raises:
            CorruptionError: The file is damaged.
            StorageError: The system failed.
        """
        now = self._clock.now_ns() // _NS_PER_SECOND
        known = self._look()
        return [
            key for key, end in zip(known.keys, known.ends, strict=True) if not end or now < end
        ]

    def rotate(self, grace_seconds: int) -> None:
        """Sign with a new key from now on; what the one before has signed stays good for a time.

        Raises:
            StorageError: The system failed; the key before is still used.
        """
        self._change(grace_seconds)

    # -- inside ---------------------------------------------------------------------------------

    def _look(self) -> _Known:
        """What the file says: it is read again when another process has changed it."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return _UNKNOWN
        except OSError as error:
            raise translate(error, self._directory, f"read the keys of {self._purpose}") from error
        look = (status.st_ino, status.st_mtime_ns, status.st_size)
        if self._known.look != look:
            with suspended(), self._translating("read"):
                self._known = _Known(look, *_parsed(self._file, self._purpose))
        return self._known

    def _change(self, grace_seconds: int | None) -> _Known:
        with self._translating("write"), self._alone():
            known = self._look()
            if known.keys and grace_seconds is None:
                return known  # another process was faster
            now = self._clock.now_ns() // _NS_PER_SECOND
            old = [
                {"key": key.hex(), "ends": end or now + (grace_seconds or 0)}
                for key, end in zip(known.keys, known.ends, strict=True)
                if not end or now < end
            ]
            new = {"key": self._clock.secret(KEY_BYTES).hex(), "ends": 0}
            content = json.dumps({"keys": [new, *old]}, indent=2) + "\n"
            write_durably(self._file, content.encode("ascii"))
            return self._look()

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    @contextlib.contextmanager
    def _translating(self, verb: str) -> Generator[None]:
        try:
            yield
        except CorruptionError:
            raise
        except OSError as error:
            raise translate(
                error, self._directory, f"{verb} the keys of {self._purpose}"
            ) from error


def _parsed(file: Path, purpose: str) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    try:
        said = cast("list[dict[str, Any]]", json.loads(file.read_bytes())["keys"])
        keys = tuple(bytes.fromhex(one["key"]) for one in said)
        ends = tuple(int(one["ends"]) for one in said)
    except (ValueError, LookupError, TypeError):
        raise CorruptionError(
            f"{file}: expected keys of {purpose}, found something else; remove the file, and "
            f"{purpose} that were given out are not good any more"
        ) from None
    if any(len(key) != KEY_BYTES for key in keys):
        raise CorruptionError(f"{file}: expected keys of {KEY_BYTES} bytes; remove the file")
    return keys, ends
