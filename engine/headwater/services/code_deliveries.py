"""Calls the application to deliver codes, while whoever asked for one goes on.

Nobody waits for it: how long it takes, and whether anything is sent, would tell who has an account.
"""

import threading
from typing import Any, Final, cast

from headwater.errors import UsageError
from headwater.functions.acting import Actor
from headwater.functions.code_delivery import CodeDelivery, CodeMessage
from headwater.functions.declaration import Action

_CLOSING_SECONDS: Final = 10.0
"""How long the end of a database waits for what is being delivered."""
_AT_ONCE: Final = 32


class CodeDeliveries:
    """Delivers the codes of one database.

    Args:
        deliver: A function or an action; None if codes are not used.
        actor: Runs actions.
    """

    def __init__(self, deliver: "CodeDelivery | Action[..., object] | None", actor: Actor) -> None:
        self._deliver = deliver
        self._actor = actor
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def check(self) -> None:
        """Refuse to make codes that nobody would deliver.

        Raises:
            UsageError: There is no function for it.
        """
        if self._deliver is None:
            raise UsageError(
                "codes need a function that delivers them: hw.open(..., "
                "sessions=hw.Sessions(deliver=...))"
            )

    def begin(self, login: str, purpose: CodeMessage | None, code: str) -> None:
        """Deliver a code, on a thread of its own; None for nothing, which looks the same."""
        message = {"login": login, "purpose": purpose or "", "code": code}
        thread = threading.Thread(
            target=self._run,
            args=(message if purpose else None,),
            name="headwater-codes",
            daemon=True,
        )
        with self._lock:
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def wait(self, timeout_seconds: float | None = None) -> None:
        """Wait until what was begun has ended."""
        clock = self._actor.runner.store.clock
        with self._lock:
            threads = list(self._threads)
        end = None if timeout_seconds is None else clock.monotonic() + timeout_seconds
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(None if end is None else max(end - clock.monotonic(), 0))

    def close(self) -> None:
        """Wait a little."""
        self.wait(_CLOSING_SECONDS)

    def _run(self, message: dict[str, str] | None) -> None:
        with self._slots:
            try:
                if message is not None:
                    self._call(message)
            except Exception as error:  # noqa: BLE001 - it belongs to nobody who waits
                _tell(error, message or {})

    def _call(self, message: dict[str, str]) -> None:
        deliver = self._deliver
        if isinstance(deliver, Action):
            call = self._actor.runner.make_call(cast("Action[..., Any]", deliver), dict(message))
            self._actor.start(call).result()
        elif deliver is not None:
            deliver(**cast("Any", message))


def _tell(error: Exception, message: dict[str, str]) -> None:
    import logging
    import traceback

    text = "".join([*traceback.format_tb(error.__traceback__), f"{type(error).__name__}: {error}"])
    code = message.get("code")
    # Not by logging.exception, which would show the code if the error does.
    shown = text.replace(code, "...") if code else text
    logging.getLogger("headwater").error("a code could not be delivered:\n%s", shown)
