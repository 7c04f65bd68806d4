"""The page as a file: made from the tables of a home, checked, put in place atomically."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.report import page, source
from oneclick_pipeline.report.facts import gather
from oneclick_pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.report.facts import Facts

_LOADING = {"src", "srcset", "href", "xlink:href", "data", "poster", "action", "formaction", "background", "manifest", "ping"}
_FOREIGN = {"script", "iframe", "frame", "object", "embed", "applet", "form", "base", "audio", "video", "portal"}
_IN_STYLE = re.compile(r"url\s*\(|@import|expression\s*\(", re.IGNORECASE)


@dataclass(frozen=True)
class Made:
    """A page and the figures that it was made from."""

    html: str
    facts: Facts


def make(
    home: Path,
    month: str,
    language: str | None = None,
    settings: Settings | None = None,
    catalogue: Catalogue | None = None,
) -> Made:
    """The page of a month that was run; only what the page alone shows is recomputed.

    Args:
        home: The home.
        month: Snapshot month.
        language: `ru` or `en`; that of the settings by default.
        settings: Those of the run; those of the home by default.
        catalogue: That of the run; that of the home by default.

    Raises:
        BadInputError: If a table of the month is missing.
    """
    settings = settings or Settings.load(home)
    facts = gather(source.read(home, month), (catalogue or Catalogue.load(home)).offers, settings)
    return Made(page.render(facts, language or settings.report.language), facts)


def write(html: str, path: Path) -> None:
    """Put a page in its place: either the old one or the new one is there, never a part.

    Raises:
        BadInputError: If it cannot be written.
    """
    try:
        write_once.write(path, html.encode(), replace=True)
    except OSError as error:
        remedy = "choose another --home, or fix its permissions"
        raise BadInputError(f"the report cannot be written: {error.strerror}", file=str(path), remedy=remedy) from error


def loads(html: str) -> list[str]:
    """Whatever in a page would make a browser load or run something; nothing in a self-contained page.

    >>> loads('<a href="#top">up</a><img src="https://example.org/a.png">')
    ['img src=https://example.org/a.png']
    """
    loads = _Loads()
    loads.feed(html)
    loads.close()
    return loads.addresses


def page_figures(html: str) -> dict[str, float]:
    """The figures that a page gives to machines as well, `<data>` by id."""
    return {name: float(value) for name, value in re.findall(r'<data id="(\w+)" value="([^"]*)">', html)}


class _Loads(HTMLParser):
    """Collects everything that refers to something outside the page, or runs."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element."""
        self._style = tag == "style"
        if tag in _FOREIGN:
            self.addresses.append(tag)
        for name, value in attrs:
            text = value or ""
            if (
                (name in _LOADING and not text.startswith(("#", "data:,")))
                or name.startswith("on")
                or (name == "style" and _IN_STYLE.search(text))
                or (name == "http-equiv")
            ):
                self.addresses.append(f"{tag} {name}={text}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself."""
        self.handle_starttag(tag, attrs)
        self._style = False

    def handle_endtag(self, tag: str) -> None:
        """The end of an element."""
        self._style = self._style and tag != "style"

    def handle_data(self, data: str) -> None:
        """Text; of a style sheet it may load."""
        if self._style and (match := _IN_STYLE.search(data)):
            self.addresses.append(f"style {match.group()}")
