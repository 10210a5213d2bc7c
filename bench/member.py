"""One of several processes that have a database open. It imports its own engine and no other."""

import sys
from ast import literal_eval
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.adapters.contract import Engine
from bench.documents import make_documents
from bench.processes import say


def member(module: str, name: str, directory: str, is_durable: str) -> None:
    """A line says what to do, it is ready, a line says when, and it is done.

    It answers with how many calls failed.
    """
    make: type[Engine] = getattr(import_module(module), name)
    engine = make(Path(directory), is_durable=is_durable == "True")
    say("open")
    for line in sys.stdin:
        verb, share = literal_eval(line)
        call: Callable[[Any], object] = getattr(engine, verb)
        arguments = make_documents(*share) if verb == "insert" else share
        say("ready")
        sys.stdin.readline()
        say(str(_work(call, arguments, engine.failures)))
    engine.end()


def _work(
    call: Callable[[Any], object],
    arguments: Sequence[Any],
    failures: tuple[type[Exception], ...],
) -> int:
    failed = 0
    for argument in arguments:
        try:
            call(argument)
        except failures:
            failed += 1
    return failed
