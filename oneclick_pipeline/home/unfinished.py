"""A home whose restore was interrupted: nothing may work on it until the restore is completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import staging_folder

if TYPE_CHECKING:
    from pathlib import Path

RESTORED = "restored"


def refuse_unfinished(home: Path) -> None:
    """Refuse to work on a home whose restore was killed among its last renames.

    Raises:
        BadInputError: If it was.
    """
    if (staging_folder(home) / RESTORED).exists():
        remedy = "run `oneclick restore` with the same backup again: it continues from there"
        raise BadInputError("a restore of this home was interrupted", file=str(home), remedy=remedy)
