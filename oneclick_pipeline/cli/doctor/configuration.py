"""Whether the hand-written files can be used: settings, catalogue, the address of alerts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.cli.doctor.finding import OK, WARNING, Finding
from oneclick_pipeline.home.paths import settings_file
from oneclick_pipeline.settings_yaml import retired

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home


def settings(home: Home) -> Iterator[Finding]:
    """Whether settings.yaml is valid, and which of its settings no longer have an effect."""
    from oneclick_pipeline.settings import Settings

    Settings.load(home.path)
    for notice in retired(home.path):
        yield Finding("settings", WARNING, str(replace(notice, remedy="")), notice.remedy)
    yield Finding("settings", OK, "settings.yaml is valid" if settings_file(home.path).exists() else "defaults")


def catalogue(home: Home) -> Iterator[Finding]:
    """Whether the catalogue of offers is valid."""
    offers = Catalogue.load(home.path)
    yield Finding("catalogue", OK, f"{len(offers.offers)} offers in {offers.file}")


def alert_address() -> Iterator[Finding]:
    """Whether alerts are posted, and where to."""
    from oneclick_pipeline.orchestration.automation import webhook

    address = webhook.given()
    if address is None:
        yield Finding("webhook", OK, f"{webhook.VARIABLE} is not set: alerts go to stderr alone")
    elif address.warning:
        yield Finding("webhook", WARNING, address.warning, "use an address that begins with https")
    else:
        yield Finding("webhook", OK, f"alerts are posted to {address.scheme}://{address.host}")
