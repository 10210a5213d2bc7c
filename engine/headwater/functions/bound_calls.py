"""Calls that are put together now and made later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwater.errors import FunctionKindError


def deferred(function: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> "BoundCall":
    """A call of a function that has to be a mutation or an action.

    Raises:
        FunctionKindError: It is neither.
        ArgumentError: Names are unknown, missing or given twice.
    """
    later: Any = getattr(function, "later", None)
    if later is None:
        raise FunctionKindError(
            f"a job runs an action or a mutation, got {function!r}; declare it with @hw.job, or "
            "with @hw.mutation"
        )
    return BoundCall(function, later(*args, **kwargs))


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A mutation or an action and its arguments by parameter, not yet checked for their types.

    Made by ``bind``: ``send.bind(to="ada")``.

    Attributes:
        function: The function.
        arguments: By parameter, with defaults.
    """

    function: Any
    arguments: Mapping[str, Any]
