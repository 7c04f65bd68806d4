"""Locks hold exact versions with hashes, none of them known to be bad; what the documents say of them is so."""

import importlib.metadata
import importlib.util
import json
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("*/requirements*.txt")])
KNOWN_BAD = ROOT / "docs" / "known_bad_versions.md"
DEPENDENCIES = ROOT / "docs" / "dependencies.md"
BAD_TITLES = ("package", "bad versions", "what happens", "source")
TITLES = ("package", "locked", "last release", "licence", "for", "rather than")
HASH = " --hash=sha256:" + "0" * 64


def _audit():
    spec = importlib.util.spec_from_file_location("audit_locks", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


audit = _audit()


@dataclass(frozen=True)
class Bad:
    """A row of the table of known bad versions."""

    name: str
    versions: SpecifierSet
    source: str


def _source(text):
    """Id of the advisory that a cell leads to: [ID](address of ID), maybe with a CVE before it."""
    match = re.fullmatch(
        r"(?:CVE-\d{4}-\d{4,7} )?\[(?:(GHSA(?:-\w{4}){3})\]\(https://github\.com/advisories/\1"
        r"|(CVE-\d{4}-\d{4,7})\]\(https://nvd\.nist\.gov/vuln/detail/\2)\)",
        text,
    )
    if not match:
        raise ValueError(f"not an advisory and its address: {text}")
    return match[1] or match[2]


def _known_bad(page):
    rows = []
    for name, versions, happens, source in audit.table(page, *BAD_TITLES):
        try:
            stated = SpecifierSet(versions.strip("`"))
        except InvalidSpecifier as error:
            raise ValueError(f"{name}: not a specifier: {versions}") from error
        if not (name and stated and happens) or name != canonicalize_name(name):
            raise ValueError(f"a cell is empty or not a package's name: {name}, {versions}, {happens}")
        rows.append(Bad(name, stated, _source(source)))
    return rows


def _matches(pins, bad):
    return [
        f"{pin.name} {pin.version}: {row.source}"
        for pin in pins
        for row in bad
        if pin.name == row.name and row.versions.contains(pin.version, prereleases=True)
    ]


def _page(*rows):
    return "\n".join(["# Page", "", f"| {' | '.join(BAD_TITLES)} |", "|---|---|---|---|", *rows, "", "text"])


def _row(name="six", versions="`<1.17`", source="[GHSA-aaaa-bbbb-cccc](https://github.com/advisories/GHSA-aaaa-bbbb-cccc)"):
    return f"| {name} | {versions} | burns | {source} |"


def _locked():
    """Versions of every package over all locks."""
    versions = {}
    for lock in LOCKS:
        for pin in audit.pins(lock.read_text()):
            versions.setdefault(pin.name, set()).add(pin.version)
    return versions


def _direct():
    """Names of the dependencies of pyproject.toml and of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return {canonicalize_name(Requirement(one).name) for one in stated}


def _rows():
    return audit.table(DEPENDENCIES.read_text(encoding="utf-8"), *TITLES)


def test_locks_are_found():
    assert {str(lock.relative_to(ROOT)) for lock in LOCKS} >= {
        "requirements.txt",
        "requirements-audit.txt",
        "requirements-spark.txt",
        "requirements-uv.txt",
        "deploy/requirements.txt",
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_lock_holds_exact_versions_with_hashes_and_no_address(lock):
    text = lock.read_text()
    assert audit.pins(text)  # raises on anything else, options of an index among them
    assert "://" not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_lock_holds_no_known_bad_version(lock):
    assert _matches(audit.pins(lock.read_text()), _known_bad(KNOWN_BAD.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "six==1.17.0",
        f"six>=1.17.0{HASH}",
        f"six==1.*{HASH}",
        f"six==1.17.0,!=1.16{HASH}",
        f"six{HASH}",
        f"six @ https://example.org/six.whl{HASH}",
        f"six==1.17.0{HASH} --index-url=https://example.org",
        "six==1.17.0 --hash=md5:00",
        "--index-url https://example.org",
        "-r other.txt",
        "-e .",
    ],
)
def test_line_that_is_no_locked_version_is_refused(line):
    with pytest.raises(ValueError, match=re.escape(line)):
        audit.pins(f"# locked\nidna==3.20{HASH}\n{line}\n")


def test_locked_versions_are_read_with_markers_and_names_made_equal():
    text = f"Typing_Extensions==4.16.0 ; python_full_version < '3.13' \\\n   {HASH} \\\n   {HASH}\n    # via six\n"
    text += f"gql[requests]==4.0{HASH}"
    assert [(pin.name, pin.version, str(pin.marker)) for pin in audit.pins(text)] == [
        ("typing-extensions", "4.16.0", 'python_full_version < "3.13"'),
        ("gql", "4.0", "None"),
    ]


@pytest.mark.parametrize(
    ("versions", "locked", "is_bad"),
    [
        ("`<1.17`", "1.16.9", True),
        ("`<1.17`", "1.17", False),
        ("`<1.17`", "1.17.post1", False),
        ("`<1.17`", "1.16rc1", True),
        ("`>=1.2,<1.17`", "1.1", False),
        ("`>=1.2,<=1.17`", "1.17.0", True),
        ("`==1.17.*`", "1.17.3", True),
    ],
)
def test_bad_version_is_found(versions, locked, is_bad):
    found = _matches(audit.pins(f"Six=={locked}{HASH}"), _known_bad(_page(_row("idna"), _row(versions=versions))))
    assert found == ([f"six {locked}: GHSA-aaaa-bbbb-cccc"] if is_bad else [])


@pytest.mark.parametrize(
    "row",
    [
        _row(versions="before 1.17"),
        _row(versions="1.17"),
        _row(versions="``"),
        _row(name="Six"),
        _row(name=""),
        _row(source="GHSA-aaaa-bbbb-cccc"),
        _row(source="[GHSA-aaaa-bbbb-cccc](https://example.org/GHSA-aaaa-bbbb-cccc)"),
        _row(source="[GHSA-aaaa-bbbb-cccc](https://github.com/advisories/GHSA-aaaa-bbbb-dddd)"),
        "| six | `<1.17` | burns |",
        "six | `<1.17` | burns | nobody |",
        "| six | `<1.17` | burns | [GHSA-aaaa-bbbb-cccc](https://github.com/advisories/GHSA-aaaa-bbbb-cccc) | more |",
    ],
)
def test_row_that_cannot_be_read_fails(row):
    with pytest.raises(ValueError, match="not a"):
        _known_bad(_page(_row(), row, _row()))


def test_table_that_is_not_there_fails():
    with pytest.raises(ValueError, match="no table with the titles package, bad versions"):
        _known_bad("# Page\n\n| package | versions |\n|---|---|\n| six | 1 |\n")


def test_every_known_bad_row_names_a_locked_package():
    """A row that no lock can match is misspelt, or to be deleted."""
    names = {row.name for row in _known_bad(KNOWN_BAD.read_text(encoding="utf-8"))}
    assert sorted(names - _locked().keys()) == []


def test_advisories_without_a_fixed_version_name_locked_packages_and_their_source():
    rows = audit.table(KNOWN_BAD.read_text(encoding="utf-8"), *audit.UNFIXED)
    assert sorted({row[0] for row in rows} - _locked().keys()) == []
    assert all(_source(row[1]) and row[2] and row[3] for row in rows)


def test_every_direct_dependency_has_one_row():
    assert sorted(row[0] for row in _rows()) == sorted(_direct())


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row[0])
def test_row_says_what_is_locked_and_what_is_newer(row):
    name, locked, newest = row[:3]
    assert sorted(locked.split(", "), key=Version) == sorted(_locked()[name], key=Version)
    version, month = newest.split(", ")
    assert re.fullmatch(r"20\d\d-(?:0[1-9]|1[0-2])", month)
    reasons = audit.table(DEPENDENCIES.read_text(encoding="utf-8"), "package", "why")
    unused = {name for packages, _ in reasons for name in packages.split(", ")}
    oldest = min(map(Version, locked.split(", ")))
    assert (Version(version) > oldest) == (name in unused), "newer releases that are not used are those with a reason"


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row[0])
def test_row_says_the_licence_that_the_package_declares(row):
    try:
        declared = importlib.metadata.metadata(row[0]).get("License-Expression")
    except importlib.metadata.PackageNotFoundError:
        assert row[0] == "pyspark", "an extra that is installed beside the environment"
        return
    assert row[3] == (declared or row[3])
    assert row[3]


def test_purpose_is_the_comment_in_pyproject():
    comments = {}
    for stated, comment in re.findall(
        r'^[^#"\n]*"([^"]+)"\]?,?\s*# (.+?)\s*$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    ):
        if re.match(r"[\w.-]+(?:\[\w+\])?[<>=]", stated):
            comments.setdefault(canonicalize_name(Requirement(stated).name), comment)
    assert len(comments) > len(_direct()) / 2
    assert {row[0]: row[4] for row in _rows() if row[0] in comments} == comments


UNREACHED = (
    "Traceback (most recent call last):\n  …\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='example.org')"
)
SIX = {("six", "1.17.0")}


def _answer(*dependencies):
    return json.dumps({"dependencies": list(dependencies), "fixes": []})


def _found(fixed, *aliases):
    return {"name": "Six", "version": "1.17.0", "vulns": [{"id": "PYSEC-1", "fix_versions": fixed, "aliases": list(aliases)}]}


@pytest.mark.parametrize(
    ("output", "errors", "code", "sentence"),
    [
        (
            _answer({"name": "Six", "version": "1.17.0", "vulns": []}),
            "",
            0,
            "packages asked about: 1, nothing known against them",
        ),
        (_answer(_found(["1.18"])), "", 1, "known vulnerabilities: 1\n  Six 1.17.0: PYSEC-1, fixed in 1.18"),
        (_answer(_found([])), "", 1, "known vulnerabilities: 1\n  Six 1.17.0: PYSEC-1, fixed in no version"),
        (_answer(_found([], "CVE-1")), "", 0, "packages asked about: 1, nothing known against them"),
        (_answer(_found(["1.18"], "CVE-1")), "", 1, "known vulnerabilities: 1\n  Six 1.17.0: PYSEC-1, fixed in 1.18"),
        ("", UNREACHED, 2, "no audit was made: the service could not be reached (requests.exceptions.ConnectionError)"),
        ("", "ERROR:pip_audit._cli:Could not connect", 2, "no audit was made: the service could not be reached (ERROR)"),
        ("", "no such option: --strict", 2, "no audit was made: pip-audit failed (no such option: --strict)"),
        ("", "", 2, "no audit was made: pip-audit failed (it said nothing)"),
        ("null", "", 2, "no audit was made: pip-audit failed (it said nothing)"),
        (_answer(), "No known vulnerabilities found", 2, "no audit was made of six 1.17.0"),
        (_answer({"name": "six", "version": "1.16", "vulns": []}), "", 2, "no audit was made of six 1.17.0"),
        (_answer({"name": "six", "skip_reason": "not found"}), "", 2, "no audit was made of six 1.17.0"),
    ],
)
def test_verdict_of_an_audit(output, errors, code, sentence):
    assert audit.verdict(SIX, output, errors, {"CVE-1"}) == (code, sentence)


def test_audit_of_an_empty_lock_is_none():
    assert audit.verdict(set(), _answer(), "No known vulnerabilities found") == (2, "no audit was made of anything")


def test_accepted_advisories_are_those_without_a_fixed_version():
    row = "| six | CVE-2026-1234 [GHSA-aaaa-bbbb-cccc](x) | burns | no fire |"
    page = f"| {' | '.join(audit.UNFIXED)} |\n|---|---|---|---|\n{row}\n"
    assert audit.accepted(page) == {"CVE-2026-1234", "GHSA-aaaa-bbbb-cccc"}


@pytest.mark.parametrize(
    ("program", "code", "sentence"),
    [
        (f"import sys; sys.exit({UNREACHED!r})", 2, "no audit was made: the service could not be reached"),
        (
            "import sys; print('No known vulnerabilities found', file=sys.stderr); print('{\"dependencies\": []}')",
            2,
            "no audit was made of six",
        ),
        (f"print({_answer(_found([]))!r})", 1, "known vulnerabilities: 1"),
    ],
)
def test_audit_says_per_lock_what_became_of_it(tmp_path, capsys, program, code, sentence):
    stub = tmp_path / "pip-audit"
    stub.write_text(f"#!{sys.executable}\n{program}\n")
    stub.chmod(0o700)
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"six==1.17.0{HASH}\npywin32==312 ; sys_platform == 'no system'{HASH}\n")
    assert audit.main(str(stub), str(lock), str(lock)) == code
    assert [
        line.partition(": ")[2].startswith(sentence) for line in capsys.readouterr().out.splitlines() if str(lock) in line
    ] == [True, True]
