"""How files are written, as the settings say it where a file does not show it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from oneclick_pipeline.contracts.exports import SOURCES

Encoding = Literal[
    "utf-8",
    "utf-8 read as cp1251",
    "cp1251",
    "cp866",
    "koi8-r",
    "mac-cyrillic",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnFormat(_Part):
    """How the numbers of a column are written."""

    decimal: Literal["", ".", ","] = Field("", description="Mark before the fraction")
    grouping: Literal["", ".", ",", " ", "'"] = Field(
        "", description="Mark between thousands; a space stands for any blank, an apostrophe for any apostrophe"
    )

    @model_validator(mode="after")
    def _two_marks(self) -> Self:
        if self.decimal and self.decimal == self.grouping:
            raise ValueError("decimal and grouping are the same mark; a number could be read in two ways")
        return self


class FileFormat(_Part):
    """How a file is written; what is left out is detected."""

    encoding: Encoding | None = Field(None, description="Encoding of the file")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(None, description="Character between its fields")
    columns: dict[str, ColumnFormat] = Field({}, description="Columns with numbers, by header: decimal and grouping")


class Formats(_Part):
    """How files are written, where they do not show it. A run stops and asks for it where a number has two readings."""

    market_file: FileFormat = Field(FileFormat(), description="Encoding, delimiter and columns of market_file")
    market_money: FileFormat = Field(FileFormat(), description="The same of market_money")
    market_time: FileFormat = Field(FileFormat(), description="The same of market_time")
    money: FileFormat = Field(FileFormat(), description="The same of money")
    campaign: FileFormat = Field(FileFormat(), description="The same of the files that `oneclick campaigns import` reads")

    @field_validator(*(source.file for source in SOURCES))
    @classmethod
    def _known_columns(cls, value: FileFormat, info: ValidationInfo) -> FileFormat:
        source = next(s for s in SOURCES if s.file == info.field_name)
        known = [c.header for c in source.columns if c.type.is_number]
        if unknown := [header for header in value.columns if header not in known]:
            raise ValueError(f"unknown column {unknown[0]}; the columns with numbers are {', '.join(known)}")
        return value

    def of(self, file: str) -> FileFormat:
        """The format of an export."""
        given: FileFormat = getattr(self, file)
        return given
