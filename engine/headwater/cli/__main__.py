"""The command by ``python -m headwater.cli``."""

from headwater.cli.main import run

run()
