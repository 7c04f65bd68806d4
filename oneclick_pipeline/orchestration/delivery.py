"""Alerts on their way out: to stderr, and to a webhook if one is set; each once.

What was told stands in HOME/alerts/<channel>/<event>.json. The file is made before the message goes out and taken back
only if it certainly has not arrived: so a message may be tried again, and none is told twice, whichever processes see
the event and however they end.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from oneclick_pipeline import terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEBHOOK = "ONECLICK_WEBHOOK"
"""Environment variable with the address that alerts are posted to. The address is a secret: it is in no file and no log."""

_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Alert:
    """Something that somebody has to look at.

    Attributes:
        event: Name of the event, the same whenever and wherever it is seen; letters, digits and dashes.
        month: Snapshot month.
        asset: Asset that it is about.
        reason: What happened, without values of the data: see `alerts`.
        link: Page to look at.
    """

    event: str
    month: str
    asset: str
    reason: str
    link: str

    def __str__(self) -> str:
        """The message, on one line but for its link."""
        return f"{self.month} {self.asset}: {self.reason}\n{self.link}"


class NotDeliveredError(Exception):
    """A message has certainly not arrived and may be tried again."""


def deliver(home: Path, alert: Alert, *, stderr: bool = True) -> None:
    """Tell an alert on every channel that it was not told on.

    Args:
        home: The home, which remembers what was told.
        alert: The alert.
        stderr: Whether to write it there; if not, somebody has told it there already.

    Raises:
        NotDeliveredError: If the webhook cannot be reached or refuses, or the home cannot be written.
    """
    _once(home, "stderr", alert, _print if stderr else lambda _: None)
    if address := os.environ.get(WEBHOOK):
        _once(home, "webhook", alert, lambda told: _post(address, told))


def _once(home: Path, channel: str, alert: Alert, tell: Callable[[Alert], None]) -> None:
    claim = home / "alerts" / channel / f"{alert.event}.json"
    try:
        claim.parent.mkdir(parents=True, exist_ok=True)
        claim.touch(exist_ok=False)
    except FileExistsError:
        return  # told, or being told by another process
    except OSError as error:
        raise NotDeliveredError(f"{claim.parent} cannot be written: {error.strerror}") from error
    try:
        tell(alert)
    except NotDeliveredError:
        claim.unlink()
        raise
    with suppress(OSError):  # on a full disk there is room for the file's name, which is what counts, and none for its content
        claim.write_text(json.dumps(asdict(alert), ensure_ascii=False, indent=2), encoding="utf-8")


def _print(alert: Alert) -> None:
    message, link = str(alert).rsplit("\n", 1)
    terminal.error(f"ALERT {message}", link)


def _post(address: str, alert: Alert) -> None:
    """Post the alert as JSON; `text` is what chat services show.

    Raises:
        NotDeliveredError: If the request was not sent, or was answered with an error.
    """
    host = _host(address)
    body = json.dumps(asdict(alert) | {"text": str(alert)}, ensure_ascii=False).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json; charset=utf-8"})  # noqa: S310 # see _host
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise NotDeliveredError(f"the webhook at {host} answered {error.code}") from error
    except urllib.error.URLError as error:
        raise NotDeliveredError(f"the webhook at {host} cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException):
        # Sent, and no answer came: it may have arrived, so it is not sent again.
        terminal.error(f"the webhook at {host} did not answer; the alert {alert.event} may not have arrived")


def _host(address: str) -> str:
    """Host of the webhook, the one part of its address that may be told."""
    try:
        where = urlsplit(address)
    except ValueError:
        where = urlsplit("")
    if where.scheme not in ("http", "https") or not where.hostname:
        raise NotDeliveredError(f"{WEBHOOK} is no http or https address")
    return where.hostname
