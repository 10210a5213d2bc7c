"""What users need to test their own functions: ``from headwater import testing``.

Throw-away databases with time and randomness set by hand, and, with the extra
``headwater[testing]``, Hypothesis strategies for documents and arguments. Hypothesis is imported
when one of those is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headwater.testing.clock import ManualClock
from headwater.testing.database import ThrowAwayDatabase, database
from headwater.testing.histories import DocumentRead, History, RecordedTransaction
from headwater.testing.interleaving import Client, Clients, Pending
from headwater.testing.recording import Recorder, record
from headwater.testing.serializable import Anomaly, Verdict, check_serializable

if TYPE_CHECKING:
    from headwater.testing.machine import StateMachine
    from headwater.testing.machine_steps import Failure
    from headwater.testing.strategies import (
        arguments,
        documents,
        ids,
        ids_of_nobody,
        invalid_arguments,
        invalid_documents,
        values,
    )

__all__ = [
    "Anomaly",
    "Client",
    "Clients",
    "DocumentRead",
    "Failure",
    "History",
    "ManualClock",
    "Pending",
    "RecordedTransaction",
    "Recorder",
    "StateMachine",
    "ThrowAwayDatabase",
    "Verdict",
    "arguments",
    "check_serializable",
    "database",
    "documents",
    "ids",
    "ids_of_nobody",
    "invalid_arguments",
    "invalid_documents",
    "record",
    "values",
]

_BY_HYPOTHESIS = {
    "Failure": "headwater.testing.machine_steps",
    "StateMachine": "headwater.testing.machine",
    "arguments": "headwater.testing.strategies",
    "documents": "headwater.testing.strategies",
    "ids": "headwater.testing.strategies",
    "ids_of_nobody": "headwater.testing.strategies",
    "invalid_arguments": "headwater.testing.strategies",
    "invalid_documents": "headwater.testing.strategies",
    "values": "headwater.testing.strategies",
}


def __getattr__(name: str) -> Any:
    """What needs Hypothesis, imported when asked for."""
    module = _BY_HYPOTHESIS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ModuleNotFoundError(
            f"headwater.testing.{name} needs Hypothesis, which is not installed; "
            "install the extra: pip install 'headwater[testing]'",
            name="hypothesis",
        ) from None


def __dir__() -> list[str]:
    return sorted([*globals(), *_BY_HYPOTHESIS])
