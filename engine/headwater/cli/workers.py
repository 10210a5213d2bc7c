"""Several processes that serve one database on one socket, and who looks after them."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import headwater as hw
from headwater.cli.listening import Server
from headwater.cli.opening import open_database
from headwater.cli.output import progress_shown, say_error
from headwater.cli.serving_options import ServingOptions
from headwater.cli.sources import find_source

_CODE: Final = "from headwater.cli.workers import work; work()"
_READY: Final = b"ready\n"
_LATE_SECONDS: Final = 10.0
"""How much longer than their grace workers may take to end."""
_WAIT_SECONDS_MAX: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a worker has to do.

    Attributes:
        modules: As the command line names them.
        database: Its directory.
        open_with: A function of the application that opens it.
        options: How it is served.
        grace_seconds: How long requests may take to finish.
    """

    modules: str
    database: Path
    open_with: str | None
    options: ServingOptions
    grace_seconds: float

    def as_line(self, listener: socket.socket) -> bytes:
        """Itself and the socket as a line of JSON, for another process."""
        facts = {
            "modules": self.modules,
            "database": str(self.database),
            "open_with": self.open_with,
            "options": self.options.as_json(),
            "grace_seconds": self.grace_seconds,
            "listener": listener.fileno(),
        }
        return json.dumps(facts).encode() + b"\n"

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Work":
        """What `as_line` wrote."""
        return cls(
            modules=facts["modules"],
            database=Path(facts["database"]),
            open_with=facts["open_with"],
            options=ServingOptions.from_json(facts["options"]),
            grace_seconds=facts["grace_seconds"],
        )

    def open(self) -> hw.Database:
        """The database with its functions, whose scheduled ones run here."""
        modules = find_source(self.modules).load()
        with progress_shown() as progress:
            return open_database(
                self.database,
                modules,
                self.open_with,
                jobs="run",
                progress=progress,
                **self.options.opening(),
            )


def serve_here(work: Work, listener: socket.socket, tell: Callable[[], None]) -> None:
    """Serve in this process until it is told to stop.

    Args:
        work: What.
        listener: The socket.
        tell: Called when it is ready.
    """

    async def begin() -> None:
        tell()

    with work.open() as db:
        application = work.options.application(db)
        Server(application, grace_seconds=work.grace_seconds, begin=begin).run([listener])


# In a worker ------------------------------------------------------------------------------------


def work() -> None:
    """Serve as the line on standard input says, until that ends or a signal comes."""
    from headwater.cli.main import reported
    from headwater.cli.serving import log_to_stderr

    with reported():
        log_to_stderr()
        facts = json.loads(sys.stdin.buffer.readline())
        ready = os.dup(1)
        os.dup2(2, 1)  # what functions print is for the log; who started this hears one word
        with socket.socket(fileno=facts["listener"]) as listener:
            _serve_as_worker(Work.from_json(facts), listener, ready)


def _serve_as_worker(work: Work, listener: socket.socket, ready: int) -> None:
    async def begin() -> None:
        # Its end is that of the process that looks after this one, however that ended.
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), server.stop)
        os.write(ready, _READY)

    with work.open() as db:
        application = work.options.application(db)
        server = Server(application, grace_seconds=work.grace_seconds, begin=begin)
        server.run([listener])


# Looking after them -----------------------------------------------------------------------------


class Workers:
    """Keeps some workers running; one that dies is replaced.

    Args:
        work: What they do.
        count: How many.
        listener: Their socket.
        tell: Called when all are ready.
    """

    def __init__(
        self, work: Work, count: int, listener: socket.socket, tell: Callable[[], None]
    ) -> None:
        self._work = work
        self._count = count
        self._listener = listener
        self._tell = tell
        self._processes: set[asyncio.subprocess.Process] = set()
        self._told = asyncio.Event()
        self._signals: list[int] = []

    async def run(self) -> int:
        """Until a signal comes: then they finish what they do. Gives the signal.

        Raises:
            SystemExit: A worker cannot begin; it has said why.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._hear, number)
        try:
            first = [await self._begin() for _ in range(self._count)]
            if not all([await self._is_ready(process) for process in first]):
                raise SystemExit(1)
            if not self._told.is_set():
                self._tell()
            keeping = [asyncio.create_task(self._keep(process)) for process in first]
            await self._told.wait()
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
        finally:
            await self._end()
        return self._signals[0]

    def _hear(self, number: int) -> None:
        self._signals.append(number)
        self._told.set()
        if self._signals.count(signal.SIGINT) > 1:
            for process in self._processes:
                process.kill()

    async def _begin(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _CODE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[self._listener.fileno()],
            start_new_session=True,  # Ctrl-C is for this process, which tells them
        )
        self._processes.add(process)
        assert process.stdin is not None
        process.stdin.write(self._work.as_line(self._listener))
        return process

    async def _is_ready(self, process: asyncio.subprocess.Process) -> bool:
        """Whether it begins to serve; False if it ends before, or is to end."""
        assert process.stdout is not None
        ready = asyncio.ensure_future(process.stdout.readline())
        told = asyncio.ensure_future(self._told.wait())
        await asyncio.wait([ready, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not ready.done():
            ready.cancel()
            return True  # what it would have become does not matter any more
        return ready.result() == _READY

    async def _keep(self, process: asyncio.subprocess.Process) -> None:
        """Replace a worker that ends, sooner or later: one that cannot begin waits longer."""
        wait_seconds = 0.0
        while True:
            code = await process.wait()
            self._processes.discard(process)
            say_error(f"worker {process.pid} has ended with {code}; another takes its place")
            await asyncio.sleep(wait_seconds)
            process = await self._begin()
            is_ready = await self._is_ready(process)
            wait_seconds = 0.0 if is_ready else min(2 * wait_seconds + 1, _WAIT_SECONDS_MAX)

    async def _end(self) -> None:
        """Have all of them finish; those that take too long are killed, which loses nothing."""
        self._listener.close()  # or clients would go on connecting, and wait for nobody
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
        ends = [asyncio.ensure_future(process.wait()) for process in self._processes]
        if not ends:
            return
        _, late = await asyncio.wait(ends, timeout=self._work.grace_seconds + _LATE_SECONDS)
        for process in self._processes if late else ():
            if process.returncode is None:
                process.kill()
                await process.wait()
