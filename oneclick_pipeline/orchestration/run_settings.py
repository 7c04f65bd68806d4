"""The settings as configuration of a run: what the launchpad shows, with descriptions; empty where the home's apply."""

from typing import Any, Literal, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, Field, create_model
from pydantic.fields import FieldInfo

from oneclick_pipeline.settings import Settings

_OF_THE_HOME = frozenset({"mlflow_url", "dagster_url"})
"""Addresses, to which reports and alerts lead their readers: no launch may set them."""
_SECTIONS_OF_THE_HOME = frozenset({"keep"})
"""What is deleted is the home owner's decision, not a launch's."""


def _kind(info: FieldInfo) -> Any:  # noqa: ANN401 - a type
    """The type of a setting as Dagster knows it."""
    origin = get_origin(info.annotation)
    if origin is tuple:
        return list[get_args(info.annotation)[0]]  # type: ignore[misc]
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        return dict[str, Any]
    return str if origin is Literal else info.annotation  # the settings refuse other words


def _section(name: str, model: type[BaseModel]) -> type[dg.Config]:
    """The settings of a section, each empty by default."""
    fields: dict[str, Any] = {
        field: (_kind(info) | None, Field(default=None, description=f"{info.description}; {info.default!r} by default"))
        for field, info in model.model_fields.items()
        if field not in _OF_THE_HOME
    }
    return create_model(f"{name.capitalize()}OfRun", __base__=dg.Config, __doc__=model.__doc__, **fields)


_SECTIONS: dict[str, Any] = {
    name: (section := _section(name, info.annotation), Field(default=section(), description=info.annotation.__doc__))  # type: ignore[arg-type]
    for name, info in Settings.model_fields.items()
    if name not in _SECTIONS_OF_THE_HOME
}
SettingsOfRun = create_model(
    "SettingsOfRun",
    __base__=dg.Config,
    __doc__="Settings for this run only; what is left empty comes from the home's settings.yaml, see docs/settings.md.",
    **_SECTIONS,
)
"""Every setting but addresses and what the home keeps, empty by default."""


def given(settings: BaseModel) -> dict[str, dict[str, Any]]:
    """The settings that are not empty, by section."""
    sections = {section: {k: v for k, v in values.items() if v is not None} for section, values in settings.model_dump().items()}
    return {section: values for section, values in sections.items() if values}
