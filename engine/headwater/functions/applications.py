"""Applications that were collected in this process, kept for those who open with them again.

To read the annotations of an application takes longer than to open a database.
"""

import sys
import threading
from collections.abc import Iterable
from operator import is_
from types import ModuleType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from headwater.functions.access import DECLARED, DefaultAccess
from headwater.functions.collected import Collected
from headwater.functions.modules import Application, collect_found, modules_of

if TYPE_CHECKING:
    from headwater.functions.crons import Crons

_KEPT: Final = 8
"""Applications that are kept: programs have one or two, and tests have many."""

_CONSTANT: Final = sys.stdlib_module_names | {"headwater", "headwater_indexes"}
"""Modules that nobody loads again, with all that is below them."""


class _Loaded:
    """All other modules of the process, as they were loaded."""

    def __init__(self) -> None:
        # Not by isinstance: what compiled packages put there may only say that it is a module.
        found = {
            name: module
            for name, module in sys.modules.copy().items()
            if ModuleType in type(module).__mro__ and name.partition(".")[0] not in _CONSTANT
        }
        self._names = list(found)
        self._modules = list(found.values())
        # A module has another one each time that it is loaded, also into the same object.
        self._specifications = _specifications_of(self._modules)

    def is_same(self) -> bool:
        """Whether none of them was loaded again. Those that came since do not matter."""
        modules = map(sys.modules.get, self._names)
        return all(map(is_, modules, self._modules)) and all(
            map(is_, _specifications_of(self._modules), self._specifications)
        )


def _specifications_of(modules: list[ModuleType]) -> list[object]:
    # Past what a module that is loaded when it is first used would do. One made by hand may have
    # none.
    return [object.__getattribute__(module, "__dict__").get("__spec__") for module in modules]


class _Kept(NamedTuple):
    """An application and what it was read from.

    Attributes:
        found: The modules and their paths.
        read: The objects that the modules have. They are kept alive, so that nothing else has
            their places in memory: equal places are the same objects.
        places: Of these objects.
        loaded: The modules that annotations may name.
        default_access: What public functions may do with tables that have no rules.
    """

    found: list[tuple[ModuleType, str]]
    read: list[object]
    places: list[int]
    loaded: _Loaded
    default_access: DefaultAccess
    application: Application


_kept: Final[list[_Kept]] = []
_lock = threading.Lock()


def application_of(
    modules: Iterable[ModuleType | str], *, default_access: DefaultAccess = "allow"
) -> Application:
    """What `collect` gives; the same object again as long as that would be equal.

    It is collected anew once one of the modules has something else than it had, or any module of
    the program was loaded again.

    Raises:
        DeclarationError: As from `collect`.
    """
    found = list(modules_of(modules))
    read = _read_from(module for module, _ in found)
    places = list(map(id, read))
    with _lock:
        known = list(_kept)
    for kept in known:
        is_same = kept.places == places and kept.found == found
        if is_same and kept.default_access == default_access and kept.loaded.is_same():
            return kept.application
    loaded = _Loaded()
    application = collect_found(found, default_access)
    with _lock:
        _kept.insert(0, _Kept(found, read, places, loaded, default_access, application))
        del _kept[_KEPT:]
    return application


def _read_from(modules: Iterable[ModuleType]) -> list[object]:
    """Every object that decides what modules declare, but for the insides of those objects."""
    read: list[object] = []
    for module in modules:
        names = vars(module).copy()
        read += [*names, *names.values(), *names.get(DECLARED, {}).values()]
        for found in names.values():
            if isinstance(found, Collected) and found.collected_as == "crons":
                read += cast("Crons", found).declarations.values()
    return read
