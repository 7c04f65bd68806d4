"""The languages of the page.

In comes a code, `ru` or `en`; out comes a `Language` that writes figures and texts. Begin with `language`.

language    how a language writes numbers, months and plurals, and the form of its texts
ru, en      all texts, one line each, and the words of either language
"""

from dataclasses import replace

from oneclick_pipeline.report.languages import en, ru
from oneclick_pipeline.report.languages.language import NO_BREAK, Language, cut

__all__ = ["NO_BREAK", "Language", "cut", "language"]


def language(code: str, unit_roubles: float | None = None) -> Language:
    """A language by its code; `unit_roubles` says how many roubles a finance unit is, where the store says so."""
    return replace({"ru": ru.LANGUAGE, "en": en.LANGUAGE}[code], unit_roubles=unit_roubles)
