"""Generated files in a directory: what is stale, and how it is replaced."""

import os
from collections.abc import Mapping
from pathlib import Path

from headwater.codegen.typescript import MARK
from headwater.errors import AlreadyThereError, HeadwaterError
from headwater.storage.failures import translate


def stale_files(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Names of the files that are not there, or have another text. Line ends do not count.

    Args:
        directory: Where they are to be.
        files: Their texts, by name.

    Raises:
        AlreadyThereError: A file of that name was not generated.
        StorageError: The system failed.
    """
    return [name for name, text in files.items() if _text_of(directory / name) != text]


def write_files(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that are stale, each whole or not at all; returns their names.

    The others are not touched, so that nothing that watches them runs again.

    Raises:
        AlreadyThereError: A file of that name was not generated. Nothing was written.
        StorageError: The system failed.
    """
    stale = stale_files(directory, files)
    for name in stale:
        _replace(directory / name, files[name])
    return stale


def _text_of(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translate(error, path, "read a generated file") from error
    if MARK not in text:
        raise AlreadyThereError(
            f"{path}: there is a file that was not generated, and it would be overwritten; choose "
            "another directory, or move it away"
        )
    return text


def _replace(path: Path, text: str) -> None:
    staging = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging.write_text(text, encoding="utf-8", newline="\n")
        staging.replace(path)
    except OSError as error:
        if isinstance(error, HeadwaterError):
            raise
        raise translate(error, path, "write a generated file") from error
    finally:
        staging.unlink(missing_ok=True)
