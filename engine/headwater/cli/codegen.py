"""Types for clients in other languages: ``headwater codegen``."""

from pathlib import Path
from typing import Annotated

import typer

from headwater.cli.application import FAILED, RUNNING, AsJson, application
from headwater.cli.output import say, say_json
from headwater.cli.sources import Modules, find_source
from headwater.functions.modules import collect


@application.command(rich_help_panel=RUNNING)
def codegen(
    modules: Modules,
    typescript: Annotated[
        Path,
        typer.Option(
            metavar="DIRECTORY",
            help="Where to write api.d.ts, api.js and dataModel.d.ts, for clients of Convex.",
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if files are stale.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the types of functions and tables, so that clients in TypeScript are checked."""
    from headwater.codegen.generated_files import stale_files, write_files
    from headwater.codegen.typescript import typescript_files

    files = typescript_files(collect(find_source(modules).load()))
    changed = stale_files(typescript, files) if check else write_files(typescript, files)
    for name in files:
        what = ("stale" if check else "written") if name in changed else "unchanged"
        if as_json:
            say_json({"file": str(typescript / name), "is": what})
        else:
            say(f"{what:<9} {typescript / name}")
    if check and changed:
        raise typer.Exit(FAILED)
