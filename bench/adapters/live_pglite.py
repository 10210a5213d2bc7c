"""PGlite, a Postgres in WebAssembly with live queries, in a process of Node of its own."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from bench.adapters.live_contract import SHOWN, LiveEngine
from bench.documents import Fields
from bench.processes import hear, start_command, tell

_SCRIPT: Final = Path(__file__).with_name("live_pglite.mjs")
_PACKAGE: Final = _SCRIPT.parents[1] / "node_modules" / "@electric-sql" / "pglite"


class LivePglite(LiveEngine):
    """``live.query`` on a table with an index; ``relaxedDurability`` where nothing is flushed.

    Inserts and waiting take place in the process of Node: what goes through its pipes is one line
    per turn.
    """

    name = "pglite"
    title = "PGlite (Node): live.query, relaxed durability where not durable"
    effort = 0.05
    subscriptions_max: ClassVar[int | None] = 1000

    @staticmethod
    def missing() -> str | None:
        """What is to be done before it can take part; None if nothing."""
        if shutil.which("node") is None:
            return "node is not installed"
        if not _PACKAGE.exists():
            return "its package is not installed (npm ci --prefix bench)"
        return None

    @staticmethod
    def version() -> str | None:
        """Of the package."""
        try:
            found: str = json.loads((_PACKAGE / "package.json").read_text("utf-8"))["version"]
        except OSError:
            return None
        return found

    def __init__(
        self,
        directory: Path,
        subscriptions: int,
        *,
        is_one_channel: bool = False,
        is_empty: bool = False,
        is_durable: bool = False,
    ) -> None:
        super().__init__(
            directory,
            subscriptions,
            is_one_channel=is_one_channel,
            is_empty=is_empty,
            is_durable=is_durable,
        )
        node = shutil.which("node")
        assert node is not None, "asked for by `missing`"
        self._child = start_command(
            [node, str(_SCRIPT), str(directory / "pglite"), "full" if is_durable else "relaxed"]
        )
        try:
            for batch in self.first_posts():
                self._ask("load", batch)
            self._ask("watch", [subscriptions, self.channels, SHOWN])
        except BaseException:  # an interrupt too: who removes the directory must find it at rest
            self._child.kill()
            self._child.wait()
            raise

    def insert(self, posts: Sequence[Fields]) -> None:
        self._ask("insert", posts)

    def update(self, posts: Sequence[Fields]) -> None:
        self._ask("update", posts)

    def newest(self, subscription: int) -> list[Fields]:
        found: list[Fields] = self._ask("newest", subscription)
        return found

    def _ask(self, verb: str, argument: object) -> Any:
        tell(self._child, json.dumps([verb, argument]))
        return json.loads(hear(self._child))

    def end(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()  # its sign to end
        try:
            self._child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
