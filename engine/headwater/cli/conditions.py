"""Conditions on documents as options of a command."""

import typer

from headwater.exchange.conditions import Condition, ConditionInvalidError, read_condition


def parse_condition(text: str) -> Condition:
    """A condition: a field, an operator and a value, as `read_condition`.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return read_condition(text)
    except ConditionInvalidError as error:
        raise typer.BadParameter(str(error)) from None
