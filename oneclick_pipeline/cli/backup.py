"""`oneclick backup`: a home and its database, copied into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption  # noqa: TC001 - typer reads it when it runs


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to create; it must not exist.")],
    home: HomeOption = Path("data"),
) -> None:
    """Copy a home and its database into a folder: files and databases that belong together. No run may be in progress.

    Links are followed: the backup holds what they lead to. Only its owner can read it.
    """
    from oneclick_pipeline.orchestration.backup import home_backup

    manifest = home_backup.backup(home.absolute(), folder.absolute())
    for name in manifest.get("left_out", []):
        terminal.error(f"left out, because a backup cannot hold it: {name}")
    terminal.echo(f"{len(manifest['files']):,} files of {home} in {folder}")
