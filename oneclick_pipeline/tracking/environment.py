"""Environment variables that would lead MLflow elsewhere, and are ignored here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ELSEWHERE = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
"""Variables by which MLflow's own programs keep runs and models elsewhere; a home keeps its own, whatever they say."""


def ignored_variables(variables: Mapping[str, str]) -> str:
    """A warning about variables that are set and not followed; empty where none is set. They may hold a password.

    >>> ignored_variables({"MLFLOW_TRACKING_URI": "https://me:secret@mlflow.example.org"})
    "MLFLOW_TRACKING_URI is set, and ignored: runs and models are kept in the home's own MLflow"
    """
    names = [name for name in ELSEWHERE if variables.get(name)]
    verb = "are" if len(names) > 1 else "is"
    names_set = f"{' and '.join(names)} {verb} set, and ignored"
    return f"{names_set}: runs and models are kept in the home's own MLflow" if names else ""
