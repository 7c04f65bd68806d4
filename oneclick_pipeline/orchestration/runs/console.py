"""Events of a run on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from oneclick_pipeline.terminal import PlainFormatter

if TYPE_CHECKING:
    import logging

_COLOURED = dg.colored_console_logger


@dg.logger(
    config_schema=_COLOURED.config_schema, description="Dagster's own console, in which no value can control the terminal."
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Dagster's logger, with plain messages."""
    made: logging.Logger = _COLOURED.logger_fn(context)
    for handler in made.handlers:
        if handler.formatter is not None:
            handler.setFormatter(PlainFormatter(handler.formatter))
    return made
