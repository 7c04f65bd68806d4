"""Delivery of alerts: to stderr, and to a webhook if one is set; at least once each, usually once.

What has been delivered is recorded in HOME/alerts/<channel>/<event>.json, and nothing else is: the file is created after the
message was accepted. A process that is killed in between leaves the event to be sent again, so a receiver may get one twice,
with the same `event`, by which it can drop the second. A lock lets one process at a time send on a channel; the system
releases it when the process ends, however it ends.

A webhook that accepts nothing is tried at the next tick of the sensor, and then after growing pauses, see `Backlog`. It costs a
tick `webhook.DEADLINE_SECONDS` at most, however many events wait.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from oneclick_pipeline import terminal
from oneclick_pipeline.home.paths import alerts_folder
from oneclick_pipeline.orchestration.automation import webhook
from oneclick_pipeline.orchestration.automation.clock import STEP_SECONDS
from oneclick_pipeline.orchestration.automation.webhook import DEADLINE_SECONDS, NotDeliveredError, Webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_STDERR, _WEBHOOK = "stderr", "webhook"
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 900.0


@dataclass(frozen=True)
class Alert:
    """Something that needs attention.

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


@dataclass(frozen=True)
class Backlog:
    """What is remembered about a webhook that does not accept its messages.

    Attributes:
        failed: Events that it did not accept, the one that was tried longest ago first.
        rounds: How often in a row it accepted nothing.
        until: Time before which it is left alone, seconds since 1970.
    """

    failed: tuple[str, ...] = ()
    rounds: int = 0
    until: float = 0.0

    def after(self, failed: Sequence[str], now: float, *, taken: bool) -> Backlog:
        """What is remembered after a round: the first pause is none, the next is a minute, and each is about twice the last.

        >>> [Backlog(rounds=n).after(["run-1"], 0, taken=False).until for n in range(6)]
        [0.0, 60.0, 180.0, 420.0, 900.0, 900.0]
        """
        rounds = 0 if taken or not failed else self.rounds + 1
        pause = min(_FIRST_PAUSE * (2 ** min(max(rounds - 1, 0), 8) - 1), _LONGEST_PAUSE)
        return Backlog(tuple(failed), rounds, now + pause)


def deliver(home: Path, alert: Alert, *, stderr: bool = True, seconds: float = DEADLINE_SECONDS) -> None:
    """Send an alert on every channel that it has not arrived on.

    Args:
        home: The home, which remembers what has arrived.
        alert: The alert.
        stderr: Whether to write it there; if not, it has already been written there.
        seconds: How long the webhook may take.

    Raises:
        NotDeliveredError: If the webhook does not accept it, or the home cannot be written.
        BadInputError: If the webhook's address is invalid.
    """
    to_stderr(home, alert, write=stderr)
    if there := webhook.given():
        to_webhook(home, alert, there, seconds)


def to_stderr(home: Path, alert: Alert, *, write: bool = True) -> None:
    """Write an alert to stderr; without `write` only record that it is there.

    Raises:
        NotDeliveredError: If it, or the home, cannot be written.
    """
    _once(home, _STDERR, alert, DEADLINE_SECONDS, lambda _: _print(alert) if write else None)


def to_webhook(home: Path, alert: Alert, there: Webhook, seconds: float = DEADLINE_SECONDS) -> None:
    """Post an alert as JSON; `text` is what chat services show.

    Raises:
        NotDeliveredError: If the webhook does not accept it in so many seconds, or the home cannot be written.
    """
    body = json.dumps(asdict(alert) | {"text": str(alert)}, ensure_ascii=False).encode(errors="replace")
    _once(home, _WEBHOOK, alert, seconds, lambda left: webhook.post(there, body, left))


def post_waiting(home: Path, alerts: Sequence[Alert], there: Webhook, before: Backlog, now: float) -> tuple[Backlog, list[str]]:
    """Post the alerts that have not arrived, within one deadline for all: new ones first, then those that failed longest ago.

    Args:
        home: The home.
        alerts: All there are.
        there: The webhook.
        before: What is remembered about it.
        now: The time, seconds since 1970.

    Returns:
        What is to be remembered, and what did not arrive, with the reason.
    """
    waiting = [alert for alert in alerts if not has_arrived(home, alert)]
    if waiting and before.until - _LONGEST_PAUSE <= now < before.until:  # earlier than that: the clock was set back
        again = datetime.fromtimestamp(before.until, UTC)
        return before, [f"{len(waiting)} wait: the webhook at {there.host} will be tried again at {again:%H:%M} UTC"]
    turn = {event: number for number, event in enumerate(before.failed)}
    waiting.sort(key=lambda alert: turn.get(alert.event, -1))
    failed, problems, untried, end = [], [], [], time.monotonic() + DEADLINE_SECONDS
    for alert in waiting:
        if (left := end - time.monotonic()) <= 0:
            untried.append(alert.event)
            continue
        try:
            to_webhook(home, alert, there, left)
        except NotDeliveredError as error:
            failed.append(alert.event)
            problems.append(f"{alert.event}: {error}")
    if untried:
        problems.append(f"{len(untried)} more wait for the next tick")
    kept = [event for event in before.failed if event in untried]
    taken = len(waiting) > len(failed) + len(untried)
    return before.after([*kept, *failed], now, taken=taken), problems


def has_arrived(home: Path, alert: Alert) -> bool:
    """Whether the webhook has taken an alert."""
    return _file(home, _WEBHOOK, alert).exists()


def forget_future(home: Path, beginning: str, now: float) -> None:
    """Forget that alerts have arrived later than now: they were caused by a clock that was ahead, and will be due later.

    Args:
        home: The home.
        beginning: How the names of their events begin.
        now: The time, seconds since 1970.
    """
    for arrived in alerts_folder(home).glob(f"*/{beginning}*.json"):
        if arrived.stat().st_mtime > now + STEP_SECONDS:
            arrived.unlink(missing_ok=True)


def _file(home: Path, channel: str, alert: Alert) -> Path:
    """The record that an alert has been delivered."""
    name = alert.event if re.fullmatch("[A-Za-z0-9-]{1,128}", alert.event) else hashlib.sha256(alert.event.encode()).hexdigest()
    return alerts_folder(home) / channel / f"{name}.json"


def _once(home: Path, channel: str, alert: Alert, seconds: float, send: Callable[[float], None]) -> None:
    """Send an alert unless it has arrived; `send` gets the seconds that are left."""
    arrived, end = _file(home, channel, alert), time.monotonic() + seconds
    begun = arrived.with_name(f".{arrived.name}")
    try:
        if arrived.exists():
            return
        arrived.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(arrived.parent / ".lock", timeout=max(seconds, 0)):
            if arrived.exists():
                return
            begun.touch()  # a disk that is full now would be full after the message has gone out
            send(end - time.monotonic())
            begun.replace(arrived)
    except Timeout as error:
        raise NotDeliveredError("another process is sending") from error
    except OSError as error:
        raise NotDeliveredError(f"{arrived.parent} cannot be written: {error.strerror}") from error
    with suppress(OSError):  # on a full disk there is space for the file's name, which is what counts, and none for its content
        arrived.write_text(json.dumps(asdict(alert), ensure_ascii=False, indent=2), encoding="utf-8", errors="replace")


def _print(alert: Alert) -> None:
    message, link = str(alert).rsplit("\n", 1)
    terminal.error(f"ALERT {message}", link)
