"""Errors in an application's own code: where they are and what they say, without our frames."""

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from headwater.errors import DeclarationError

_OURS: Final = (Path(__file__).parents[1], Path(__file__).parents[2] / "headwater_indexes")
_FROZEN: Final = "<frozen"


class ModulesRefusedError(DeclarationError):
    """Modules cannot be imported; the cause is what they raised."""


def refused(error: BaseException, name: str, folders: Sequence[Path]) -> ModulesRefusedError:
    """The error for modules that raise when they are imported.

    Args:
        error: What was raised.
        name: Dotted name of the application.
        folders: Its files and folders.
    """
    hint = _hint(error, name, folders)
    text = syntax_text(error) if isinstance(error, SyntaxError) else error_text(error)
    return ModulesRefusedError(f"{text}{hint}")


def syntax_text(error: SyntaxError) -> str:
    """Where a syntax error is, with its line and a mark below the place."""
    where = f"{shown_path(error.filename or '?')}:{error.lineno}"
    text = f"{where}: {type(error).__name__}: {error.msg}"
    if not error.text:
        return text
    line = error.text.rstrip("\n")
    stripped = line.lstrip()
    offset = max((error.offset or 1) - 1 - (len(line) - len(stripped)), 0)
    return f"{text}\n    {stripped}\n    {' ' * offset}^"


def error_text(error: BaseException) -> str:
    """Where the application's code raised an error, innermost line first, and what it says."""
    said = "".join(traceback.format_exception_only(error)).strip()
    frames = frames_of(error)
    if not frames:
        return said
    last = frames[-1]
    text = f"{shown_path(last.filename)}:{last.lineno}: {said}"
    if last.line:
        text += f"\n    {last.line}"
    for frame in reversed(frames[:-1]):
        text += f"\n  called at {shown_path(frame.filename)}:{frame.lineno}: {frame.line}"
    return text


def frames_of(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames of an error that are not this package's, outermost first."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not is_ours(frame.filename)]


def shown_path(filename: str) -> str:
    """A file, from the current directory if it is below it."""
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except ValueError:
        return filename


def is_ours(filename: str) -> bool:
    """Whether a file is one of this package, or of what imports modules."""
    if filename.startswith(_FROZEN):
        return True
    path = Path(filename)
    return path.parts[-2:-1] == ("importlib",) or any(map(path.is_relative_to, _OURS))


def _hint(error: BaseException, name: str, folders: Sequence[Path]) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        for folder in folders:
            if (folder / f"{error.name}.py").exists():
                return f"\n  import it as a part of its folder: from {name} import {error.name}"
    return ""
