"""All commands: each is put into the application where it is defined, in the order of the help."""

from headwater.cli import (
    calls,
    care,
    codegen,
    crons,
    data,
    exchange,
    insights,
    jobs,
    past,
    projects,
    serving,
    tokens,
)
from headwater.cli.application import application

COMMANDS = (
    projects,
    serving,
    calls,
    codegen,
    tokens,
    data,
    past,
    insights,
    jobs,
    crons,
    care,
    exchange,
)

__all__ = ["COMMANDS", "application"]
