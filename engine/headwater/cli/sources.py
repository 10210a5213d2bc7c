"""The modules of an application, as the command line names them, and how they are imported."""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Final, NamedTuple, TypeAlias

import typer

from headwater.cli.application import exists
from headwater.cli.load_errors import ModulesRefusedError, refused
from headwater.cli.output import refusal

_SUFFIX: Final = ".py"
_NOT_LOADED: Final = frozenset({"__main__", "conftest", "setup"})
_TEST_PREFIX: Final = "test_"

Modules: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="MODULES",
        help="The application: a folder of modules, a module.py or an import path.",
    ),
]


class Source(NamedTuple):
    """Where the modules of an application are.

    Attributes:
        name: Dotted name of the module or package.
        root: The directory that it is imported from; None for an import path, which Python finds.
        path: The file or folder itself; None for an import path that is not imported yet.
    """

    name: str
    root: Path | None
    path: Path | None

    @property
    def short_name(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    def load(self) -> list[ModuleType]:
        """Import the module; of a folder or a package all modules in it.

        Raises:
            ModulesRefusedError: One of them cannot be imported: says where and why.
        """
        # The first place: what the command line names wins over what happens to be installed.
        root = str(self.root or Path.cwd())
        if root not in sys.path:
            sys.path.insert(0, root)
        importlib.invalidate_caches()
        module = self._import(self.name)
        self._check_place(module)
        for name in _names_below(module):
            self._import(name)
        return [module]

    def loaded(self) -> dict[str, ModuleType]:
        """What of it is imported now, by name."""
        prefix = f"{self.name}."
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name == self.name or name.startswith(prefix)
        }

    def folders(self) -> list[Path]:
        """The files or folders whose changes are changes of it; empty before it is imported."""
        if self.path is not None:
            return [self.path]
        module = sys.modules.get(self.name)
        return [] if module is None else _places(module)

    def _import(self, name: str) -> ModuleType:
        return import_module_of(name, self.name, self.folders())

    def _check_place(self, module: ModuleType) -> None:
        if self.path is None:
            return
        places = _places(module)
        if self.path not in places:
            found = ", ".join(map(str, places)) or "a module that is built in"
            raise refusal(
                f"{self.path}: its name {self.name!r} belongs to {found}; rename the file or folder"
            )


def find_source(text: str) -> Source:
    """What somebody means by a path or a name.

    Raises:
        HeadwaterError: Nothing is there, or it cannot be imported under its name.
    """
    path = Path(text).expanduser()
    if exists(path):
        raise refusal(
            f"{text} is a database; expected the modules of its application, and --database {text}"
        )
    if text and (path.is_dir() or _is_module(path)):
        return _at(path.resolve())
    if all(part.isidentifier() for part in text.split(".")) and _is_known(text):
        return Source(text, None, None)
    raise refusal(
        f"{text}: there are no modules; expected a folder of modules, a module.py, or an import "
        "path such as shop.chat"
    )


def _is_module(path: Path) -> bool:
    return path.suffix == _SUFFIX and path.is_file()


def import_module_of(name: str, application: str = "", folders: Sequence[Path] = ()) -> ModuleType:
    """Import a module of an application.

    Args:
        name: Its dotted name.
        application: That of the application.
        folders: The files and folders of the application.

    Raises:
        ModulesRefusedError: It cannot be imported: says where and why.
    """
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a module raises that is not Ctrl-C
        raise refused(error, application, folders) from error


def _at(path: Path) -> Source:
    """A file or folder; inside of packages its name begins with the outermost of them."""
    names, root = [path.stem if path.is_file() else path.name], path.parent
    while (root / "__init__.py").exists():
        names.append(root.name)
        root = root.parent
    wrong = next((name for name in names if not name.isidentifier()), None)
    if wrong is not None:
        raise refusal(
            f"{path}: {wrong!r} is no name of a module: functions are called by it; rename it to "
            "letters, digits and underscores"
        )
    return Source(".".join(reversed(names)), root, path)


def _is_known(name: str) -> bool:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        # Or it is there, and something that it imports is missing: loading it says what.
        return error.name is not None and not f"{name}.".startswith(f"{error.name}.")
    except ValueError:
        return False
    except (Exception, SystemExit):  # noqa: BLE001 - a package around it raises: as above
        return True
    finally:
        del sys.path[0]


def _places(module: ModuleType) -> list[Path]:
    """The files or folders of a module."""
    if hasattr(module, "__path__"):
        return [Path(place).resolve() for place in module.__path__]
    file = module.__file__
    return [] if file is None else [Path(file).resolve()]


def _names_below(module: ModuleType) -> Iterator[str]:
    """Dotted names of the modules in a package, those of tests left out."""
    if not hasattr(module, "__path__"):
        return
    for folder in _places(module):
        for file in sorted(folder.rglob(f"*{_SUFFIX}")):
            parts = file.relative_to(folder).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            if parts and not any(map(_is_left_out, parts)):
                yield ".".join([module.__name__, *parts])


def _is_left_out(part: str) -> bool:
    is_test = part.startswith(_TEST_PREFIX) or part in ("tests", "test")
    return is_test or part in _NOT_LOADED or not part.isidentifier()


def default_database(source: Source) -> Path:
    """Where the database of an application is, if nothing else is said."""
    return Path(f"{source.short_name}.hw")


DatabaseOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--database",
        "-d",
        envvar="HEADWATER_DATABASE",
        help="The directory of the database; by default named for the modules: app.hw for app/.",
    ),
]

__all__ = [
    "DatabaseOption",
    "Modules",
    "ModulesRefusedError",
    "Source",
    "default_database",
    "find_source",
]
