"""Taking over changed modules while the server goes on: ``headwater dev``."""

import asyncio
import linecache
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Final, Protocol

import headwater as hw
from headwater.cli.sources import Source
from headwater.cli.switching import Switch, Unavailable
from headwater.errors import HeadwaterError
from headwater.functions.modules import collect
from headwater.server.protocol import AsgiApplication

PATIENCE_SECONDS: Final = 3.0
"""How long requests may finish with the old code."""

Open = Callable[[list[ModuleType]], hw.Database]


class Told(Protocol):
    """Hears how it goes."""

    def reloaded(self) -> None:
        """The new code is served."""
        ...

    def refused(self, error: Exception, *, is_serving: bool) -> None:
        """The new code cannot be; the old one goes on, if there was one."""
        ...


class Reloader:
    """The modules, the database that was opened with them, and what is served of it.

    One directory has one set of functions in a process, so the old database is closed before the
    new one is opened; requests wait meanwhile, for some milliseconds. Whatever is wrong with the
    new code, the old one goes on.

    Args:
        source: The modules.
        open_with: Opens the database with some.
        serve: Makes an application of it.
        told: Hears how it goes.
    """

    def __init__(
        self,
        source: Source,
        open_with: Open,
        serve: Callable[[hw.Database], AsgiApplication],
        told: Told,
    ) -> None:
        self._source = source
        self._open_with = open_with
        self._serve = serve
        self._told = told
        self._modules: list[ModuleType] = []
        self._database: hw.Database | None = None
        self.switch: Switch = Switch(Unavailable("the application cannot be loaded yet"))

    def begin(self) -> None:
        """Load the modules and open the database; if that fails, `reload` tries again."""
        try:
            modules = self._source.load()
            self.switch.resume(self._make(modules))
        except Exception as error:  # noqa: BLE001 - whatever it is, it can be mended
            self._told.refused(error, is_serving=False)
        else:
            self._modules = modules

    async def reload(self) -> None:
        """Import the modules anew and serve them, or go on as before."""
        before = self._source.loaded()
        try:
            modules = await asyncio.to_thread(self._import_anew)
            collect(modules)  # what cannot work is refused before anybody waits
            await self.switch.pause(PATIENCE_SECONDS)
            application = await asyncio.to_thread(self._make, modules)
        except Exception as error:  # noqa: BLE001 - as above
            self._forget()
            sys.modules.update(before)
            is_serving = await self._go_on()
            self._told.refused(error, is_serving=is_serving)
        else:
            self._modules = modules
            self.switch.resume(application)
            self._told.reloaded()

    def close(self) -> None:
        """Close the database."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _make(self, modules: list[ModuleType]) -> AsgiApplication:
        """The application of some modules, on a database that is opened with them."""
        self.close()
        database = self._open_with(modules)
        try:
            application = self._serve(database)
        except BaseException:
            database.close()
            raise
        self._database = database
        return application

    async def _go_on(self) -> bool:
        """Serve the modules that worked last; whether there are any."""
        if not self.switch.is_paused:
            return bool(self._modules)
        try:
            if not self._modules:
                raise HeadwaterError("the application cannot be loaded yet")
            self.switch.resume(await asyncio.to_thread(self._make, self._modules))
        except Exception as error:  # noqa: BLE001 - as above
            self.switch.resume(Unavailable(str(error)))
            return False
        return True

    def _import_anew(self) -> list[ModuleType]:
        self._forget()
        linecache.checkcache()  # tracebacks show the lines of now
        return self._source.load()

    def _forget(self) -> None:
        for name in self._source.loaded():
            del sys.modules[name]
