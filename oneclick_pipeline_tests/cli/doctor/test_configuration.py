"""Settings, catalogue and address of alerts that can be used, and that cannot."""

import pytest


def test_settings_and_catalogue_that_are_not_valid(findings, home, broken):
    broken(home / "settings.yaml", b"model: {folds: many}\n")
    broken(home / "catalogue.yaml", b"offers: [{id: 1}]\n")
    for check, file in (("settings", "settings.yaml"), ("catalogue", "catalogue.yaml")):
        ((state, message),) = findings(home, check)
        assert state == "problem"
        assert file in message


@pytest.mark.parametrize(
    ("address", "state", "message"),
    [
        ("", "ok", "ONECLICK_WEBHOOK is not set"),
        ("https://hooks.example.org/SECRET", "ok", "alerts are posted to https://hooks.example.org"),
        ("http://hooks.example.org/SECRET", "warning", "the webhook at hooks.example.org is not encrypted"),
        ("http://user:SECRET@hooks.example.org/", "problem", "ONECLICK_WEBHOOK is not an http or https address"),
    ],
)
def test_webhook(findings, home, monkeypatch, address, state, message):
    monkeypatch.setenv("ONECLICK_WEBHOOK", address)
    ((seen, message),) = findings(home, "webhook")
    assert seen == state
    assert message.startswith(message)
    assert "SECRET" not in message
