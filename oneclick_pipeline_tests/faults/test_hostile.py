"""Values, names and addresses meant to do harm: they come out as text or not at all, and no secret goes anywhere."""

import csv
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files as files_of

import dagster as dg
import pytest

from oneclick_pipeline import pictures
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import raw_file, report_file
from oneclick_pipeline.report import files as pages
from oneclick_pipeline.settings import Settings
from oneclick_pipeline_tests.conftest import export_text, market_row
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, SAMPLE, files, instance_of, table, told

FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "＝1+1"]
MARKUP = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "``` <b>", "{{7*7}}"]
PLACES = ["../../../etc/passwd", "..\\..\\x", "/etc/passwd"]
CATEGORIES = FORMULAS + MARKUP + PLACES
MILLION = "x" * 1_000_000
COMMAND = "import sys; from oneclick_pipeline.cli.app import main; sys.exit(main())"
PASSWORD, TOKEN = "correct-horse-battery-staple", "xoxb-hook-4711"
SECRETS = {
    "ONECLICK_DATABASE": f"postgresql://store:{PASSWORD}@127.0.0.1:1/crm",
    "ONECLICK_WEBHOOK": f"https://127.0.0.1:1/{TOKEN}",
    "ONECLICK_WEBHOOK_URL": f"https://127.0.0.1:1/{TOKEN}",
}


def quoted(value):
    return '"' + value.replace('"', '""') + '"'


@pytest.mark.parametrize("month", ["../2026-10", "2026-10/../../x", "/etc", "2026-10\0", "２０２６-１０"])
def test_partition_that_is_no_month_never_becomes_a_path(tmp_path, month):
    home = homes.new_home(tmp_path / "home", settings="", texts=export_text(4))
    before = files(tmp_path)
    with pytest.raises(dg.DagsterError, match="artition"):
        homes.materialize(home, month=month)
    assert [name for name in files(tmp_path) if "staging" not in name] == before


@pytest.mark.parametrize("name", ["2026-10 <script>", "=cmd()"])
def test_folders_that_are_no_months_are_nobodys(tmp_path, name):
    home = homes.new_home(tmp_path / "home", settings="", texts=export_text(4))
    shutil.copytree(home / "raw" / MONTH, home / "raw" / name, dirs_exist_ok=True)
    result = homes.materialize(home, month="2026-09", selection=["money"])
    assert not result.success
    assert f"there are: {MONTH}" in told(result)
    assert "<script>" not in told(result)


def test_hostile_cells_are_text_in_tables_and_in_what_dagster_shows(tmp_path):
    texts = export_text(100)
    rows = [market_row(i, favourite_category=quoted(value)) for i, value in enumerate(CATEGORIES, start=1)]
    rows += [
        market_row(50, favourite_category=MILLION),
        market_row(51, favourite_category="a\0b"),
        market_row(52, tenure_days="=1+1"),
    ]
    rows += [
        market_row(53, tenure_days=quoted("```\n<script>".replace("\n", " "))),
        market_row(54, service_level=quoted("<script>")),
    ]
    numbers = {int(row.split(",")[0]): row for row in rows}
    lines = texts["market_file"].splitlines()
    texts["market_file"] = "\n".join(numbers.get(n, line) for n, line in enumerate(lines)) + "\n"
    home = homes.new_home(tmp_path / "home", settings="", texts=texts)
    result = homes.materialize(home)
    assert result.success, told(result)
    kept = dict(table(home, "customers").select("customer_id", "favourite_category").iter_rows())
    assert [kept[i] for i in range(1, len(CATEGORIES) + 1)] == CATEGORIES
    rejected = table(home, "rejected_rows")
    assert {51, 53, 54, 55} <= set(rejected["line"]) <= {51, 52, 53, 54, 55}
    for event in result.get_asset_materialization_events():
        for value in event.materialization.metadata.values():
            if isinstance(value, dg.MarkdownMetadataValue):
                assert_only_in_a_fence(value.value)


def assert_only_in_a_fence(text):
    """Whatever came from the data stands inside the one code fence of a Markdown text."""
    outside = re.sub(r"\A```\n.*\n```\Z", "", text, flags=re.DOTALL)
    inside = text[4:-4] if not outside else ""
    assert "<script" not in outside
    assert not re.search(r"^ {0,3}```", inside, flags=re.MULTILINE)
    assert len(text) < 10_000


@pytest.mark.parametrize("value", [*CATEGORIES, MILLION, "a\nb | c"])
def test_text_from_the_data_does_nothing_in_markdown(value):
    shown = pictures.literal(value)
    assert len(shown) < 1_000
    assert "<" not in shown
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[\[\]|`]", shown)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("report: {mlflow_url: 'javascript:alert(1)'}", "report.mlflow_url"),
        ("report: {mlflow_url: 'http://x/\"><script>'}", "report.mlflow_url"),
        ("report: {language: ../../etc/passwd}", "report.language"),
    ],
)
def test_addresses_in_settings_are_addresses(tmp_path, text, told):
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(BadInputError, match=re.escape(told)):
        Settings.load(tmp_path)


@pytest.mark.parametrize("slug", ["../../x", "=cmd()", "<script>", "a b", "A" * 100])
def test_id_of_an_offer_cannot_be_a_path_a_formula_or_markup(tmp_path, slug):
    bundled = (files_of("oneclick_pipeline.catalogue") / "catalogue.yaml").read_text(encoding="utf-8")
    bundled = re.sub(r"^(\s*- id: ).*$", rf"\g<1>'{slug}'", bundled, count=1, flags=re.MULTILINE)
    (tmp_path / "catalogue.yaml").write_text(bundled, encoding="utf-8")
    with pytest.raises(BadInputError, match="small latin letters"):
        Catalogue.load(tmp_path)


def everything(folder):
    """The bytes of every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.soak
def test_no_secret_of_the_environment_is_written_or_said(home):
    """The command reads the variables; the scores that it prints, and what it leaves, do not hold them."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "offers", "publish", "--month", MONTH, "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | SECRETS,
    )
    assert done.returncode == 1
    assert "What to do: " in done.stderr
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr
        assert not [path for path, content in everything(home).items() if secret.encode() in content]


@pytest.mark.soak
def test_month_of_hostile_values_run_with_secrets_harms_nobody(home):
    """A whole refresh by the command over a month whose categories are all hostile, with secrets in the environment."""
    for folder in ("exports", "ledger"):
        shutil.rmtree(home / folder)
    header, *lines = (SAMPLE / "market_file.csv").read_text(encoding="utf-8").splitlines()
    place = header.split(",").index("Популярная_категория")
    rows = [line.split(",") for line in lines]
    for number, fields in enumerate(rows):
        fields[place] = quoted(CATEGORIES[number % len(CATEGORIES)])
    raw_file(home, MONTH, "market_file").write_text("\n".join([header, *(",".join(r) for r in rows)]) + "\n", encoding="utf-8")
    elsewhere = everything(home.parent).keys() - everything(home).keys()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "run", "--month", MONTH, "--job", "refresh", "--home", str(home)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | SECRETS,
    )
    assert done.returncode == 0, done.stderr
    assert set(table(home, "customers")["favourite_category"]) == set(CATEGORIES)
    page = report_file(home, MONTH).read_text(encoding="utf-8")
    assert pages.loads(page) == []
    assert "<script" not in page
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", page)
    with (home / "exports" / MONTH / "offers.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file, delimiter=";") for cell in row]
    assert cells
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝"))]
    with instance_of(home) as instance:
        for name in ("rejected_rows", "segment_profiles", "offer_plan", "data_profile"):
            event = instance.get_latest_materialization_event(dg.AssetKey(name))
            for value in event.asset_materialization.metadata.values():
                if isinstance(value, dg.MarkdownMetadataValue) and "base64," not in value.value:
                    assert "<script" not in value.value
    assert everything(home.parent).keys() - everything(home).keys() == elsewhere
    said = done.stdout + done.stderr
    for secret in (PASSWORD, TOKEN):
        assert secret not in said
        assert not [path for path, content in everything(home).items() if secret.encode() in content]
