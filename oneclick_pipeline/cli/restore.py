"""`oneclick restore`: a backup restored into an empty home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption  # noqa: TC001 - typer reads it when it runs
from oneclick_pipeline.home import permissions


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder created by [b]oneclick backup[/b].")],
    home: HomeOption = Path("data"),
) -> None:
    """Restore a backup into an empty home, and into an empty database if it has one. Every file is checked first."""
    from oneclick_pipeline.orchestration.backup import home_backup

    manifest = home_backup.restore(folder.absolute(), home.absolute())
    permissions.prepare(home)  # the same
    terminal.echo(f"{len(manifest['files']):,} files of {manifest['made']} in {home}. Check it: oneclick doctor --home {home}")
