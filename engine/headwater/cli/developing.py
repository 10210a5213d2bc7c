"""What ``headwater dev`` does: serve, watch the files, take over changes, show what goes on."""

import asyncio
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Final

from rich.console import Console
from rich.text import Text
from rich.traceback import Traceback

import headwater as hw
from headwater.cli.application import exists
from headwater.cli.listening import Server
from headwater.cli.load_errors import error_text, is_ours
from headwater.cli.opening import open_database
from headwater.cli.output import in_seconds, printable, progress_shown, say
from headwater.cli.reloading import Reloader
from headwater.cli.serving_options import ServingOptions
from headwater.cli.sources import Source
from headwater.cli.watching import Watch
from headwater.clock import SystemClock
from headwater.errors import HeadwaterError

_NS_PER_SECOND: Final = 10**9
_STYLES: Final = {"warning": "yellow", "error": "red"}


class Development:
    """An application that is being written, served.

    Args:
        source: Its modules.
        path: Its database.
        open_with: A function of the application that opens it.
        options: How it is served.
        is_quiet: Whether calls are not shown.
    """

    def __init__(
        self,
        source: Source,
        path: Path,
        open_with: str | None,
        options: ServingOptions,
        *,
        is_quiet: bool,
    ) -> None:
        self._source = source
        self._path = path
        self._open_with = open_with
        self._is_quiet = is_quiet
        self._console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._reloader = Reloader(source, self._open, options.application, self)
        self._watch: Watch | None = None
        self._watching: asyncio.Task[None] | None = None

    def run(self, listener: socket.socket, ready: str, *, grace_seconds: float) -> None:
        """Serve until Ctrl-C.

        Args:
            listener: The socket.
            ready: What is printed once it serves.
            grace_seconds: How long requests may finish.
        """
        # Files that change twice in a second would be taken for what was compiled before.
        sys.dont_write_bytecode = True

        async def begin() -> None:
            self._watch = Watch(self._source.folders())
            self._watching = asyncio.create_task(self._reload_on_changes(self._watch))
            await asyncio.sleep(0)  # it watches now: what is changed from here on is seen
            say(ready)
            sys.stdout.flush()

        async def end() -> None:
            if self._watch is not None and self._watching is not None:
                self._watch.stop()
                await self._watching

        self._reloader.begin()
        try:
            Server(self._reloader.switch, grace_seconds=grace_seconds, begin=begin, end=end).run(
                [listener]
            )
        finally:
            self._reloader.close()

    async def _reload_on_changes(self, watch: Watch) -> None:
        async for files in watch:
            self._say(f"changed: {', '.join(file.name for file in files)}")
            await self._reloader.reload()

    def _open(self, modules: list[ModuleType]) -> hw.Database:
        if not exists(self._path):
            self._say(f"{self._path} is made")
        with progress_shown() as progress:
            db = open_database(self._path, modules, self._open_with, jobs="run", progress=progress)
        if not self._is_quiet:
            db.calls.listen(self._show)
        return db

    # -- telling --------------------------------------------------------------------------------

    def reloaded(self) -> None:
        """The new code is served."""
        self._say("reloaded", "green")

    def refused(self, error: Exception, *, is_serving: bool) -> None:
        """The new code cannot be served."""
        cause = error.__cause__
        if self._console.is_terminal and cause is not None:
            self._console.print(_traceback(cause))
        is_known = isinstance(error, HeadwaterError)
        self._say(str(error) if is_known else error_text(error), "red")
        what = "what was there before goes on" if is_serving else "there is nothing to serve yet"
        self._say(f"{what}; save a file to try again")

    def _show(self, record: hw.CallRecord) -> None:
        """Show a call of a function."""
        live = " (live)" if record.reason == "live" else ""
        said = f"{record.kind} {record.function}{live} {in_seconds(record.seconds)}"
        if record.error is None:
            self._say(said, "dim")
        else:
            self._say(f"{said}: {record.error}", "red")
        for line in record.lines:
            self._say(f"    {line.level}: {line.message}", _STYLES.get(line.level, ""))

    def _say(self, text: str, style: str = "") -> None:
        seconds = SystemClock().now_ns() // _NS_PER_SECOND
        now = datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")
        self._console.print(Text(f"{now} {printable(text)}", style), soft_wrap=True)


def _traceback(error: BaseException) -> Traceback:
    """An error with the code around it, from the application's own frames on."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None and is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return Traceback.from_exception(type(error), error, trace)
