"""Ask the database of advisories about every version in the locks, and say plainly where nobody could be asked.

    .audit/bin/python .ci/audit.py .audit/bin/pip-audit requirements.txt deploy/requirements.txt

Exit code 0: every version was asked about and none is known to be bad. 1: some are. 2: of some lock no audit was made. What
pip-audit itself says of "no known vulnerabilities" is not trusted: it says so too when it asked about nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Collection

    from packaging.markers import Marker

GOOD, BAD, NOT_ASKED = 0, 1, 2

PAGE = Path(__file__).parents[1] / "docs" / "known_bad_versions.md"
UNFIXED = ("package", "source", "what happens", "why not here")
"""Titles of the table of advisories without a fixed version."""

_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
_UNREACHABLE = re.compile(r"ConnectionError|Timeout|ProxyError|SSLError|HTTPError|ServiceError|Could not connect")


@dataclass(frozen=True)
class Pin:
    """One locked version: package, version, the Pythons and systems that it is for."""

    name: str
    version: str
    marker: Marker | None = None


def pins(text: str) -> list[Pin]:
    """The locked versions of a requirements file, which may hold nothing else.

    Raises:
        ValueError: A line is not `package==version` with SHA-256 hashes; names the line.
    """
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [_pin(line.strip()) for line in lines if line.strip() and not line.strip().startswith("#")]


def _pin(line: str) -> Pin:
    stated, *hashes = re.split(r"\s+(?=--)", line)
    try:
        requirement = Requirement(stated)
    except InvalidRequirement as error:
        raise ValueError(f"not a locked version: {line}") from error
    exact = [one.version for one in requirement.specifier if one.operator == "==" and "*" not in one.version]
    if requirement.url or len(requirement.specifier) != 1 or not exact:
        raise ValueError(f"not one exact version: {line}")
    if not hashes or not all(_HASH.fullmatch(one) for one in hashes):
        raise ValueError(f"not SHA-256 hashes and nothing else: {line}")
    return Pin(canonicalize_name(requirement.name), str(Version(exact[0])), requirement.marker)


def table(page: str, *titles: str) -> list[list[str]]:
    """The rows below these titles in a Markdown page, of all tables that have them.

    Raises:
        ValueError: No table has these titles, or a line below them is not a row of as many cells.
    """
    head = re.escape(f"| {' | '.join(titles)} |")
    lines = [line for rows in re.findall(rf"^{head}\n\|[-|]+\n((?:.+\n?)*)", page, re.MULTILINE) for line in rows.splitlines()]
    if not lines:
        raise ValueError(f"no table with the titles {', '.join(titles)}")
    rows = [line.split("|") for line in lines]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(titles) + 2 or row[0] or row[-1]:
            raise ValueError(f"not a row of {len(titles)} cells: {line}")
    return [[cell.strip() for cell in row[1:-1]] for row in rows]


def accepted(page: str) -> set[str]:
    """Ids of the advisories that name no fixed version and do not reach us, from docs/known_bad_versions.md."""
    return {name for row in table(page, *UNFIXED) for name in re.findall(r"\b(?:CVE-\d{4}-\d+|GHSA(?:-\w{4}){3})\b", row[1])}


def verdict(expected: set[tuple[str, str]], output: str, errors: str, unfixed: Collection[str] = ()) -> tuple[int, str]:
    """What pip-audit's output (JSON) and messages say about the expected packages and versions: exit code and sentence.

    Advisories in `unfixed` do not count for as long as they name no fixed version.
    """
    try:
        answered = json.loads(output)["dependencies"]
    except (json.JSONDecodeError, KeyError, TypeError):
        last = (errors.strip().splitlines() or ["it said nothing"])[-1]
        if _UNREACHABLE.search(errors):
            return NOT_ASKED, f"no audit was made: the service could not be reached ({last.partition(':')[0]})"
        return NOT_ASKED, f"no audit was made: pip-audit failed ({last})"
    asked = {(canonicalize_name(one["name"]), str(Version(one["version"]))) for one in answered if "vulns" in one}
    lacking = sorted(" ".join(pin) for pin in expected - asked)
    bad = [
        f"{one['name']} {one['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
        for one in answered
        for found in one.get("vulns", [])
        if found["fix_versions"] or not {found["id"], *found["aliases"]} & set(unfixed)
    ]
    if bad:
        return BAD, "\n  ".join([f"known vulnerabilities: {len(bad)}", *bad, *(f"{pin}: not asked about" for pin in lacking)])
    if lacking or not asked:
        return NOT_ASKED, f"no audit was made of {', '.join(lacking) or 'anything'}"
    return GOOD, f"packages asked about: {len(asked)}, nothing known against them"


def audit(program: str, lock: Path) -> tuple[int, str]:
    """Exit code and sentence for one lock, as this Python on this system would install it."""
    expected = {(pin.name, pin.version) for pin in pins(lock.read_text()) if pin.marker is None or pin.marker.evaluate()}
    with TemporaryDirectory() as cache:  # nothing that was answered another time
        command = [program, "--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json"]
        command += ["--vulnerability-service", "osv", "--cache-dir", cache, "--requirement", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    return verdict(expected, done.stdout, done.stderr, accepted(PAGE.read_text(encoding="utf-8")))


def main(program: str, *locks: str) -> int:
    """Audit the locks, one line each; the worst exit code: bad versions, then locks of which no audit was made."""
    codes = set()
    for lock in locks:
        code, sentence = audit(program, Path(lock))
        codes.add(code)
        print(f"{lock}: {sentence}")
    return BAD if BAD in codes else max(codes, default=NOT_ASKED)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
