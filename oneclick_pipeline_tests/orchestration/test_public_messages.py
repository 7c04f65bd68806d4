"""No value of the data is in what is said outside of the house."""

from __future__ import annotations

import json

import dagster as dg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import public_messages
from oneclick_pipeline.orchestration.automation import alerts
from oneclick_pipeline.orchestration.failures import in_plain_words
from oneclick_pipeline.orchestration.partitions import FIRST, months_from
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.automation.test_alerts import look, run
from oneclick_pipeline_tests.orchestration.automation.test_delivery import no_webhook, receiver
from oneclick_pipeline_tests.orchestration.homes import MONTH, new_home
from oneclick_pipeline_tests.orchestration.runs.test_active import instance

__all__ = ["instance", "no_webhook", "receiver"]

MARK = "ZZZ4711"

_, TEMPLATES = public_messages._sentences()


values_of_customers = st.from_regex(r"[A-Z]{3}[0-9]{3,9}( [a-zа-я]{1,9})?", fullmatch=True)


@given(st.sampled_from(TEMPLATES), values_of_customers)
def test_sentence_of_ours_is_told_without_what_was_put_in(parts, value):
    message = value.join(parts)
    assume(len(message) <= public_messages._LONGEST)
    said = public_messages.rule(message)
    assert said is not None
    assert value not in said


@given(st.text(min_size=1))
def test_other_text_is_not_told(text):
    said = public_messages.rule(text)
    phrases, _ = public_messages._sentences()
    assume(text not in phrases)
    assert said is None or public_messages._HOLE in said


@given(st.text(), st.text(), st.text())
def test_place_names_what_contracts_know_alone(folder, name, column):
    assume(name not in public_messages._files())
    assume(column not in public_messages._names())
    assert public_messages.place({"file": f"{folder}/{name}.csv", "column": column, "value": MARK, "line": MARK}) == ""


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ("the column is missing", "the column is missing"),
        (
            "the column is missing (has «ZZZ4711» taken its place? In it, letter 3 is Latin Z (U+005A))",
            "the column is missing (has «…» taken its place? In it, …)",
        ),
        ("the month 2026-10 is outside the graph", "the month … is outside the graph"),
        ("profit breaks its contract: [('profit', 'x', 4711)]", "profit breaks its contract: …"),
        ("ZZZ4711", None),
        ("x" * 1_000_000, None),
    ],
)
def test_rule(message, rule):
    assert public_messages.rule(message) == rule


def failing(instance, error):
    """The alert of a run whose only step raises an error."""

    @dg.asset(partitions_def=months_from(FIRST))
    def profit():
        raise error

    done = dg.materialize([profit], partition_key=MONTH, instance=instance, raise_on_error=False)
    (alert,) = alerts.of_run(instance, instance.get_run_by_id(done.run_id), "http://x")
    return alert


def test_unknown_error_is_told_by_step_and_kind(instance):
    error = KeyError(MARK)
    error.__cause__ = LookupError(MARK)
    alert = failing(instance, error)
    assert alert.reason == "the run failed: profit: an error of the kind LookupError"


def test_error_in_plain_words_is_told_by_rule_file_line_and_column(instance, tmp_path):
    wrong = BadInputError(
        "the column is missing", file=f"/home/{MARK}/money.csv", line=7, column="Прибыль", value=MARK, remedy=f"name it {MARK}"
    )
    with pytest.raises(dg.Failure) as caught, in_plain_words(tmp_path):
        raise wrong
    alert = failing(instance, caught.value)
    assert alert.reason == "the run failed: profit: the column is missing (money.csv, line 7, column «Прибыль»)"


def test_tag_of_a_launch_that_is_no_month_is_not_told(instance):
    run_of = dg.DagsterRun("prepare", run_id="1", status=dg.DagsterRunStatus.FAILURE, tags={"dagster/partition": MARK})
    instance.add_run(run_of)
    (alert,) = alerts.of_run(instance, run_of, "http://x")
    assert alert.month == "no month"


def marked(file, places):
    """Exports in which every cell of a file but the id, or of its header, is a marker."""
    texts = export_text(8)
    header, *rows = texts[file].splitlines()
    separator = ";" if ";" in header else ","
    if places == "header":
        header = separator.join(MARK + str(k) for k, _ in enumerate(header.split(separator)))
    elif places == "no header":
        header = separator.join(MARK + field for field in rows[0].split(separator))
    elif places == "cells":
        rows = [separator.join([row.split(separator)[0], *(f"{MARK}{k}" for k in range(row.count(separator)))]) for row in rows]
    else:
        rows = [separator.join(MARK + field for field in row.split(separator)) for row in rows]
    return texts | {file: "\n".join([header, *rows]) + "\n"}


def told(home, receiver):
    """Everything that left the house, and what the home keeps of it."""
    kept = [path.read_text(encoding="utf-8") for path in (home / "alerts").rglob("*.json")]
    return json.dumps([body for _, _, body in receiver.got], ensure_ascii=False) + "".join(kept)


@pytest.mark.parametrize("file", ["market_file", "market_money", "market_time", "money"])
@pytest.mark.parametrize("places", ["header", "no header", "cells", "all"])
def test_no_value_of_an_export_leaves_the_house(tmp_path, instance, receiver, capsys, file, places):
    home = new_home(tmp_path / "home", settings="", texts=marked(file, places))
    assert run(home, instance).status is dg.DagsterRunStatus.FAILURE
    capsys.readouterr()
    look(home, instance)
    assert "the run failed: " in told(home, receiver)
    assert MARK not in told(home, receiver) + capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("settings.yaml", f"alerts: {{snapshot_day: {MARK}}}"),
        ("settings.yaml", f"{MARK}: {{a: 1}}"),
        ("settings.yaml", f"alerts: {{{MARK}: 1}}"),
        ("settings.yaml", f"{MARK}: ["),
    ],
)
def test_no_value_of_the_settings_leaves_the_house(tmp_path, instance, receiver, name, text):
    home = new_home(tmp_path / "home", settings=text, texts=export_text(8))
    assert run(home, instance).status is dg.DagsterRunStatus.FAILURE
    look(home, instance)
    assert "the run failed: " in told(home, receiver)
    assert MARK not in told(home, receiver)


def test_files_of_alerts_are_their_owners(tmp_path, instance, receiver):
    home = new_home(tmp_path / "home", settings="", texts=marked("money", "cells"))
    run(home, instance)
    look(home, instance)
    files = list((home / "alerts").rglob("*.json"))
    assert files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_every_error_of_the_catalogue_is_told_without_its_values():
    from oneclick_pipeline.catalogue.reader import Catalogue

    for text in (f"offers: [{{id: {MARK}}}]", f"{MARK}: 1", f"offers: [{{id: a, {MARK}: 1}}]", f"offers: {MARK}"):
        with pytest.raises(BadInputError) as caught:
            Catalogue.parse(text)
        assert MARK not in str(public_messages.rule(caught.value.problem))
